"""Scales features to mean 0 and deviation 1, for methods other than trees."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def center_and_scale(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation [F] of features [N, F] without missing ones; deviation 1 if constant."""
    there = ~np.isnan(features)
    count = np.maximum(there.sum(0), 1)
    center = np.where(there, features, 0).sum(0) / count
    variance = np.where(there, (features - center) ** 2, 0).sum(0) / count
    scale = np.where(variance > 0, np.sqrt(variance), 1)
    return center.astype(np.float32), scale.astype(np.float32)


def apply(features: Any, center: Any, scale: Any) -> jax.Array:
    """The scaled features, [N, F] -> [N, F]; missing features become the mean, 0."""
    return jnp.where(jnp.isnan(features), 0, (features - center[None]) / scale[None])
