"""One agent per hyper-parameter and a master (Neary, 2018), reconstructed: no code is public.

A hyper-parameter is the choice in one slot (in a chain, the layer at one depth). Its agent keeps a
value per option, Q(option) <- Q(option) + alpha (r - Q(option)), and tries one option in the
master's architecture, all other slots unchanged. The master then combines the agents' best options,
proposes that architecture, and keeps it if it earns more than its own. README.md lists the
assumptions.
"""

import flax.struct
import jax
import jax.numpy as jnp

from nasjax.config import Fraction, PositiveFraction, settings
from nasjax.controllers import sequences
from nasjax.controllers.proposals import propose_whole
from nasjax.types import Controller, DiscreteSpace, Metrics, Outcome, Phase, Proposal, Request


@settings("controller")
class MultiAgentConfig:
    """Section `controller` of a config.

    The share of random options falls linearly from the first to the last round of the budget.
    """

    learning_rate: PositiveFraction = 0.1  # alpha
    first_epsilon: Fraction = 1.0  # share of random options in the first round
    last_epsilon: Fraction = 0.1  # and in the last round


class MultiAgentState(flax.struct.PyTreeNode):
    """The agents and the master.

    Attributes:
      values: [L, K + 1], Q of every agent.
      chosen: [L] int32, the options that the agents are trying.
      master: [L] int32, the master's choices; reward: [], their reward, -inf at first.
      combined: [L] int32, the choices that the master is trying.
      round: [] int32.
    """

    values: jax.Array
    chosen: jax.Array
    master: jax.Array
    reward: jax.Array
    combined: jax.Array
    round: jax.Array


def make_multi_agent(config: MultiAgentConfig, request: Request) -> Controller:
    """The controller. A round is a trial of every agent, then the master's: L + 1 queries."""
    return _MultiAgent(config, request).controller()


class _MultiAgent:
    """The phases as methods over static settings; all state is an argument."""

    def __init__(self, config: MultiAgentConfig, request: Request):
        self.config, self.performance_size = config, request.performance_size
        self.space: DiscreteSpace = request.space
        self.layers = self.space.num_layers
        per_round = self.layers + 1
        self.rounds = max(1, request.queries(per_round) // per_round)

    def controller(self) -> Controller:
        return Controller(
            init=self.init,
            round=(
                Phase("agents", self.layers, 1, self.propose_trials, self.learn),
                Phase("master", 1, 1, self.propose_combination, self.decide),
            ),
            num_updates=lambda state: state.round * self.layers,
            params=lambda state: {"values": state.values},
        )

    def build(self, choices: jax.Array) -> jax.Array:
        return sequences.build(self.space, lambda layer, *_: choices[layer]).architecture

    def init(self, key: jax.Array) -> MultiAgentState:
        keys = jax.random.split(key, self.layers)
        start = sequences.build(
            self.space,
            lambda layer, _, allowed: jax.random.categorical(keys[layer], _logits(allowed)),
        ).choices
        return MultiAgentState(
            values=jnp.zeros((self.layers, len(self.space.options) + 1)),
            chosen=start,
            master=start,
            reward=jnp.float32(-jnp.inf),
            combined=start,
            round=jnp.int32(0),
        )

    def propose_trials(
        self, key: jax.Array, state: MultiAgentState
    ) -> tuple[Proposal, MultiAgentState]:
        explore_key, option_key = jax.random.split(key)
        allowed = sequences.build(self.space, lambda layer, *_: state.master[layer]).allowed
        passed = jnp.minimum(state.round / max(1, self.rounds - 1), 1)
        epsilon = self.config.first_epsilon + passed * (
            self.config.last_epsilon - self.config.first_epsilon
        )
        explores = jax.random.bernoulli(explore_key, epsilon, (self.layers,))
        tried = jax.random.categorical(option_key, _logits(allowed))
        best = jnp.where(allowed, state.values, -jnp.inf).argmax(-1)
        chosen = jnp.where(explores, tried, best).astype(jnp.int32)
        trials = jnp.where(jnp.eye(self.layers, dtype=bool), chosen[None], state.master[None])
        proposal = propose_whole(jax.vmap(self.build)(trials), self.performance_size)
        return proposal, state.replace(chosen=chosen)

    def learn(
        self,
        key: jax.Array,
        state: MultiAgentState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[MultiAgentState, Metrics]:
        place = jnp.arange(self.layers), state.chosen
        error = rewards - state.values[place]
        return state.replace(
            values=state.values.at[place].add(self.config.learning_rate * error)
        ), {}

    def propose_combination(
        self, key: jax.Array, state: MultiAgentState
    ) -> tuple[Proposal, MultiAgentState]:
        built = sequences.build(
            self.space,
            lambda layer, _, allowed: jnp.where(allowed, state.values[layer], -jnp.inf).argmax(),
        )
        proposal = propose_whole(built.architecture[None], self.performance_size)
        return proposal, state.replace(combined=built.choices)

    def decide(
        self,
        key: jax.Array,
        state: MultiAgentState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[MultiAgentState, Metrics]:
        better = rewards[0] > state.reward
        return state.replace(
            master=jnp.where(better, state.combined, state.master),
            reward=jnp.where(better, rewards[0], state.reward).astype(jnp.float32),
            round=state.round + 1,
        ), {}


def _logits(allowed: jax.Array) -> jax.Array:
    """Logits of the uniform distribution over the allowed choices."""
    return jnp.where(allowed, 0.0, -jnp.inf)
