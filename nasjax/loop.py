"""The search loop: propose, evaluate, reward, update. It has no algorithm and no state of its own.

for every round
  for every phase of the controller, repeated
    proposal      = phase.propose          architectures from the controller
    outcome       = evaluator.evaluate     trained or looked up
    rewards       = reward
    state         = phase.update           the controller learns
"""

import functools
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from nasjax import compile_cache
from nasjax.config import PositiveFloat, PositiveFraction, PositiveInt, settings
from nasjax.errors import UserError
from nasjax.streams import stream
from nasjax.types import (
    VALIDATE,
    Best,
    Controller,
    Evaluator,
    Exchange,
    Metrics,
    Observer,
    Outcome,
    Phase,
    Proposal,
    Reward,
    SearchState,
    Space,
)


@settings("search")
class SearchConfig:
    """Section `search` of a config."""

    rounds: PositiveInt  # of the controller; for TRL-HPO, episodes
    max_queries: PositiveInt | None = None  # the search ends after the round that reaches it
    # Seconds of this start and of all rounds before; the search ends after the round that reaches
    # them.
    max_seconds: PositiveFloat | None = None
    # Accuracy of the best architecture, above 0 to 1; the search ends after the round that
    # reaches it.
    stop_at: PositiveFraction | None = None
    # Bound on the evaluator's first cost, in that cost's unit. Costlier architectures are evaluated
    # and learned from, but never the best. None: no constraint.
    max_cost: PositiveFloat | None = None
    checkpoint_every: PositiveInt = 1  # rounds
    checkpoints_kept: PositiveInt = 3  # the newest ones


def init(controller: Controller, space: Space, root_key: jax.Array) -> SearchState:
    """The state of a search before its first round."""
    shape = (space.num_layers, space.layer_width)
    best = Best(accuracy=jnp.float32(0), architecture=jnp.zeros(shape, jnp.int32))
    zero = jnp.int32(0)
    return SearchState(
        controller=jax.jit(controller.init)(stream(root_key, "controller")),
        best=best,
        best_noise_free=best,
        queries=zero,
        exchanges=zero,
        round=zero,
    )


def propose(phase: Phase, root_key: jax.Array, state: SearchState) -> tuple[Proposal, SearchState]:
    """First half of an exchange: the controller's proposal."""
    key = stream(root_key, f"{phase.name}/propose", state.exchanges)
    proposal, controller = phase.propose(key, state.controller)
    return proposal, state.replace(controller=controller)


def absorb(
    phase: Phase,
    reward: Reward,
    root_key: jax.Array,
    state: SearchState,
    proposal: Proposal,
    outcome: Outcome,
    *,
    max_cost: float | None = None,
) -> tuple[SearchState, jax.Array, Metrics]:
    """Second half of an exchange: rewards [B], the controller's update, incumbents and counts."""
    rewards = reward(proposal, outcome)
    key = stream(root_key, f"{phase.name}/update", state.exchanges)
    controller, metrics = phase.update(key, state.controller, proposal, outcome, rewards)
    validation = proposal.purpose == VALIDATE
    eligible = is_eligible(proposal, outcome, max_cost)
    state = state.replace(
        controller=controller,
        best=_better(state.best, proposal, outcome, eligible),
        best_noise_free=_better(state.best_noise_free, proposal, outcome, eligible & validation),
        queries=state.queries + (proposal.mask & ~validation).sum(dtype=jnp.int32),
        exchanges=state.exchanges + 1,
    )
    return state, rewards, metrics


def is_eligible(proposal: Proposal, outcome: Outcome, max_cost: float | None) -> jax.Array:
    """Whether a row is unmasked and measured, and its first cost is at most max_cost; [B] bool."""
    measured = proposal.mask & outcome.ok
    return measured if max_cost is None else measured & (outcome.costs[:, 0] <= max_cost)


def _better(best: Best, proposal: Proposal, outcome: Outcome, eligible: jax.Array) -> Best:
    accuracy = jnp.where(eligible, outcome.accuracy, -1)
    top = jnp.argmax(accuracy)
    better = accuracy[top] > best.accuracy
    return Best(
        accuracy=jnp.where(better, accuracy[top], best.accuracy),
        architecture=jnp.where(better, proposal.architecture[top], best.architecture),
    )


