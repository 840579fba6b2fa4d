"""What can be measured, networks and layers, and what a space must offer to be profiled."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from nasjax.profiling.config import MOST_PROGRAMS
from nasjax.spaces import parsed
from nasjax.spaces.parsed import Layers
from nasjax.spaces.slots import SlotSpace

LATENCY, LAYER_LATENCY = "latency", "layer_latency"
ALONE = (parsed.CONV, parsed.POOL, parsed.LINEAR, parsed.INVERTED_RESIDUAL)  # kinds to be measured


class Computed(NamedTuple):
    """A network or a layer as a program.

    Attributes:
      function: (params, images [N, *inputs]) -> outputs.
      params: shapes (tuples) of arrays, in lists and dicts.
      inputs: shape of an image, or (values,).
    """

    function: Callable[[Any, jax.Array], jax.Array]
    params: Any
    inputs: tuple[int, ...]


class Program(NamedTuple):
    """What is measured.

    Attributes:
      name: in the tables; target: what its latency is called there.
      features: for predictors, by name; "macs" is among them.
      computed: how.
    """

    name: str
    target: str
    features: dict[str, float]
    computed: Computed


class Layer(NamedTuple):
    """A convolution, pool, linear layer or inverted residual alone.

    Attributes:
      inputs, outputs: channels, or values of a linear layer.
      side: of the image it reads.
      expansion: of an inverted residual, which has its first convolution, no groups and no squeeze.
    """

    kind: int
    kernel: int
    stride: int
    padding: int
    inputs: int
    outputs: int
    side: int
    expansion: int = 1

    @property
    def name(self) -> str:
        """Readable, e.g. "conv 16>32 k3 s2 on 32x32"; padding by half the kernel is not said.

        Of an inverted residual, e.g. "inverted_residual 32>64 k3 s2 e6 on 32x32".
        """
        if self.kind == parsed.LINEAR:
            return f"linear {self.inputs}>{self.outputs}"
        channels = self.inputs if self.kind == parsed.POOL else f"{self.inputs}>{self.outputs}"
        padding = "" if self.padding == self.kernel // 2 else f" p{self.padding}"
        expansion = f" e{self.expansion}" if self.kind == parsed.INVERTED_RESIDUAL else ""
        where = f"k{self.kernel} s{self.stride}{padding}{expansion} on {self.side}x{self.side}"
        return f"{parsed.KINDS[self.kind]} {channels} {where}"


class ProfiledSpace(NamedTuple):
    """How a space is profiled; it has `sample`, `features`, `parse_network` and `to_text`.

    Attributes:
      make: (image_size, classes) -> the space.
      network: (space, architecture [L, ...]) -> how it is computed.
      layer: how a layer is.
      most_networks: at a time, see `config.MOST_PROGRAMS`.
    """

    make: Callable[[int, int], Any]
    network: Callable[[Any, np.ndarray], Computed]
    layer: Callable[[Layer], Computed]
    most_networks: int = MOST_PROGRAMS


def slots(apply: Callable[..., Any], param_shapes: Callable[..., Any]) -> Callable[..., Computed]:
    """`ProfiledSpace.network` of a space of slots, from its nets: see `nasjax/nets`."""

    def network(space: SlotSpace, architecture: np.ndarray) -> Computed:
        operations = (architecture[:, 0] - 1).tolist()
        return Computed(
            function=functools.partial(apply, operations=operations),
            params=param_shapes(operations, space.num_classes),
            inputs=(space.image_size, space.image_size, 3),
        )

    return network


def networks(entry: ProfiledSpace, space: Any, architectures: np.ndarray) -> list[Program]:
    """The networks of architectures [N, L, ...]."""
    features = np.asarray(jax.jit(jax.vmap(space.features))(architectures))
    return [
        Program(
            name=space.to_text(architecture),
            target=LATENCY,
            features=_named(space.feature_names, row),
            computed=entry.network(space, architecture),
        )
        for architecture, row in zip(architectures, features, strict=True)
    ]


def layers(entry: ProfiledSpace, space: Any, architectures: np.ndarray) -> list[Program]:
    """Every different layer of these networks as a network of one layer, in order of name."""
    rows = jax.jit(jax.vmap(space.parse_network))(architectures)
    table = np.unique(np.stack([np.asarray(column).ravel() for column in rows], axis=1), axis=0)
    found: dict[str, tuple[Layer, Layers]] = {}
    for values in table[np.isin(table[:, 0], ALONE)]:
        row = Layers(*values.tolist())._replace(skip=0, repeats=1, live=1)
        layer = _layer(row)
        found[layer.name] = layer, row
    ordered = [found[name] for name in sorted(found)]
    if not ordered:
        return []
    columns = Layers(*np.array([row for _, row in ordered], np.float32).T[:, :, None])
    features = np.asarray(jax.jit(jax.vmap(parsed.aggregate))(columns))
    return [
        Program(layer.name, LAYER_LATENCY, _named(parsed.AGGREGATES, row), entry.layer(layer))
        for (layer, _), row in zip(ordered, features, strict=True)
    ]


def _layer(row: Layers) -> Layer:
    """Channels and side of what a layer reads follow from its macs and volume: it is square."""
    outputs, kernel, expansion = int(row.channels), int(row.kernel), int(row.expansion)
    volume, pixels = int(row.input_volume), row.height * row.width
    match row.kind:
        case parsed.LINEAR:
            inputs = volume
        case parsed.CONV:
            inputs = round(row.macs / (pixels * kernel**2 * outputs))
        case parsed.INVERTED_RESIDUAL:  # of each input channel, times the expansion
            inputs = round(row.macs / (expansion * (volume + pixels * (kernel**2 + outputs))))
        case _:
            inputs = outputs
    side = math.isqrt(volume // inputs)
    numbers = kernel, int(row.stride), int(row.padding), inputs, outputs, side, expansion
    return Layer(int(row.kind), *numbers)


def _named(names: Sequence[str], values: np.ndarray) -> dict[str, float]:
    return dict(zip(names, values.tolist(), strict=True))


def linear(layer: Layer) -> Computed:
    """Values times weights, plus biases."""
    shapes = {"w": (layer.inputs, layer.outputs), "b": (layer.outputs,)}
    return Computed(lambda params, x: x @ params["w"] + params["b"][None], shapes, (layer.inputs,))
