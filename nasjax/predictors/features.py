"""Features of many architectures at once."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.data.tables import IMAGES


def features_of(space: Any, architectures: np.ndarray, data_set: str | None = None) -> np.ndarray:
    """[N, L, W] -> [N, F] float32: `space.features` of all of them.

    Args:
      data_set: of the tables, whose images and classes the networks are for; None: the space's.
    """
    one = space.features
    if data_set is not None:
        image_size, classes = IMAGES[data_set]
        one = functools.partial(one, image_size=image_size, num_classes=classes)
    return np.asarray(jax.jit(jax.vmap(one))(jnp.asarray(architectures)))