@functools.lru_cache(maxsize=32)
def _jitted(phase: Phase, reward: Reward, max_cost: float | None) -> tuple[Any, Any]:
    """The two halves of an exchange as programs."""
    absorbed = functools.partial(absorb, phase, reward, max_cost=max_cost)
    jit = functools.partial(jax.jit, compiler_options=compile_cache.quick_options())
    return jit(functools.partial(propose, phase)), jit(absorbed)


def run(
    *,
    controller: Controller,
    evaluator: Evaluator,
    reward: Reward,
    root_key: jax.Array,
    state: SearchState,
    config: SearchConfig,
    observer: Observer,
    seconds: float = 0.0,
) -> SearchState:
    """Searches from `state` until the budget or the controller's patience is used up.

    This is the host loop, for any evaluator. Proposing and updating are one jitted program each per
    phase; a second search with the same controller and reward uses them again.

    Args:
      seconds: of the budget that earlier starts have used.
    """
    begun = time.monotonic() - seconds
    halves = [_jitted(phase, reward, config.max_cost) for phase in controller.round]
    seed_key = stream(root_key, "evaluate")
    while not end_reason(controller, state, config, time.monotonic() - begun):
        for phase, (propose_rows, absorb_rows) in zip(controller.round, halves, strict=True):
            for repeat in range(phase.repeats):
                proposal, state = propose_rows(root_key, state)
                outcome = evaluator.evaluate(seed_key, proposal)
                state, rewards, metrics = absorb_rows(root_key, state, proposal, outcome)
                observer.on_exchange(
                    Exchange(
                        round=int(state.round),
                        phase=phase.name,
                        repeat=repeat,
                        proposal=proposal,
                        outcome=outcome,
                        rewards=rewards,
                        metrics=metrics,
                        best=state.best,
                    )
                )
        state = state.replace(round=state.round + 1)
        observer.on_round(state)
    return state


def run_compiled(
    *,
    controller: Controller,
    evaluator: Evaluator,
    reward: Reward,
    root_key: jax.Array,
    state: SearchState,
    rounds: int,
    keep: Callable[[SearchState, Proposal, Outcome], Any] = lambda *exchange: (),
) -> tuple[SearchState, tuple[Any, ...]]:
    """Searches for `rounds` rounds as a pure function, to jit and to vmap over (root_key, state).

    The exchanges are those of `run`. Where a controller learns, XLA may order float sums otherwise
    in the one program, so the last bits may differ. A controller that has finished proposes nothing
    more, but its rounds still count.

    Args:
      keep: (state afterwards, proposal, outcome) -> values to return for an exchange.

    Returns:
      The state, and the kept values: a tree per phase with leaves [rounds, repeats, ...].

    Raises:
      UserError: the evaluator is not pure.
    """
    if not evaluator.pure:
        raise UserError("a compiled search needs a pure evaluator: a table or surrogates")
    seed_key = stream(root_key, "evaluate")

    def exchange(phase: Phase, state: SearchState, _: None) -> tuple[SearchState, Any]:
        proposal, state = propose(phase, root_key, state)
        outcome = evaluator.evaluate(seed_key, proposal)
        state = absorb(phase, reward, root_key, state, proposal, outcome)[0]
        return state, keep(state, proposal, outcome)

    def one_round(state: SearchState, _: None) -> tuple[SearchState, tuple[Any, ...]]:
        kept = []
        for phase in controller.round:
            repeated = functools.partial(exchange, phase)
            state, kept_of_phase = jax.lax.scan(repeated, state, length=phase.repeats)
            kept.append(kept_of_phase)
        return state.replace(round=state.round + 1), tuple(kept)

    return jax.lax.scan(one_round, state, length=rounds)


def end_reason(
    controller: Controller, state: SearchState, config: SearchConfig, seconds: float
) -> str | None:
    """The setting that ends the search after so many seconds, as "key=value"; None: it goes on.

    It is "the controller" where that has finished by itself.
    """
    reached = {
        "rounds": int(state.round),
        "max_queries": int(state.queries),
        "stop_at": float(state.best.accuracy),
        "max_seconds": seconds,
    }
    for key, value in reached.items():
        limit = getattr(config, key)
        if limit is not None and value >= limit:
            return f"search.{key}={limit}"
    return "the controller" if bool(controller.finished(state.controller)) else None
