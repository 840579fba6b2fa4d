"""Experience replay as a pytree: a ring buffer whose rows may be masked when added."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp


class Replay(flax.struct.PyTreeNode):
    """Rows and where the next one goes.

    Attributes:
      rows: a pytree whose leaves have a leading axis of `capacity`.
      added: [] int32, rows ever added.
    """

    rows: Any
    added: jax.Array

    @property
    def capacity(self) -> int:
        """The most rows that it holds; a further row overwrites the oldest."""
        return jax.tree.leaves(self.rows)[0].shape[0]

    @property
    def size(self) -> jax.Array:
        """The number of rows that it holds, [] int32."""
        return jnp.minimum(self.added, self.capacity)


def make_replay(row: Any, capacity: int) -> Replay:
    """An empty buffer for rows like `row` (arrays or shape-dtype structs)."""
    rows = jax.tree.map(lambda leaf: jnp.zeros((capacity, *leaf.shape), leaf.dtype), row)
    return Replay(rows=rows, added=jnp.int32(0))


def add(replay: Replay, rows: Any, mask: jax.Array) -> Replay:
    """Appends the rows [B, ...] where the mask [B] is True, in their order; B <= capacity."""
    place = replay.added + jnp.cumsum(mask, dtype=jnp.int32) - 1
    # An index beyond the end is dropped by the scatter: a masked row goes nowhere.
    index = jnp.where(mask, place % replay.capacity, replay.capacity)
    written = jax.tree.map(lambda old, new: old.at[index].set(new, mode="drop"), replay.rows, rows)
    return Replay(rows=written, added=replay.added + mask.sum(dtype=jnp.int32))


def sample(key: jax.Array, replay: Replay, count: int) -> Any:
    """`count` rows drawn uniformly with replacement; zeros while the buffer is empty.

    The key is consumed.
    """
    index = jax.random.randint(key, (count,), 0, jnp.maximum(replay.size, 1))
    return jax.tree.map(lambda leaf: leaf[index], replay.rows)
