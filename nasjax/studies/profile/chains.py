"""How chains of layers are profiled: as the engine computes them, images of three channels.

On a CPU convolutions and pools in float32 are the engine's own kernels, see WORKSPACE.md.
"""

import functools
import math
from typing import Any

import jax
import numpy as np

from nasjax.evaluation.trained import network
from nasjax.evaluation.trained.convolution import conv2d
from nasjax.evaluation.trained.pooling import max_pool
from nasjax.spaces import parsed
from nasjax.spaces.layer_chain import LayerChain
from nasjax.studies.profile.config import ProfileConfig
from nasjax.studies.profile.programs import (
    LATENCY,
    Layer,
    ProfiledSpace,
    Program,
    aggregates,
    linear,
)

_KINDS = {"conv": parsed.CONV, "pool": parsed.POOL, "fc": parsed.LINEAR}


def _make(image_size: int, classes: int) -> LayerChain:
    return LayerChain((image_size, image_size, 3), classes)


def _networks(space: LayerChain, architectures: np.ndarray, config: ProfileConfig) -> list[Program]:
    fields = [[layer.fields for layer in _chain(space, one)] for one in architectures]
    found = []
    for architecture, features in zip(architectures, aggregates(fields), strict=True):
        plan, traits = network.plan_of(architecture, space.input_shape[2])
        shapes = network.weight_shapes(plan, space.input_shape, space.num_classes)
        program = Program(
            name=space.to_text(architecture),
            target=LATENCY,
            features=features,
            function=functools.partial(network.apply, plan=plan, traits=traits),
            params=[{"w": shape, "b": shape[1:]} if shape else {} for shape in shapes],
            inputs=space.input_shape,
        )
        found.append(program)
    return found


def _layers(space: LayerChain, architectures: np.ndarray, config: ProfileConfig) -> list[Layer]:
    return [layer for architecture in architectures for layer in _chain(space, architecture)]


def _chain(space: LayerChain, architecture: np.ndarray) -> list[Layer]:
    """The layers of a valid chain and the closing one, without their activations."""
    shape: tuple[int, ...] = space.input_shape
    found = []
    for layer, row in zip(
        [*space.to_layers(architecture), {"kind": "fc"}],
        space.layer_table(architecture),
        strict=True,
    ):
        height, width, channels = (1, 1, *row.output_shape)[-3:]
        fields = parsed.Layers(
            kind=_KINDS[layer["kind"]],
            kernel=layer.get("kernel", 0),
            stride=layer.get("stride", 1),
            padding=layer.get("padding", 0),
            expansion=1,
            skip=0,
            channels=channels,
            height=height,
            width=width,
            input_volume=math.prod(shape),
            output_volume=math.prod(row.output_shape),
            macs=row.flops // 2,
            params=row.params,
            repeats=1,
            live=1,
        )
        found.append(_layer(fields._asdict(), shape))
        shape = row.output_shape
    return found


def _layer(fields: dict[str, Any], shape: tuple[int, ...]) -> Layer:
    """A layer that takes images of this shape, or so many values."""
    channels = fields["channels"]
    if fields["kind"] == parsed.LINEAR:
        inputs = fields["input_volume"]
        weights = {"w": (inputs, channels), "b": (channels,)}
        return Layer(f"linear {inputs}>{channels}", fields, linear, weights, (inputs,))
    kernel, stride, padding = fields["kernel"], fields["stride"], fields["padding"]
    where = f"k{kernel} s{stride} p{padding} on {shape[0]}x{shape[1]}"
    if fields["kind"] == parsed.POOL:
        name = f"max pool {channels} {where}"
        return Layer(name, fields, lambda _, x: max_pool(x, kernel, stride, padding), {}, shape)

    def conv(layer: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        return conv2d(x, layer["w"], layer["b"], kernel, stride, constant=True)

    kernels = {"w": (kernel**2 * shape[2], channels), "b": (channels,)}
    return Layer(f"conv {shape[2]}>{channels} {where}", fields, conv, kernels, shape)


LAYER_CHAIN = ProfiledSpace(_make, _networks, _layers)
