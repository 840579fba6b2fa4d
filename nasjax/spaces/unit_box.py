"""The simplest space, for landscapes and tests: a layer is its action, rounded to a grid."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


@dataclasses.dataclass(frozen=True)
class UnitBox:
    """L layers of A grid coordinates each; every architecture is valid.

    An architecture is int32 [L, A]: 1 to `levels` for the coordinates of a layer, rows of zeros
    after the last layer.
    """

    num_layers: int = 6
    action_size: int = 4
    levels: int = 1_000

    @property
    def layer_width(self) -> int:
        """One integer per coordinate."""
        return self.action_size

    def decode(self, action: jax.Array, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """The layer [A] of an action a [A] in [0, 1]: 1 + min(floor(a levels), levels - 1)."""
        cell = jnp.floor(action * self.levels).astype(jnp.int32)
        return 1 + jnp.minimum(cell, self.levels - 1)

    def coordinates(self, architecture: Any) -> Any:
        """The centres of the grid points' boxes, [L, A] in (0, 1); below 0 for layers not built."""
        return (architecture - 0.5) / self.levels

    def is_valid(self, architecture: jax.Array) -> jax.Array:
        """Whether there is a layer, [L, A] -> [] bool."""
        return (architecture[0] > 0).all()

    def sample(self, key: jax.Array) -> jax.Array:
        """A uniformly random architecture [L, A]; the key is consumed."""
        shape = (self.num_layers, self.action_size)
        return jax.random.randint(key, shape, 1, self.levels + 1, jnp.int32)

    def mutate(self, key: jax.Array, architecture: jax.Array) -> jax.Array:
        """Replaces one coordinate by another value; the key is consumed."""
        place_key, step_key = jax.random.split(key)
        place = jax.random.randint(place_key, (), 0, self.num_layers * self.action_size)
        step = jax.random.randint(step_key, (), 1, self.levels)
        flat = architecture.reshape(-1)
        return (
            flat.at[place]
            .set(1 + (flat[place] - 1 + step) % self.levels)
            .reshape(architecture.shape)
        )

    def to_text(self, architecture: Any) -> str:
        """One readable line, e.g. "0.25 0.50 > 0.75 0.10"."""
        return " > ".join(
            " ".join(f"{value:.3f}" for value in layer["coordinates"])
            for layer in self.to_layers(architecture)
        )

    def to_layers(self, architecture: Any) -> list[dict[str, Any]]:
        """Plain data for JSON, one dict per layer."""
        built = np.asarray(architecture)
        rows = self.coordinates(built).tolist()
        return [{"coordinates": row} for row, cells in zip(rows, built, strict=True) if cells[0]]
