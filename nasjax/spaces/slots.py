"""Spaces of a fixed number of slots, each filled by one of the same operations.

An architecture is int32 [L, 1]: 1 to K for the operation of a slot, 0 for one that is not filled
yet. A prefix is closed by an operation that changes nothing, so every prefix is a whole network.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class SlotSpace:
    """L slots of K operations: K^L architectures, all valid.

    Attributes:
      operations: their names, in the order in which an action walks through them.
      num_layers: L.
      filler: index of the operation that stands for a slot not filled yet.
    """

    operations: tuple[str, ...]
    num_layers: int
    filler: int

    layer_width = 1
    action_size = 1
    fixed_length = True

    @property
    def size(self) -> int:
        """Architectures whose slots are all filled."""
        return int(len(self.operations) ** self.num_layers)

    @property
    def options(self) -> np.ndarray:
        """[K, 1] int32: all layers that a slot may hold."""
        return np.arange(1, len(self.operations) + 1, dtype=np.int32)[:, None]

    def decode(self, action: jax.Array, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """[1] in [0, 1] -> [1]: 1 + min(floor(a K), K - 1)."""
        count = len(self.operations)
        return 1 + jnp.minimum(jnp.floor(action * count).astype(jnp.int32), count - 1)

    def is_valid(self, architecture: jax.Array) -> jax.Array:
        """[L, 1] -> [] bool: the first slot is filled, and none after one that is not."""
        filled = architecture[:, 0] > 0
        return filled[0] & (filled[:-1] | ~filled[1:]).all()

    def allowed(self, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """[K + 1] bool: which options may come next; the last: ending here, which is never so."""
        return jnp.arange(len(self.operations) + 1) < len(self.operations)

    def sample(self, key: jax.Array) -> jax.Array:
        """All slots, uniform; the key is consumed."""
        shape = (self.num_layers, 1)
        return jax.random.randint(key, shape, 1, len(self.operations) + 1, jnp.int32)

    def mutate(self, key: jax.Array, architecture: jax.Array) -> jax.Array:
        """Another operation, uniform, in one slot, uniform; the key is consumed."""
        slot_key, operation_key = jax.random.split(key)
        slot = jax.random.randint(slot_key, (), 0, self.num_layers)
        step = jax.random.randint(operation_key, (), 1, len(self.operations))
        return architecture.at[slot, 0].set(self._other(architecture[slot, 0], step))

    def neighbours(self, architecture: jax.Array) -> jax.Array:
        """[L, 1] -> [L, K - 1, L, 1]: for every slot, all other operations in it."""
        slots = jnp.arange(self.num_layers)[:, None]
        steps = jnp.arange(1, len(self.operations))[None]
        other = self._other(architecture[:, :1], steps)  # [L, K - 1]
        here = slots[:, :, None] == slots[None, None, :, 0]
        return jnp.where(here, other[:, :, None], architecture[None, None, :, 0])[..., None]

    def _other(self, operation: jax.Array, step: jax.Array) -> jax.Array:
        """The operation so many steps on, in a circle."""
        return 1 + (operation - 1 + step) % len(self.operations)

    def index(self, architecture: jax.Array) -> jax.Array:
        """[L, 1] -> [] int32 from 0 to size - 1: the slots as digits, the first one highest."""
        digits = jnp.where(architecture[:, 0] > 0, architecture[:, 0] - 1, self.filler)
        powers = len(self.operations) ** np.arange(self.num_layers)[::-1]
        return (digits * powers.astype(np.int32)).sum(dtype=jnp.int32)

    def of_index(self, index: Any) -> np.ndarray:
        """The inverse of `index`: [...] -> [..., L, 1] int32, all slots filled."""
        powers = len(self.operations) ** np.arange(self.num_layers)[::-1]
        digits = np.asarray(index)[..., None] // powers % len(self.operations)
        return (1 + digits[..., None]).astype(np.int32)

    def to_text(self, architecture: Any) -> str:
        """One readable line, e.g. "identity > mb3_k3 > identity"."""
        return " > ".join(layer["operation"] for layer in self.to_layers(architecture))

    def to_layers(self, architecture: Any) -> list[dict[str, Any]]:
        """The filled slots as plain data: {"operation": name}."""
        filled = [code for code in np.asarray(architecture)[:, 0].tolist() if code]
        return [{"operation": self.operations[code - 1]} for code in filled]
