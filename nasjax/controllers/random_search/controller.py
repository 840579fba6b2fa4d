"""Random search, the baseline of every learner."""

import flax.struct
import jax
import jax.numpy as jnp

from nasjax.config import PositiveInt, settings
from nasjax.controllers.proposals import propose_whole
from nasjax.types import Controller, Metrics, Outcome, Phase, Proposal, Request


@settings("controller")
class RandomSearchConfig:
    """Section `controller` of a config."""

    models_per_round: PositiveInt = 10  # independent draws of `Space.sample`


class RandomSearchState(flax.struct.PyTreeNode):
    """The number of rounds so far, [] int32."""

    round: jax.Array


def make_random_search(config: RandomSearchConfig, request: Request) -> Controller:
    """Proposes random architectures and learns nothing."""
    rows = config.models_per_round

    def propose(key: jax.Array, state: RandomSearchState) -> tuple[Proposal, RandomSearchState]:
        drawn = jax.vmap(request.space.sample)(jax.random.split(key, rows))
        return propose_whole(drawn, request.performance_size), state

    def update(
        key: jax.Array,
        state: RandomSearchState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[RandomSearchState, Metrics]:
        return state.replace(round=state.round + 1), {}

    return Controller(
        init=lambda key: RandomSearchState(round=jnp.int32(0)),
        round=(Phase("propose", rows, 1, propose, update),),
        learns=False,
    )
