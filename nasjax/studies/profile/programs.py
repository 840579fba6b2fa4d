"""What can be measured, networks and layers, and what a space must offer to be profiled."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from nasjax.spaces import parsed
from nasjax.spaces.parsed import Layers
from nasjax.studies.profile.config import ProfileConfig

LATENCY, LAYER_LATENCY = "latency", "layer_latency"


class Program(NamedTuple):
    """A network or a layer that is measured.

    Attributes:
      name: in the tables; target: what its latency is called there.
      features: for predictors, by name; "macs" is among them.
      function: (params, images [N, *inputs]) -> outputs.
      params: shapes (tuples) of arrays, in lists and dicts.
      inputs: shape of an image.
    """

    name: str
    target: str
    features: dict[str, float]
    function: Callable[[Any, jax.Array], jax.Array]
    params: Any
    inputs: tuple[int, ...]


class Layer(NamedTuple):
    """A layer that can be computed alone: `fields` of `parsed.Layers`, the rest as in Program."""

    name: str
    fields: dict[str, float]
    function: Callable[[Any, jax.Array], jax.Array]
    params: Any
    inputs: tuple[int, ...]


class ProfiledSpace(NamedTuple):
    """How a space is profiled.

    Attributes:
      make: (image_size, classes) -> the space.
      networks: (space, architectures [N, L, ...], config) -> N programs.
      layers: (space, architectures, config) -> their layers; those of one name are the same.
    """

    make: Callable[[int, int], Any]
    networks: Callable[[Any, np.ndarray, ProfileConfig], list[Program]]
    layers: Callable[[Any, np.ndarray, ProfileConfig], list[Layer]]


def alone(layers: Sequence[Layer]) -> list[Program]:
    """Each different layer as a network of its own, in the order of their names."""
    by_name = {layer.name: layer for layer in layers}
    ordered = [by_name[name] for name in sorted(by_name)]
    features = aggregates([[layer.fields] for layer in ordered])
    return [
        Program(layer.name, LAYER_LATENCY, row, layer.function, layer.params, layer.inputs)
        for layer, row in zip(ordered, features, strict=True)
    ]


def aggregates(networks: Sequence[Sequence[dict[str, float]]]) -> list[dict[str, float]]:
    """`parsed.aggregate` of networks whose layers are given as fields of `Layers`."""
    most = max(map(len, networks), default=1)
    table = np.zeros((len(Layers._fields), len(networks), most), np.float32)
    for i, layers in enumerate(networks):
        for j, layer in enumerate(layers):
            table[:, i, j] = [layer[name] for name in Layers._fields]
    columns = Layers(*table)  # what is zero here occurs zero times
    sums = jax.jit(jax.vmap(parsed.aggregate))(columns)
    return [named(parsed.AGGREGATES, row) for row in np.asarray(sums)]


def named(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    """Values by name."""
    return dict(zip(names, values.tolist(), strict=True))


def linear(layer: dict[str, jax.Array], x: jax.Array) -> jax.Array:
    """x [N, inputs] @ w + b."""
    return x @ layer["w"] + layer["b"][None]
