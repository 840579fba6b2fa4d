"""Local search (White et al., 2021, Algorithm 1): all neighbours, then on to the best of them."""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp

from nasjax.controllers.proposals import propose_whole
from nasjax.spaces.slots import SlotSpace
from nasjax.types import Controller, Metrics, Outcome, Phase, Proposal


@dataclasses.dataclass(frozen=True)
class LocalSearchConfig:
    """Section `controller` of a config: there is nothing to set."""


class LocalSearchState(flax.struct.PyTreeNode):
    """Where the climb stands.

    Attributes:
      architecture: [L, F] int32; reward: [], what it earned.
      moved: [] int32, the slot in which the last step went; -1 at the start of a climb.
      restart: [] bool, the next exchange starts a new climb.
      num_climbs: [] int32, begun so far.
    """

    architecture: jax.Array
    reward: jax.Array
    moved: jax.Array
    restart: jax.Array
    num_climbs: jax.Array


def make_local_search(
    config: LocalSearchConfig, space: SlotSpace, *, performance_size: int
) -> Controller:
    """Climbs to a local optimum and starts again from a random architecture.

    A round asks for a start where one is needed, then for all neighbours: those that differ in one
    slot. After a step, the ones that differ in the same slot are known already and left out. They
    are asked for in random order, so that a budget that ends between them favours none.
    """
    layers, others = space.num_layers, len(space.operations) - 1

    def propose_start(key: jax.Array, state: LocalSearchState) -> tuple[Proposal, LocalSearchState]:
        drawn = space.sample(key)[None]
        return propose_whole(drawn, performance_size, state.restart), state

    def start(
        key: jax.Array,
        state: LocalSearchState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[LocalSearchState, Metrics]:
        begun = LocalSearchState(
            architecture=proposal.architecture[0],
            reward=rewards[0].astype(jnp.float32),
            moved=jnp.int32(-1),
            restart=jnp.bool_(False),
            num_climbs=state.num_climbs + 1,
        )
        return jax.tree.map(lambda new, old: jnp.where(state.restart, new, old), begun, state), {}

    def propose_neighbours(
        key: jax.Array, state: LocalSearchState
    ) -> tuple[Proposal, LocalSearchState]:
        near = space.neighbours(state.architecture).reshape(layers * others, layers, -1)
        order = jax.random.permutation(key, layers * others)
        return propose_whole(near[order], performance_size, order // others != state.moved), state

    def climb(
        key: jax.Array,
        state: LocalSearchState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[LocalSearchState, Metrics]:
        earned = jnp.where(proposal.mask & outcome.ok, rewards, -jnp.inf)
        top = jnp.argmax(earned)
        better = earned[top] > state.reward
        best = proposal.architecture[top]
        slot = jnp.argmax((best != state.architecture).any(-1))
        return state.replace(
            architecture=jnp.where(better, best, state.architecture),
            reward=jnp.where(better, earned[top], state.reward),
            moved=jnp.where(better, slot, -1).astype(jnp.int32),
            restart=~better,
        ), {}

    shape = (layers, space.layer_width)
    return Controller(
        init=lambda key: LocalSearchState(
            architecture=jnp.ones(shape, jnp.int32),
            reward=jnp.float32(0),
            moved=jnp.int32(-1),
            restart=jnp.bool_(True),
            num_climbs=jnp.int32(0),
        ),
        round=(
            Phase("start", 1, 1, propose_start, start),
            Phase("climb", layers * others, 1, propose_neighbours, climb),
        ),
        finished=lambda state: jnp.bool_(False),
        num_updates=lambda state: jnp.int32(0),
        learns=False,
    )
