"""REINFORCE (Williams, 1992) with a categorical policy per layer, as in NAS-Bench-201.

    gradient of  - (r - b) log pi(architecture)      b: moving average of the rewards, r included

The policy holds one logit per layer and option, and one to end where a space has chains of several
lengths. An option that a prefix does not allow has probability 0.
"""

from typing import Annotated, Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from pydantic import Field

from nasjax.config import PositiveFloat, PositiveInt, settings
from nasjax.controllers import sequences
from nasjax.controllers.proposals import propose_whole
from nasjax.controllers.sequences import Sequence
from nasjax.types import Controller, DiscreteSpace, Metrics, Outcome, Phase, Proposal, Request


@settings("controller")
class ReinforceConfig:
    """Section `controller` of a config; defaults are not tuned, see README."""

    learning_rate: PositiveFloat = 0.01  # of Adam
    # Of the moving average of the rewards, which is corrected for its start at 0.
    baseline_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    models_per_update: PositiveInt = 1  # architectures drawn at a time


class ReinforceState(flax.struct.PyTreeNode):
    """The policy and its optimiser.

    Attributes:
      logits: [L, K + 1]; optimizer: the state of Adam.
      drawn: the B sequences that are being evaluated.
      weighted_rewards, weights: [], numerator and denominator of the moving average.
      num_updates: [] int32.
    """

    logits: jax.Array
    optimizer: Any
    drawn: Sequence
    weighted_rewards: jax.Array
    weights: jax.Array
    num_updates: jax.Array


def log_probability(logits: jax.Array, sequence: Sequence) -> jax.Array:
    """log pi of one sequence under logits [L, K + 1], []."""
    masked = jnp.where(sequence.allowed, logits, -jnp.inf)
    chosen = jnp.take_along_axis(masked, sequence.choices[:, None], axis=1)[:, 0]
    return (chosen - jax.nn.logsumexp(masked, axis=1)).sum()


def make_reinforce(config: ReinforceConfig, request: Request) -> Controller:
    """The controller; it learns from the reward of whole architectures."""
    return _Reinforce(config, request).controller()


class _Reinforce:
    """The phases as methods over static settings; all state is an argument."""

    def __init__(self, config: ReinforceConfig, request: Request):
        self.space: DiscreteSpace = request.space
        self.performance_size = request.performance_size
        self.rows, self.momentum = config.models_per_update, config.baseline_momentum
        self.optimizer = optax.adam(config.learning_rate)

    def controller(self) -> Controller:
        return Controller(
            init=self.init,
            round=(Phase("reinforce", self.rows, 1, self.propose, self.update),),
            num_updates=lambda state: state.num_updates,
            params=lambda state: {"policy": state.logits},
        )

    def draw(self, key: jax.Array, logits: jax.Array) -> Sequence:
        keys = jax.random.split(key, self.space.num_layers)

        def choose(layer: int, previous: jax.Array, allowed: jax.Array) -> jax.Array:
            return jax.random.categorical(keys[layer], jnp.where(allowed, logits[layer], -jnp.inf))

        return sequences.build(self.space, choose)

    def init(self, key: jax.Array) -> ReinforceState:
        logits = jnp.zeros((self.space.num_layers, len(self.space.options) + 1))
        return ReinforceState(
            logits=logits,
            optimizer=self.optimizer.init(logits),
            drawn=jax.vmap(self.draw, (0, None))(jax.random.split(key, self.rows), logits),
            weighted_rewards=jnp.float32(0),
            weights=jnp.float32(0),
            num_updates=jnp.int32(0),
        )

    def propose(self, key: jax.Array, state: ReinforceState) -> tuple[Proposal, ReinforceState]:
        drawn = jax.vmap(self.draw, (0, None))(jax.random.split(key, self.rows), state.logits)
        return propose_whole(drawn.architecture, self.performance_size), state.replace(drawn=drawn)

    def update(
        self,
        key: jax.Array,
        state: ReinforceState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[ReinforceState, Metrics]:
        weighted = self.momentum * state.weighted_rewards + (1 - self.momentum) * rewards.mean()
        weights = self.momentum * state.weights + (1 - self.momentum)
        baseline = weighted / weights

        def loss(logits: jax.Array) -> jax.Array:
            log_pi = jax.vmap(log_probability, (None, 0))(logits, state.drawn)
            return -((rewards - baseline) * log_pi).mean()

        value, gradient = jax.value_and_grad(loss)(state.logits)
        updates, moments = self.optimizer.update(gradient, state.optimizer)
        return state.replace(
            logits=optax.apply_updates(state.logits, updates),
            optimizer=moments,
            weighted_rewards=weighted,
            weights=weights,
            num_updates=state.num_updates + 1,
        ), {"loss": value, "baseline": baseline}
