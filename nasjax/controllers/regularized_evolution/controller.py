"""Regularised (aging) evolution (Real et al., 2019, Algorithm 1)."""

import flax.struct
import jax
import jax.numpy as jnp

from nasjax.config import PositiveInt, settings
from nasjax.controllers.proposals import propose_whole
from nasjax.types import Controller, Metrics, MutableSpace, Outcome, Phase, Proposal, Request


@settings("controller")
class RegularizedEvolutionConfig:
    """Section `controller` of a config; defaults are for hundreds of queries."""

    population_size: PositiveInt = 10  # P; the first P architectures are random
    sample_size: PositiveInt = 3  # S, drawn with replacement; the best of them is mutated


class RegularizedEvolutionState(flax.struct.PyTreeNode):
    """The population as a ring: a child replaces the oldest member.

    Attributes:
      architecture: [P, L, F] int32; reward: [P].
      born: [] int32, number of architectures so far.
    """

    architecture: jax.Array
    reward: jax.Array
    born: jax.Array


def make_regularized_evolution(config: RegularizedEvolutionConfig, request: Request) -> Controller:
    """Proposes one architecture a round: random until the population is full, then a mutation.

    The parent is the best of `sample_size` members drawn at random.
    """
    space: MutableSpace = request.space
    size = config.population_size

    def propose(
        key: jax.Array, state: RegularizedEvolutionState
    ) -> tuple[Proposal, RegularizedEvolutionState]:
        random_key, sample_key, mutate_key = jax.random.split(key, 3)
        drawn = jax.random.randint(sample_key, (config.sample_size,), 0, size)
        parent = drawn[jnp.argmax(state.reward[drawn])]
        child = space.mutate(mutate_key, state.architecture[parent])
        asked = jnp.where(state.born < size, space.sample(random_key), child)
        return propose_whole(asked[None], request.performance_size), state

    def update(
        key: jax.Array,
        state: RegularizedEvolutionState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[RegularizedEvolutionState, Metrics]:
        oldest = state.born % size
        return RegularizedEvolutionState(
            architecture=state.architecture.at[oldest].set(proposal.architecture[0]),
            reward=state.reward.at[oldest].set(rewards[0]),
            born=state.born + 1,
        ), {}

    # A child is computed in every round, so the empty population must hold a valid architecture.
    return Controller(
        init=lambda key: RegularizedEvolutionState(
            architecture=jnp.broadcast_to(
                space.sample(key), (size, space.num_layers, space.layer_width)
            ),
            reward=jnp.zeros(size),
            born=jnp.int32(0),
        ),
        round=(Phase("evolve", 1, 1, propose, update),),
        learns=False,
    )
