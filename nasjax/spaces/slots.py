"""Spaces of a fixed number of slots, each filled by one of some operations.

An architecture is int32 [L, 1]: the operation of each slot as 1 to K, 0 for one that is not filled
yet. A prefix is closed by an operation that each slot names, so every prefix is a whole network.
"""

import dataclasses
import itertools
import math
from typing import Any, TypedDict, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.spaces import parsed
from nasjax.spaces.parsed import Layers

_WORD, _COUNTED = 2**31, 2**63  # values of an index in int32 and in int64


class Task(TypedDict, total=False):
    """What a network is for, where it is not what its space says."""

    image_size: int
    num_classes: int


@dataclasses.dataclass(frozen=True)
class SlotSpace:
    """L slots, each with some of K operations; all architectures are valid.

    Attributes:
      operations: their names, in the order in which an action walks through them.
      num_layers: L.
      filler: which of its choices stands for a slot not filled yet.
      image_size, num_classes: of the networks, for `parse_network` and `features`.
    """

    operations: tuple[str, ...]
    num_layers: int
    filler: int
    image_size: int = 32
    num_classes: int = 10

    layer_width = 1
    action_size = 1
    fixed_length = True

    @property
    def choices(self) -> np.ndarray:
        """[L, 2]: the first operation that each slot may hold, and how many from there on (>= 2).

        Here every slot may hold each of them.
        """
        return np.tile([0, len(self.operations)], (self.num_layers, 1))

    @property
    def size(self) -> int:
        """Architectures whose slots are all filled."""
        return math.prod(self.choices[:, 1].tolist())

    @property
    def options(self) -> np.ndarray:
        """[K, 1] int32: all layers that there are."""
        return np.arange(1, len(self.operations) + 1, dtype=np.int32)[:, None]

    def ops(self, architecture: jax.Array) -> jax.Array:
        """[L, 1] -> [L] int32: index of each slot's operation."""
        closing = (self.choices[:, 0] + self.filler).astype(np.int32)
        return jnp.where(architecture[:, 0] > 0, architecture[:, 0] - 1, closing)

    def decode(self, action: jax.Array, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """[1] in [0, 1], [L, 1], [] -> [1]: of the next slot's n choices min(floor(a n), n - 1)."""
        first, count = jnp.asarray(self.choices, jnp.int32)[length]
        return 1 + first + jnp.minimum(jnp.floor(action * count).astype(jnp.int32), count - 1)

    def is_valid(self, architecture: jax.Array) -> jax.Array:
        """[L, 1] -> [] bool: first slot filled, none after a gap, each by a choice of its."""
        filled = architecture[:, 0] > 0
        first, count = self.choices.T.astype(np.int32)
        place = architecture[:, 0] - 1 - first
        fits = ~filled | ((place >= 0) & (place < count))
        return filled[0] & (filled[:-1] | ~filled[1:]).all() & fits.all()

    def allowed(self, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """[K + 1] bool: which options may come next; the last: ending here, which is never so."""
        known = np.append(self._known, np.zeros((self.num_layers, 1), bool), axis=1)
        return jnp.asarray(known)[length]

    @property
    def _known(self) -> np.ndarray:
        """[L, K] bool: which operations a slot may hold."""
        place = np.arange(len(self.operations)) - self.choices[:, :1]
        return (place >= 0) & (place < self.choices[:, 1:])

    def sample(self, key: jax.Array) -> jax.Array:
        """All slots, uniform; the key is consumed."""
        first, count = (column[:, None] for column in self.choices.T.astype(np.int32))
        shape = (self.num_layers, 1)
        return jax.random.randint(key, shape, 1 + first, 1 + first + count, jnp.int32)

    def mutate(self, key: jax.Array, architecture: jax.Array) -> jax.Array:
        """Another operation, uniform, in one slot, uniform; the key is consumed."""
        slot_key, operation_key = jax.random.split(key)
        slot = jax.random.randint(slot_key, (), 0, self.num_layers)
        count = jnp.asarray(self.choices[:, 1], jnp.int32)[slot]
        step = jax.random.randint(operation_key, (), 1, count)
        other = self._other(architecture[slot, 0], step, slot)
        return architecture.at[slot, 0].set(other)

    @property
    def changes(self) -> np.ndarray:
        """[M, 2] int32: of every neighbour the slot in which it differs, and by how many steps."""
        counts = self.choices[:, 1].tolist()
        found = [(slot, step) for slot, count in enumerate(counts) for step in range(1, count)]
        return np.array(found, np.int32)

    def neighbours(self, architecture: jax.Array) -> jax.Array:
        """[L, 1] -> [M, L, 1]: all that differ in one slot, in the order of `changes`."""
        slots, steps = self.changes.T
        other = self._other(architecture[slots, 0], steps, slots)
        here = slots[:, None] == np.arange(self.num_layers)[None]
        return jnp.where(here, other[:, None], architecture[None, :, 0])[..., None]

    def _other(self, operation: jax.Array, step: Any, slot: Any) -> jax.Array:
        """The slot's choice so many steps on, in a circle."""
        first, count = jnp.asarray(self.choices.T, jnp.int32)[:, slot]
        return 1 + first + (operation - 1 - first + step) % count

    @property
    def _powers(self) -> np.ndarray:
        """[L] int64: architectures of the slots after each one.

        Raises:
          ValueError: the space is too large to be counted.
        """
        if self.size >= _COUNTED:
            raise ValueError(f"the {self.size} architectures of this space have no index in int64")
        counts = self.choices[:0:-1, 1].tolist()
        return np.array(list(itertools.accumulate(counts, int.__mul__, initial=1))[::-1], np.int64)

    def _digits(self, architecture: jax.Array) -> jax.Array:
        """[L, 1] -> [L] int32: of each slot's choices which one."""
        return self.ops(architecture) - self.choices[:, 0].astype(np.int32)

    def index(self, architecture: jax.Array) -> jax.Array:
        """[L, 1] -> [] int32 from 0 to size - 1: the slots as digits, the first one highest.

        Raises:
          ValueError: the space has more than 2^31 architectures; see `index_words`.
        """
        if self.size > _WORD:
            raise ValueError(f"the {self.size} architectures of this space have no index in int32")
        return (self._digits(architecture) * self._powers.astype(np.int32)).sum(dtype=jnp.int32)

    @property
    def low_size(self) -> int:
        """How many values the low one of `index_words` has; `size`, where one word is enough."""
        return math.prod(self.choices[self._first_low :, 1].tolist())

    @property
    def _first_low(self) -> int:
        """The first of the last slots, as many as a word can count."""
        products = itertools.accumulate(self.choices[::-1, 1].tolist(), int.__mul__)
        return self.num_layers - sum(product <= _WORD for product in products)

    def index_words(self, architecture: jax.Array) -> jax.Array:
        """[L, 1] -> [2] int32, high and low: the index is high * `low_size` + low.

        There is no int64 inside a program.

        Raises:
          ValueError: the space has more architectures than two such words can count.
        """
        first, digits, powers = self._first_low, self._digits(architecture), self._powers
        high = powers[:first] // self.low_size
        if self.size // self.low_size > _WORD:
            raise ValueError(f"the {self.size} architectures of this space need more than 2 words")
        words = (high, digits[:first]), (powers[first:], digits[first:])
        return jnp.stack(
            [(of * power.astype(np.int32)).sum(dtype=jnp.int32) for power, of in words]
        )

    def of_words(self, words: Any) -> np.ndarray:
        """[..., 2] of `index_words` -> [...] int64 index, on the host."""
        high, low = np.moveaxis(np.asarray(words, np.int64), -1, 0)
        return high * self.low_size + low

    def of_index(self, index: Any) -> np.ndarray:
        """The inverse of `index`, also in int64: [...] -> [..., L, 1] int32, all slots filled."""
        first, count = self.choices.T
        digits = np.asarray(index)[..., None] // self._powers % count
        return (1 + first + digits)[..., None].astype(np.int32)

    def to_text(self, architecture: Any) -> str:
        """One readable line, e.g. "identity > mb3_k3 > identity"."""
        return " > ".join(layer["operation"] for layer in self.to_layers(architecture))

    def to_layers(self, architecture: Any) -> list[dict[str, Any]]:
        """The filled slots as plain data: {"operation": name}."""
        filled = [code for code in np.asarray(architecture)[:, 0].tolist() if code]
        return [{"operation": self.operations[code - 1]} for code in filled]

    @property
    def slot_names(self) -> tuple[str, ...]:
        """[L], for `feature_names`."""
        return tuple(map(str, range(self.num_layers)))

    @property
    def structure_names(self) -> tuple[str, ...]:
        """Of `structure`."""
        return ()

    def structure(self, ops: jax.Array) -> jax.Array:
        """[L] -> [structure_names] float32: what a space has to add to the features."""
        return jnp.zeros(0, jnp.float32)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Of `features`."""
        chosen = [
            f"{slot}={self.operations[operation]}"
            for slot, known in zip(self.slot_names, self._known, strict=True)
            for operation in np.flatnonzero(known)
        ]
        return (*chosen, *self.structure_names, *parsed.AGGREGATES)

    def features(self, architecture: jax.Array, **task: Unpack[Task]) -> jax.Array:
        """[L, 1] -> [features] float32: what predictors of device behaviour read.

        Each slot's choice as zeros and ones, `structure`, `parsed.AGGREGATES`.

        Args:
          architecture: may be a prefix.
          task: where it is not the space's.
        """
        ops = self.ops(architecture)
        chosen = ops[:, None] == np.arange(len(self.operations))[None]
        chosen = chosen.reshape(-1)[np.flatnonzero(self._known)]
        totals = parsed.aggregate(self.parse_network(architecture, **task))
        return jnp.concatenate([chosen.astype(jnp.float32), self.structure(ops), totals])

    def of_features(self, features: np.ndarray) -> np.ndarray:
        """The inverse of `features`, on the host: [N, features] -> [N, L, 1], all slots filled."""
        first, count = self.choices.T
        parts = np.split(np.asarray(features)[:, : count.sum()], np.cumsum(count)[:-1], axis=1)
        chosen = np.stack([part.argmax(1) for part in parts], axis=1)
        return (1 + first + chosen)[..., None].astype(np.int32)

    def parse_network(self, architecture: jax.Array, **task: Unpack[Task]) -> Layers:
        """[L, 1] -> the network's layers, as many for every architecture; may be traced.

        Args:
          architecture: may be a prefix.
          task: where it is not the space's.
        """
        return dataclasses.replace(self, **task).layers_of(self.ops(architecture))

    def layers_of(self, ops: jax.Array) -> Layers:
        """[L] -> the network's layers."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its networks are")
