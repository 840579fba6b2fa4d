"""Many seeds of one search as one program, and what each of them asked for."""

import functools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nasjax import search
from nasjax.assemble import TableParts
from nasjax.studies.cell import ENDED, NO_ROW
from nasjax.types import VALIDATE, Outcome, Proposal, SearchState

CALLS = 8  # of a program per search: for progress, and so that little is lost
_AXIS = "seeds"


class Found(NamedTuple):
    """What N seeds asked for. See `Cell` for `queries`, `updates`, `final`.

    Attributes:
      compile_seconds, run_seconds: apart.
    """

    queries: np.ndarray
    updates: np.ndarray
    final: np.ndarray
    compile_seconds: float
    run_seconds: float


class Asked(NamedTuple):
    """The rows of one exchange [B]; on the host, of N searches, [N, ...].

    Attributes:
      row: of the table, or NO_ROW; ENDED where masked, and for validation.
      validated: the same for validation rows that have all layers; ENDED elsewhere.
    """

    row: Any
    validated: Any


def run_seeds(
    parts: TableParts,
    seeds: np.ndarray,
    budget: int,
    on_queries: Callable[[int], None] = lambda queries: None,
) -> Found:
    """Runs the searches of these seeds until each has spent its budget or has finished.

    They are spread over all local devices; how many there are changes what a learner finds in the
    last bits only.

    Args:
      seeds: [N].
      on_queries: told the mean of queries made so far, after every call of the program.
    """
    devices = jax.local_devices()[: len(seeds)]
    sharding = NamedSharding(Mesh(np.array(devices), (_AXIS,)), PartitionSpec(_AXIS))
    padded = np.concatenate([seeds, np.repeat(seeds[-1:], -len(seeds) % len(devices))])
    placed = jax.device_put(padded.astype(np.uint32), sharding)
    begin = _spread(functools.partial(_begin, parts), sharding)
    rounds = math.ceil(budget / _most_queries(parts) / CALLS)
    go_on = _spread(functools.partial(_go_on, parts, rounds), sharding)

    start = time.perf_counter()
    begin_compiled = begin.lower(placed).compile()
    states = jax.eval_shape(begin, placed)
    states = jax.tree.map(
        lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=sharding), states
    )
    go_on_compiled = go_on.lower(placed, states).compile()
    compile_seconds = time.perf_counter() - start

    start = time.perf_counter()
    state: Any = begin_compiled(placed)
    history: list[Asked] = []
    while not history or not _is_over(parts, state, budget):
        state, asked = go_on_compiled(placed, state)
        history.append(_in_order(jax.device_get(asked)))
        on_queries(int(np.minimum(np.asarray(state.queries), budget).mean()))
    rows, validated = (
        np.concatenate(parts, 1)[: len(seeds)] for parts in zip(*history, strict=True)
    )
    return Found(
        queries=_first(rows, budget),
        updates=np.asarray(jax.vmap(parts.controller.num_updates)(state.controller))[: len(seeds)],
        final=_last(validated),
        compile_seconds=compile_seconds,
        run_seconds=time.perf_counter() - start,
    )


def seed_bytes(parts: TableParts, budget: int) -> int:
    """What a search holds: its state before and after a round, and all that it has asked for."""
    state = jax.eval_shape(functools.partial(_begin, parts), jax.ShapeDtypeStruct((), np.uint32))
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    return 2 * held + 2 * 4 * 2 * max(budget, _most_queries(parts))


def _begin(parts: TableParts, seed: jax.Array) -> SearchState:
    return search.init(parts.controller, parts.space, jax.random.key(seed))


def _go_on(
    parts: TableParts, rounds: int, seed: jax.Array, state: SearchState
) -> tuple[SearchState, tuple[Asked, ...]]:
    def keep(proposal: Proposal, outcome: Outcome) -> Asked:
        index = jax.vmap(parts.space.index)(proposal.architecture)
        row = jnp.where(outcome.ok, index, NO_ROW)
        validation = proposal.purpose == VALIDATE
        whole = (proposal.architecture[:, -1] != 0).any(-1)
        return Asked(
            row=jnp.where(proposal.mask & ~validation, row, ENDED),
            validated=jnp.where(proposal.mask & validation & whole, row, ENDED),
        )

    return search.run_compiled(
        controller=parts.controller,
        evaluator=parts.evaluator,
        reward=parts.reward,
        root_key=jax.random.key(seed),
        state=state,
        rounds=rounds,
        keep=keep,
    )


def _spread(function: Callable[..., Any], sharding: NamedSharding) -> Any:
    """`vmap` over seeds, each device its share, none hears of another."""
    spread = jax.shard_map(
        jax.vmap(function),
        mesh=sharding.mesh,
        in_specs=sharding.spec,
        out_specs=sharding.spec,
        check_vma=False,
    )
    return jax.jit(spread)


def _most_queries(parts: TableParts) -> int:
    """Of one round."""
    return sum(phase.rows * phase.repeats for phase in parts.controller.round)


def _is_over(parts: TableParts, state: SearchState, budget: int) -> bool:
    finished = jax.vmap(parts.controller.finished)(state.controller)
    return bool(((state.queries >= budget) | finished).all())


def _in_order(asked: tuple[Asked, ...]) -> Asked:
    """Phases [N, rounds, repeats, B] to [N, queries] in the order in which they were asked."""
    columns = []
    for leaves in zip(*asked, strict=True):
        shaped = [leaf.reshape(*leaf.shape[:2], -1) for leaf in leaves]
        columns.append(np.concatenate(shaped, -1).reshape(len(shaped[0]), -1))
    return Asked(*columns)


def _first(rows: np.ndarray, budget: int) -> np.ndarray:
    """[N, any] -> [N, budget]: rows closed up over those that are masked; ENDED behind them."""
    order = np.argsort(rows == ENDED, axis=1, kind="stable")[:, :budget]
    found = np.take_along_axis(rows, order, axis=1)
    missing = budget - found.shape[1]
    return np.pad(found, ((0, 0), (0, missing)), constant_values=ENDED) if missing > 0 else found


def _last(validated: np.ndarray) -> np.ndarray:
    """[N, any] -> [N]: the last row that is one, else NO_ROW."""
    there = validated >= 0
    last = validated.shape[1] - 1 - there[:, ::-1].argmax(1)
    return np.where(there.any(1), validated[np.arange(len(validated)), last], NO_ROW)
