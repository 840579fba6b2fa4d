"""Spaces with a fixed number of slots, each of which holds an operation.

An architecture is int32 [L, 1]: the operation of each slot as 1 to K, or 0 for a slot that is not
filled yet. The filler stands for unfilled slots, so every prefix is a whole network.
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
    """The task of a network, where it is not its space's."""

    image_size: int
    num_classes: int


@dataclasses.dataclass(frozen=True)
class SlotSpace:
    """L slots, each of which holds one of K operations; all filled architectures are valid.

    Attributes:
      operations: the K names, in the order in which `decode` maps actions to them.
      num_layers: L.
      filler: index of the choice that stands for a slot not filled yet.
      image_size, num_classes: the networks' task, for `parse_network` and `features`.
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
        """The operations of each slot, [L, 2]: index of the first, and their number (>= 2).

        By default every slot may hold all operations.
        """
        return np.tile([0, len(self.operations)], (self.num_layers, 1))

    @property
    def size(self) -> int:
        """The number of architectures whose slots are all filled."""
        return math.prod(self.choices[:, 1].tolist())

    @property
    def options(self) -> np.ndarray:
        """All layers, [K, 1] int32."""
        return np.arange(1, len(self.operations) + 1, dtype=np.int32)[:, None]

    def ops(self, architecture: jax.Array) -> jax.Array:
        """The index of each slot's operation, [L, 1] -> [L] int32."""
        closing = (self.choices[:, 0] + self.filler).astype(np.int32)
        return jnp.where(architecture[:, 0] > 0, architecture[:, 0] - 1, closing)

    def decode(self, action: jax.Array, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """The layer [1] of action a [1] in [0, 1]: the slot's choice min(floor(a n), n - 1)."""
        first, count = jnp.asarray(self.choices, jnp.int32)[length]
        return 1 + first + jnp.minimum(jnp.floor(action * count).astype(jnp.int32), count - 1)

    def is_valid(self, architecture: jax.Array) -> jax.Array:
        """Whether the first slot is filled, none after a gap, each by a choice of it; [] bool."""
        filled = architecture[:, 0] > 0
        first, count = self.choices.T.astype(np.int32)
        place = architecture[:, 0] - 1 - first
        fits = ~filled | ((place >= 0) & (place < count))
        return filled[0] & (filled[:-1] | ~filled[1:]).all() & fits.all()

    def allowed(self, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """The options that may come next, [K + 1] bool; the last, to end here, is never allowed."""
        allowed = np.append(self._can_hold, np.zeros((self.num_layers, 1), bool), axis=1)
        return jnp.asarray(allowed)[length]

    @property
    def _can_hold(self) -> np.ndarray:
        """Whether a slot may hold an operation, [L, K] bool."""
        place = np.arange(len(self.operations)) - self.choices[:, :1]
        return (place >= 0) & (place < self.choices[:, 1:])

    def sample(self, key: jax.Array) -> jax.Array:
        """A uniformly random architecture [L, 1]; the key is consumed."""
        first, count = (column[:, None] for column in self.choices.T.astype(np.int32))
        shape = (self.num_layers, 1)
        return jax.random.randint(key, shape, 1 + first, 1 + first + count, jnp.int32)

    def mutate(self, key: jax.Array, architecture: jax.Array) -> jax.Array:
        """Replaces the operation of a random slot by another, both uniform; the key is consumed."""
        slot_key, operation_key = jax.random.split(key)
        slot = jax.random.randint(slot_key, (), 0, self.num_layers)
        count = jnp.asarray(self.choices[:, 1], jnp.int32)[slot]
        step = jax.random.randint(operation_key, (), 1, count)
        other = self._other(architecture[slot, 0], step, slot)
        return architecture.at[slot, 0].set(other)

    @property
    def changes(self) -> np.ndarray:
        """The slot in which each of M neighbours differs, and by how many steps: [M, 2] int32."""
        counts = self.choices[:, 1].tolist()
        found = [(slot, step) for slot, count in enumerate(counts) for step in range(1, count)]
        return np.array(found, np.int32)

    def neighbours(self, architecture: jax.Array) -> jax.Array:
        """All architectures that differ in one slot, [L, 1] -> [M, L, 1], ordered as `changes`."""
        slots, steps = self.changes.T
        other = self._other(architecture[slots, 0], steps, slots)
        here = slots[:, None] == np.arange(self.num_layers)[None]
        return jnp.where(here, other[:, None], architecture[None, :, 0])[..., None]

    def _other(self, operation: jax.Array, step: Any, slot: Any) -> jax.Array:
        """The choice of a slot that is `step` steps further, cyclically."""
        first, count = jnp.asarray(self.choices.T, jnp.int32)[:, slot]
        return 1 + first + (operation - 1 - first + step) % count

    @property
    def _powers(self) -> np.ndarray:
        """The number of architectures of the slots after each slot, [L] int64."""
        if self.size >= _COUNTED:
            raise ValueError(f"the {self.size} architectures of this space have no index in int64")
        counts = self.choices[:0:-1, 1].tolist()
        return np.array(list(itertools.accumulate(counts, int.__mul__, initial=1))[::-1], np.int64)

    def _digits(self, architecture: jax.Array) -> jax.Array:
        """The index of each slot's choice among its choices, [L, 1] -> [L] int32."""
        return self.ops(architecture) - self.choices[:, 0].astype(np.int32)

    def index(self, architecture: jax.Array) -> jax.Array:
        """The index [] int32 from 0 to size - 1: the slots as digits, the first slot highest.

        Raises:
          ValueError: the space has more than 2^31 architectures; see `index_words`.
        """
        if self.size > _WORD:
            raise ValueError(f"the {self.size} architectures of this space have no index in int32")
        return (self._digits(architecture) * self._powers.astype(np.int32)).sum(dtype=jnp.int32)

    @property
    def low_size(self) -> int:
        """The number of values of the low word of `index_words`; `size` if one word is enough."""
        return math.prod(self.choices[self._first_low :, 1].tolist())

    @property
    def _first_low(self) -> int:
        """The first slot of the low word, which counts as many of the last slots as fit."""
        products = itertools.accumulate(self.choices[::-1, 1].tolist(), int.__mul__)
        return self.num_layers - sum(product <= _WORD for product in products)

    def index_words(self, architecture: jax.Array) -> jax.Array:
        """The words (high, low) [2] int32 of the index, which is high * `low_size` + low.

        They replace int64, which programs do not have.

        Raises:
          ValueError: the space has more architectures than two such words can count.
        """
        first, digits, powers = self._first_low, self._digits(architecture), self._powers
        high = powers[:first] // self.low_size
        if self.size // self.low_size > _WORD:
            raise ValueError(f"the {self.size} architectures of this space need more than 2 words")
        words = (high, digits[:first]), (powers[first:], digits[first:])
        return jnp.stack(
            [(some * power.astype(np.int32)).sum(dtype=jnp.int32) for power, some in words]
        )

    def index_from_words(self, words: Any) -> np.ndarray:
        """The index [...] int64 from its words [..., 2] of `index_words`, on the host."""
        high, low = np.moveaxis(np.asarray(words, np.int64), -1, 0)
        return high * self.low_size + low

    def from_index(self, index: Any) -> np.ndarray:
        """The inverse of `index`, for int64 too: [...] -> architectures [..., L, 1] int32."""
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
        """The names [L] of the slots, for `feature_names`."""
        return tuple(map(str, range(self.num_layers)))

    @property
    def structure_names(self) -> tuple[str, ...]:
        """The names of the values of `structure`."""
        return ()

    def structure(self, ops: jax.Array) -> jax.Array:
        """Further features of a space, ops [L] -> [structure_names] float32."""
        return jnp.zeros(0, jnp.float32)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the values of `features`."""
        chosen = [
            f"{slot}={self.operations[operation]}"
            for slot, can_hold in zip(self.slot_names, self._can_hold, strict=True)
            for operation in np.flatnonzero(can_hold)
        ]
        return (*chosen, *self.structure_names, *parsed.AGGREGATES)

    def features(self, architecture: jax.Array, **task: Unpack[Task]) -> jax.Array:
        """The features that predictors read, [L, 1] -> [features] float32.

        Each slot's choice one-hot, then `structure`, then `parsed.AGGREGATES`. The architecture
        may be a prefix.
        """
        ops = self.ops(architecture)
        chosen = ops[:, None] == np.arange(len(self.operations))[None]
        chosen = chosen.reshape(-1)[np.flatnonzero(self._can_hold)]
        totals = parsed.aggregate(self.parse_network(architecture, **task))
        return jnp.concatenate([chosen.astype(jnp.float32), self.structure(ops), totals])

    def from_features(self, features: np.ndarray) -> np.ndarray:
        """The inverse of `features`, on the host: [N, features] -> architectures [N, L, 1]."""
        first, count = self.choices.T
        parts = np.split(np.asarray(features)[:, : count.sum()], np.cumsum(count)[:-1], axis=1)
        chosen = np.stack([part.argmax(1) for part in parts], axis=1)
        return (1 + first + chosen)[..., None].astype(np.int32)

    def parse_network(self, architecture: jax.Array, **task: Unpack[Task]) -> Layers:
        """The layers of the network of an architecture [L, 1] or a prefix; may be traced.

        Their number is the same for all architectures.
        """
        return dataclasses.replace(self, **task).network_layers(self.ops(architecture))

    def network_layers(self, ops: jax.Array) -> Layers:
        """The network's layers, from the operations [L]; every space with networks defines it."""
        raise NotImplementedError(f"{type(self).__name__} does not define its networks")
