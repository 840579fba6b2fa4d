"""Measured networks that studies of predictors are about: their features and what they cost."""

import functools
from typing import NamedTuple

import numpy as np

from nasjax.data.tables import IMAGES, load_table
from nasjax.predictors.features import features_of
from nasjax.spaces.nas_bench_201 import NasBench201

SOURCES = ("nas_bench_201",)


class Source(NamedTuple):
    """N networks of a space.

    Attributes:
      features: [N, F] float32; names: [F].
      macs: [N] float64, multiply-adds per image.
      costs: of those asked for, [N] float32, infinite where the device cannot run a network.
      task: what the networks are for: `image_size` and `classes`.
    """

    features: np.ndarray
    names: tuple[str, ...]
    macs: np.ndarray
    costs: dict[str, np.ndarray]
    task: dict[str, int]


@functools.lru_cache(maxsize=8)
def load(name: str, costs: tuple[str, ...], data_set: str = "cifar10") -> Source:
    """The networks of one of `SOURCES`.

    Raises:
      UserError: a cost is unknown.
    """
    space = NasBench201()
    table = load_table(name, data_set, costs)
    image_size, classes = IMAGES[data_set]
    features = features_of(space, table.ops.astype(np.int32)[..., None] + 1, data_set)
    return Source(
        np.asarray(features),
        space.feature_names,
        table.macs.astype(np.float64),
        dict(zip(costs, table.costs.T, strict=True)),
        {"image_size": image_size, "classes": classes},
    )
