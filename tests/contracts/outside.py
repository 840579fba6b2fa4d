"""A space with a table of its own, and a controller, as another project would have them."""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import nasjax

LETTERS, SLOTS = ("a", "b", "c"), 5
WORTH = np.array([0.2, 0.5, 0.1])  # of the letters; each slot counts half of the one before it


@dataclasses.dataclass(frozen=True)
class WordSpace(nasjax.SlotSpace):
    """Words of five letters: 3^5 = 243."""

    operations: tuple[str, ...] = LETTERS
    num_layers: int = SLOTS
    filler: int = 0


def load(data_set, costs):
    """Accuracy: the weighted worth of the letters, "bbbbb" is best. Cost: how many are b, in mm."""
    letters = WordSpace().from_index(np.arange(3**SLOTS))[:, :, 0] - 1
    weights = 0.5 ** np.arange(1, SLOTS + 1)
    accuracy = (WORTH[letters] @ weights / weights.sum()).astype(np.float32)
    columns = {"ink_mm": (letters == 1).sum(1)}
    found = np.array([columns[cost] for cost in costs], np.float32).reshape(len(costs), -1).T
    return nasjax.Rows(accuracy, accuracy / 2, found)


WORDS = nasjax.SpaceEntry(
    "words",
    make=lambda settings, images: WordSpace(),
    evaluator="table",
    tables=nasjax.Tables(("english",), lambda data_set: ("ink_mm",), load),
)


class ClimberState(NamedTuple):
    """The best so far: [L, 1] and []."""

    architecture: jax.Array
    accuracy: jax.Array


@dataclasses.dataclass(frozen=True)
class ClimberConfig:
    """rows: neighbours of the best so far that are asked for at once."""

    rows: int = 2

    def __post_init__(self):
        if self.rows < 1:
            raise nasjax.UserError(f"config.controller.rows={self.rows!r}; it must be >= 1")


def make_climber(config, request):
    """Random neighbours of the best so far."""
    space = request.space

    def init(key):
        return ClimberState(space.sample(key), jnp.float32(0))

    def propose(key, state):
        keys = jax.random.split(key, config.rows)
        asked = jax.vmap(space.mutate, in_axes=(0, None))(keys, state.architecture)
        return nasjax.propose_whole(asked, request.performance_size), state

    def update(key, state, proposal, outcome, rewards):
        top = jnp.argmax(rewards)
        found = ClimberState(proposal.architecture[top], rewards[top])
        is_better = rewards[top] > state.accuracy
        return jax.tree.map(lambda new, old: jnp.where(is_better, new, old), found, state), {}

    return nasjax.Controller(
        init=init,
        round=(nasjax.Phase("climb", config.rows, 1, propose, update),),
        learns=False,
    )


CLIMBER = nasjax.ControllerEntry("climber", make_climber, ClimberConfig)
NOT_AN_ENTRY = 7
