"""The programs of a profile: whole networks of a space, and their layers alone."""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.profiling.config import MAX_PROGRAMS
from nasjax.profiling.layers import Weights, linear
from nasjax.spaces import parsed
from nasjax.spaces.parsed import Layers

Function = Callable[[Weights, jax.Array], jax.Array]

LATENCY, LAYER_LATENCY = "latency", "layer_latency"
# Kinds of layers that are timed alone.
LAYER_KINDS = (parsed.CONV, parsed.POOL, parsed.LINEAR, parsed.INVERTED_RESIDUAL)


class ForwardPass(NamedTuple):
    """A network or a layer as a function of its parameters and of a batch."""

    function: Function  # (weights, inputs [N, *input_shape]) -> outputs, see `profiling.layers`
    input_shape: tuple[int, ...]  # of one image, or (values,)

    def param_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the parameters, in the order in which `function` asks for them."""
        shapes = []

        def weights(*shape: int) -> jax.Array:
            shapes.append(shape)
            return jnp.zeros(shape)

        inputs = jax.ShapeDtypeStruct((1, *self.input_shape), jnp.float32)
        jax.eval_shape(functools.partial(self.function, weights), inputs)
        return shapes

    def apply(self, params: Sequence[jax.Array], inputs: jax.Array) -> jax.Array:
        """The outputs [N, ...] for parameters of `param_shapes`."""
        arrays = iter(params)
        return self.function(lambda *shape: next(arrays), inputs)


class Program(NamedTuple):
    """A network or a layer to be measured."""

    name: str  # unique in the profile; a network's text (`Space.to_text`), or `Layer.name`
    target: str  # LATENCY of a network, LAYER_LATENCY of a layer alone
    features: dict[str, float]  # inputs of predictors by name; "macs", per image, is among them
    forward: ForwardPass


class Layer(NamedTuple):
    """A convolution, pool, linear layer or inverted residual; lengths are in pixels."""

    kind: int  # index of `parsed.KINDS`
    kernel: int
    stride: int
    padding: int
    inputs: int  # this and the next: channels, or values of a linear layer
    outputs: int
    side: int  # of the square image that the layer reads
    expansion: int = 1  # of an inverted residual: three convolutions, no groups, no squeeze

    @property
    def name(self) -> str:
        """A text such as "conv 16>32 k3 s2 on 32x32"; padding is named unless it is kernel // 2.

        An inverted residual also names its expansion: "inverted_residual 32>64 k3 s2 e6 on 32x32".
        """
        if self.kind == parsed.LINEAR:
            return f"linear {self.inputs}>{self.outputs}"
        channels = self.inputs if self.kind == parsed.POOL else f"{self.inputs}>{self.outputs}"
        padding = "" if self.padding == self.kernel // 2 else f" p{self.padding}"
        expansion = f" e{self.expansion}" if self.kind == parsed.INVERTED_RESIDUAL else ""
        where = f"k{self.kernel} s{self.stride}{padding}{expansion} on {self.side}x{self.side}"
        return f"{parsed.KINDS[self.kind]} {channels} {where}"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(height, width, channels) of the image that the layer reads, or (values,)."""
        if self.kind == parsed.LINEAR:
            return (self.inputs,)
        return self.side, self.side, self.inputs


class ProfiledSpace(NamedTuple):
    """The way in which the architectures of one space become programs."""

    # (image_size, classes) -> the space: `sample`, `features`, `feature_names`, `parse_network`,
    # `to_text`.
    make_space: Callable[[int, int], Any]
    network: Callable[[Any, np.ndarray], Function]  # (space, architecture [L, F]), reads images
    layer: Callable[[Layer], Function]  # one of the space's layers that is not linear
    max_networks: int = MAX_PROGRAMS  # largest sample


def make_networks(
    profiled: ProfiledSpace, space: Any, architectures: np.ndarray, image_size: int
) -> list[Program]:
    """Programs of architectures [N, L, F], in their order, for square images."""
    features = np.asarray(jax.jit(jax.vmap(space.features))(architectures))
    image_shape = (image_size, image_size, 3)
    return [
        Program(
            name=space.to_text(architecture),
            target=LATENCY,
            features=dict(zip(space.feature_names, row.tolist(), strict=True)),
            forward=ForwardPass(profiled.network(space, architecture), image_shape),
        )
        for architecture, row in zip(architectures, features, strict=True)
    ]


def make_layers(profiled: ProfiledSpace, space: Any, architectures: np.ndarray) -> list[Program]:
    """Programs of all different layers of architectures [N, L, F], ordered by name.

    A layer has the features of a network that consists of this layer alone.
    """
    columns = jax.jit(jax.vmap(space.parse_network))(architectures)
    table = np.unique(np.stack([np.asarray(column).ravel() for column in columns], axis=1), axis=0)
    found: dict[str, tuple[Layer, Layers]] = {}
    for values in table[np.isin(table[:, 0], LAYER_KINDS)]:
        row = Layers(*values.tolist())._replace(skip=0, repeats=1, live=1)
        layer = _layer(row)
        found[layer.name] = layer, row
    if not found:
        return []
    layers, rows = zip(*(found[name] for name in sorted(found)), strict=True)
    stacked = Layers(*np.array(rows, np.float32).T[:, :, None])
    features = np.asarray(jax.jit(jax.vmap(parsed.aggregate))(stacked))
    return [
        Program(
            name=layer.name,
            target=LAYER_LATENCY,
            features=dict(zip(parsed.AGGREGATES, row.tolist(), strict=True)),
            forward=ForwardPass(_function(profiled, layer), layer.input_shape),
        )
        for layer, row in zip(layers, features, strict=True)
    ]


def _function(profiled: ProfiledSpace, layer: Layer) -> Function:
    if layer.kind == parsed.LINEAR:
        return lambda weights, x: linear(weights, x, layer.outputs)
    return profiled.layer(layer)


def _layer(row: Layers) -> Layer:
    """The layer of a row, whose input channels and side follow from its macs and input volume."""
    outputs, kernel, expansion = int(row.channels), int(row.kernel), int(row.expansion)
    volume, pixels = int(row.input_volume), row.height * row.width
    match row.kind:
        case parsed.LINEAR:
            inputs = volume
        case parsed.CONV:
            inputs = round(row.macs / (pixels * kernel**2 * outputs))
        case parsed.INVERTED_RESIDUAL:  # its three convolutions have `inputs * expansion` channels
            inputs = round(row.macs / (expansion * (volume + pixels * (kernel**2 + outputs))))
        case _:
            inputs = outputs
    return Layer(
        kind=int(row.kind),
        kernel=kernel,
        stride=int(row.stride),
        padding=int(row.padding),
        inputs=inputs,
        outputs=outputs,
        side=math.isqrt(volume // inputs),
        expansion=expansion,
    )
