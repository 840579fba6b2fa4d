"""Local search (White et al., 2021, Algorithm 1): evaluate all neighbours, move to the best."""

import flax.struct
import jax
import jax.numpy as jnp

from nasjax.config import check, settings
from nasjax.controllers.proposals import propose_whole
from nasjax.spaces.slots import SlotSpace
from nasjax.types import Controller, Metrics, Outcome, Phase, Proposal, Request


@settings("controller")
class LocalSearchConfig:
    """Section `controller` of a config: there is nothing to set."""


class LocalSearchState(flax.struct.PyTreeNode):
    """The climb under way.

    Attributes:
      architecture: [L, F] int32; reward: [], its reward.
      moved: [] int32, the slot that the last step changed; -1 at the start of a climb.
      restart: [] bool, the next exchange starts a new climb.
      num_climbs: [] int32, climbs started so far.
    """

    architecture: jax.Array
    reward: jax.Array
    moved: jax.Array
    restart: jax.Array
    num_climbs: jax.Array


def make_local_search(config: LocalSearchConfig, request: Request) -> Controller:
    """Climbs to a local optimum and starts again from a random architecture.

    A round proposes a start where one is needed, then all neighbours: architectures that differ in
    one slot. After a step, those that differ in the same slot are known already and masked. Their
    order is random, so that a budget that ends between them favours none.

    Raises:
      UserError: the space has no slots.
    """
    return _LocalSearch(request).controller()


class _LocalSearch:
    """The phases as methods over static settings; all state is an argument."""

    def __init__(self, request: Request):
        listed = isinstance(request.space, SlotSpace)
        allowed = "another one in this space: its neighbours cannot be listed"
        check(listed, "controller.name", "local_search", allowed)
        self.space, self.performance_size = request.space, request.performance_size
        self.slots = self.space.changes[:, 0]

    def controller(self) -> Controller:
        return Controller(
            init=self.init,
            round=(
                Phase("start", 1, 1, self.propose_start, self.start),
                Phase("climb", len(self.slots), 1, self.propose_neighbours, self.climb),
            ),
            learns=False,
        )

    def init(self, key: jax.Array) -> LocalSearchState:
        return LocalSearchState(
            architecture=jnp.ones((self.space.num_layers, self.space.layer_width), jnp.int32),
            reward=jnp.float32(0),
            moved=jnp.int32(-1),
            restart=jnp.bool_(True),
            num_climbs=jnp.int32(0),
        )

    def propose_start(
        self, key: jax.Array, state: LocalSearchState
    ) -> tuple[Proposal, LocalSearchState]:
        drawn = self.space.sample(key)[None]
        return propose_whole(drawn, self.performance_size, state.restart), state

    def start(
        self,
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
        self, key: jax.Array, state: LocalSearchState
    ) -> tuple[Proposal, LocalSearchState]:
        near = self.space.neighbours(state.architecture)
        order = jax.random.permutation(key, len(near))
        unknown = jnp.asarray(self.slots)[order] != state.moved
        return propose_whole(near[order], self.performance_size, unknown), state

    def climb(
        self,
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
