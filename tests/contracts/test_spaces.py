"""Every space keeps its contract, and the suite sees one that does not."""

import dataclasses
import functools

import jax.numpy as jnp
import pytest

from nasjax import registry
from nasjax.contracts import check_space
from nasjax.spaces.slots import SlotSpace
from tests.oracles.unit_box import UnitBox

SMALL_IMAGES = ((12, 12, 1), 10)


@pytest.mark.parametrize("name", sorted(registry.SPACES))
def test_every_space_keeps_the_contract(name):
    entry = registry.SPACES[name]
    check_space(entry.make(entry.settings(), SMALL_IMAGES))


def test_the_space_of_landscapes_keeps_the_contract():
    check_space(UnitBox())


LETTERS = functools.partial(SlotSpace, ("a", "b", "c"), 4, 0)


@dataclasses.dataclass(frozen=True)
class StaysPut(SlotSpace):
    def mutate(self, key, architecture):
        return architecture


@dataclasses.dataclass(frozen=True)
class ForgetsALayer(SlotSpace):
    def to_layers(self, architecture):
        return super().to_layers(architecture)[1:]


@dataclasses.dataclass(frozen=True)
class DrawsGaps(SlotSpace):
    def sample(self, key):
        return super().sample(key).at[0].set(0)


@dataclasses.dataclass(frozen=True)
class ReversedIndex(SlotSpace):
    def from_index(self, index):
        return super().from_index(self.size - 1 - index)


@dataclasses.dataclass(frozen=True)
class AllowsNothing(SlotSpace):
    def allowed(self, prefix, length):
        return jnp.zeros(len(self.operations) + 1, bool)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (StaysPut, "a mutant must differ"),
        (ForgetsALayer, "to_layers gives 3 of 4 layers"),
        (DrawsGaps, "sample must give valid architectures"),
        (ReversedIndex, "from_index must be the inverse of index"),
        (AllowsNothing, "is not allowed"),
    ],
)
def test_a_space_that_breaks_the_contract_is_told_so(wrong, message):
    check_space(LETTERS())
    with pytest.raises(AssertionError, match=message):
        check_space(wrong(("a", "b", "c"), 4, 0))
