"""Features of mean 0 and deviation 1, for methods that are not trees."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def of(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[N, F] -> center and scale [F] of what is not missing; 0 and 1 where nothing varies."""
    there = ~np.isnan(features)
    count = np.maximum(there.sum(0), 1)
    center = np.where(there, features, 0).sum(0) / count
    variance = np.where(there, (features - center) ** 2, 0).sum(0) / count
    scale = np.where(variance > 0, np.sqrt(variance), 1)
    return center.astype(np.float32), scale.astype(np.float32)


def apply(features: Any, center: Any, scale: Any) -> jax.Array:
    """[N, F] -> [N, F]; missing features are as the mean."""
    return jnp.where(jnp.isnan(features), 0, (features - center[None]) / scale[None])
