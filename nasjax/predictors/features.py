"""Computes the features of many architectures in one program."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.data.tables import IMAGES


def features_of(space: Any, architectures: np.ndarray, data_set: str | None = None) -> np.ndarray:
    """`space.features` of N architectures, [N, L, W] -> [N, F] float32.

    Args:
      data_set: the tables' data set that gives image size and classes; None: those of the space.
    """
    one = space.features
    if data_set is not None:
        image_size, classes = IMAGES[data_set]
        one = functools.partial(one, image_size=image_size, num_classes=classes)
    return np.asarray(jax.jit(jax.vmap(one))(jnp.asarray(architectures)))
