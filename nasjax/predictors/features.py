"""Features of many architectures at once."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.data.tables import IMAGES


def features_of(space: Any, architectures: np.ndarray, data_set: str) -> jax.Array:
    """[N, L, W] -> [N, F] float32: `space.features` of networks for a data set of the tables."""
    image_size, classes = IMAGES[data_set]
    one = functools.partial(space.features, image_size=image_size, num_classes=classes)
    return jax.jit(jax.vmap(one))(jnp.asarray(architectures))
