"""MetaQNN (Baker et al., 2017): tabular Q-learning over layers, with experience replay.

    Q(s, a) <- (1 - alpha) Q(s, a) + alpha (r + gamma max_a' Q(s', a'))       (eq. 3)

A state is the last layer and its depth. An action is the next layer, or to end. r is the accuracy
of the finished network, and 0 before. After every network, `replays` networks are drawn from all so
far, and Q is updated on their transitions, the last one first.
"""

from typing import Literal

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nasjax.config import Fraction, PositiveFraction, PositiveInt, settings
from nasjax.controllers import sequences
from nasjax.controllers.proposals import propose_whole
from nasjax.types import Controller, DiscreteSpace, Metrics, Outcome, Phase, Proposal, Request

# Networks trained at every epsilon (Table 2 of the paper): 2,700 in all.
PUBLISHED_EPSILONS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
PUBLISHED_COUNTS = (1500, 100, 100, 100, 150, 150, 150, 150, 150, 150)


@settings("controller")
class MetaqnnConfig:
    """Section `controller` of a config; defaults are the paper's, but for the schedule's scale."""

    learning_rate: PositiveFraction = 0.01  # alpha
    discount: Fraction = 1.0  # gamma
    initial_value: float = 0.5  # of Q
    replays: PositiveInt = 100  # networks drawn from the memory after every new one
    # The schedule of epsilon is "scaled" to the search's budget, or takes the published numbers of
    # networks ("absolute": a shorter budget ends before epsilon has fallen). Epsilon ends at 0.1.
    schedule: Literal["scaled", "absolute"] = "scaled"


class MetaqnnState(flax.struct.PyTreeNode):
    """The table of Q and the memory of networks.

    Attributes:
      values: [L, K + 1, K + 1], Q at a depth, after a layer (K: none), for a choice (K: end).
      chosen: [L] int32, choices of the network that is being evaluated.
      choices, rewards: [M, L] int32 and [M], the memory of the M networks of the budget.
      models: [] int32, networks so far.
    """

    values: jax.Array
    chosen: jax.Array
    choices: jax.Array
    rewards: jax.Array
    models: jax.Array


def epsilon_schedule(config: MetaqnnConfig, budget: int) -> np.ndarray:
    """Epsilon for every network of a search, [budget] float32."""
    values, ends = np.array(PUBLISHED_EPSILONS), np.cumsum(PUBLISHED_COUNTS)
    if config.schedule == "scaled":
        ends = ends * budget / ends[-1]
    step = np.searchsorted(ends, np.arange(budget), side="right")
    return values[np.minimum(step, len(values) - 1)].astype(np.float32)


def update_values(
    values: jax.Array,
    choices: jax.Array,
    allowed: jax.Array,
    reward: jax.Array,
    *,
    config: MetaqnnConfig,
) -> jax.Array:
    """Q [L, K + 1, K + 1] after the transitions of one network, the last one first.

    Args:
      choices: [L] int32; allowed: [L, K + 1] bool; reward: [].
    """
    layers, end = values.shape[0], values.shape[1] - 1
    before = jnp.concatenate([jnp.full(1, end, choices.dtype), choices[:-1]])
    # After the end there is no transition; ending is one, and filling the last layer.
    real = jnp.concatenate([jnp.ones(1, bool), choices[:-1] != end])
    for i in reversed(range(layers)):
        target = reward
        if i + 1 < layers:
            ahead = jnp.where(allowed[i + 1], values[i + 1, choices[i]], -jnp.inf).max()
            target = jnp.where(choices[i] == end, reward, config.discount * ahead)
        old = values[i, before[i], choices[i]]
        rate = jnp.where(real[i], config.learning_rate, 0)
        values = values.at[i, before[i], choices[i]].add(rate * (target - old))
    return values


def make_metaqnn(config: MetaqnnConfig, request: Request) -> Controller:
    """The controller; it proposes one network a round."""
    return _Metaqnn(config, request).controller()


class _Metaqnn:
    """The phases as methods over static settings; all state is an argument."""

    def __init__(self, config: MetaqnnConfig, request: Request):
        self.config, self.performance_size = config, request.performance_size
        self.space: DiscreteSpace = request.space
        self.budget = request.queries(per_round=1)
        self.layers, self.end = self.space.num_layers, len(self.space.options)
        self.epsilons = jnp.asarray(epsilon_schedule(config, self.budget))

    def controller(self) -> Controller:
        return Controller(
            init=self.init,
            round=(Phase("metaqnn", 1, 1, self.propose, self.update),),
            num_updates=lambda state: state.models,
            params=lambda state: {"values": state.values},
        )

    def init(self, key: jax.Array) -> MetaqnnState:
        return MetaqnnState(
            values=jnp.full((self.layers, self.end + 1, self.end + 1), self.config.initial_value),
            chosen=jnp.full(self.layers, self.end, jnp.int32),
            choices=jnp.full((self.budget, self.layers), self.end, jnp.int32),
            rewards=jnp.zeros(self.budget),
            models=jnp.int32(0),
        )

    def propose(self, key: jax.Array, state: MetaqnnState) -> tuple[Proposal, MetaqnnState]:
        keys = jax.random.split(key, 2 * self.layers).reshape(self.layers, 2)
        epsilon = self.epsilons[jnp.minimum(state.models, self.budget - 1)]

        def choose(layer: int, previous: jax.Array, allowed: jax.Array) -> jax.Array:
            explores = jax.random.bernoulli(keys[layer, 0], epsilon)
            worth = jnp.where(explores, 0, state.values[layer, previous])
            best = jnp.where(allowed, worth, -jnp.inf)
            # Ties are broken at random: at the start all values are equal.
            ties = jnp.where(best == best.max(), 0.0, -jnp.inf)
            return jax.random.categorical(keys[layer, 1], ties)

        built = sequences.build(self.space, choose)
        proposal = propose_whole(built.architecture[None], self.performance_size)
        return proposal, state.replace(chosen=built.choices)

    def replay(self, values: jax.Array, row: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        choices, reward = row
        allowed = sequences.build(self.space, lambda layer, *_: choices[layer]).allowed
        return update_values(values, choices, allowed, reward, config=self.config), None

    def update(
        self,
        key: jax.Array,
        state: MetaqnnState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[MetaqnnState, Metrics]:
        place = state.models % self.budget
        choices = state.choices.at[place].set(state.chosen)
        earned = state.rewards.at[place].set(rewards[0])
        held = jnp.minimum(state.models + 1, self.budget)
        drawn = jax.random.randint(key, (self.config.replays,), 0, held)
        values, _ = jax.lax.scan(self.replay, state.values, (choices[drawn], earned[drawn]))
        models = state.models + 1
        return state.replace(values=values, choices=choices, rewards=earned, models=models), {}
