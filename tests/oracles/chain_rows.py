"""Chains as tuples of numpy_net and as the integers of the space, written from its docstring."""

from typing import Any

import numpy as np

from tests.oracles.numpy_net import ACTIVATIONS, Layer

CONV32, POOL, FC64 = ("conv", 32, 3, 1), ("pool", 2, 2, 0), ("fc", 64, True, "relu")


def row(layer: Layer) -> list[int]:
    """A layer of numpy_net as four integers."""
    if layer[0] == "fc":
        return [2, layer[1], int(layer[2]), ACTIVATIONS.index(layer[3])]
    return [{"conv": 1, "pool": 3}[layer[0]], *layer[1:]]


def rows(*layers: Layer) -> np.ndarray:
    """int32 [6, 4], padded with zeros."""
    filled = [row(layer) for layer in layers]
    return np.array(filled + [[0] * 4] * (6 - len(filled)), np.int32)


def layer(values: Any) -> Layer:
    """The inverse of `row`."""
    kind, *rest = map(int, values)
    if kind == 2:
        return ("fc", rest[0], bool(rest[1]), ACTIVATIONS[rest[2]])
    return ({1: "conv", 3: "pool"}[kind], *rest)
