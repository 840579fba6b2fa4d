"""Profiles the networks of NAS-Bench-201 (Dong and Yang, 2020) as a device runs them.

Batch norms are folded into the convolutions before them. The last norm follows a sum and stays, as
a scale and a shift. An edge with "none" adds nothing; a node that no edge reaches is zeros. A
convolution timed alone includes the ReLU before it.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from nasjax.errors import UserError
from nasjax.profiling.networks.convolutions import Shapes, conv, conv_shapes
from nasjax.profiling.programs import ForwardPass, Layer, ProfiledSpace, slot_networks
from nasjax.spaces import parsed
from nasjax.spaces.nas_bench_201 import CELLS, CHANNELS, EDGES, OPERATIONS, NasBench201

Params = list[dict[str, Any]]
NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(len(OPERATIONS))
_KERNELS = {CONV_1X1: 1, CONV_3X3: 3}


def param_shapes(operations: Sequence[int], num_classes: int) -> list[Shapes]:
    """Shapes of all layers with parameters in the order of computing, unread ones included.

    A convolution has w [kernel, kernel, inputs, filters] and b [filters]; in the shortcut of a
    residual block it has no norm, hence no b. The last norm has scale and shift, the linear layer
    w and b.

    Args:
      operations: [6] indices of OPERATIONS, one an edge.
    """
    shapes = [conv_shapes(3, CHANNELS[0], 3)]
    for stage, channels in enumerate(CHANNELS):
        if stage:
            before = CHANNELS[stage - 1]
            shapes += [conv_shapes(before, channels, 3), conv_shapes(channels, channels, 3)]
            shapes += [{"w": (1, 1, before, channels)}]
        kernels = [_KERNELS[code] for code in operations if code in _KERNELS]
        shapes += CELLS * [conv_shapes(channels, channels, kernel) for kernel in kernels]
    last = CHANNELS[-1]
    return [
        *shapes,
        {"scale": (last,), "shift": (last,)},
        {"w": (last, num_classes), "b": (num_classes,)},
    ]


def apply(params: Params, images: jax.Array, operations: Sequence[int]) -> jax.Array:
    """Logits [N, classes] of images [N, H, W, 3]; H and W are multiples of 4.

    Args:
      params: arrays of `param_shapes`, of the images' type.
      operations: [6] indices of OPERATIONS, one an edge.
    """
    layers = iter(params)
    x = conv(next(layers), images)
    for stage in range(len(CHANNELS)):
        if stage:
            x = _residual(x, layers)
        for _ in range(CELLS):
            x = _cell(x, layers, operations)
    norm, last = layers
    x = jax.nn.relu(x * norm["scale"][None, None, None] + norm["shift"][None, None, None])
    return x.mean((1, 2)) @ last["w"] + last["b"][None]


def _cell(x: jax.Array, layers: Iterator[dict[str, Any]], operations: Sequence[int]) -> jax.Array:
    zeros = jnp.zeros_like(x)
    nodes = {0: x}
    for (source, target), operation in zip(EDGES, operations, strict=True):
        y = nodes.get(source, zeros)
        if operation == NONE:
            continue
        if operation in _KERNELS:
            y = conv(next(layers), jax.nn.relu(y))
        elif operation == POOL:
            y = average_pool(y)
        nodes[target] = nodes[target] + y if target in nodes else y
    return nodes.get(EDGES[-1][1], zeros)


def _residual(x: jax.Array, layers: Iterator[dict[str, Any]]) -> jax.Array:
    """Halves the side: two convolutions, plus a shortcut of 2x2 averages and a 1x1 convolution."""
    y = conv(next(layers), jax.nn.relu(x), stride=2)
    y = conv(next(layers), jax.nn.relu(y))
    halved = _sum_pool(x, 2, 2, 0) * np.asarray(0.25, x.dtype)
    return y + conv(next(layers), halved)


def average_pool(x: jax.Array) -> jax.Array:
    """[N, H, W, C] -> same: means of 3x3 windows; at the border, over the pixels inside."""
    indices = [np.arange(side) for side in x.shape[1:3]]
    inside = [np.minimum(index + 2, len(index)) - np.maximum(index - 1, 0) for index in indices]
    share = 1 / (inside[0][:, None] * inside[1][None])
    return _sum_pool(x, 3, 1, 1) * share[None, :, :, None].astype(x.dtype)


def _sum_pool(x: jax.Array, kernel: int, stride: int, padding: int) -> jax.Array:
    sides = (padding, padding)
    return lax.reduce_window(
        x,
        np.zeros((), x.dtype),
        lax.add,
        (1, kernel, kernel, 1),
        (1, stride, stride, 1),
        ((0, 0), sides, sides, (0, 0)),
    )


def _make_space(image_size: int, classes: int) -> NasBench201:
    if image_size % 4:
        raise UserError(f"--image_size={image_size}; it must be a multiple of 4, halved twice")
    return NasBench201(image_size=image_size, num_classes=classes)


def _layer(layer: Layer) -> ForwardPass:
    if layer.kind == parsed.POOL:
        return ForwardPass(lambda _, x: average_pool(x), {}, layer.image_shape)
    return ForwardPass(
        lambda params, x: conv(params, jax.nn.relu(x), layer.stride),
        conv_shapes(layer.inputs, layer.outputs, layer.kernel),
        layer.image_shape,
    )


PROFILE = ProfiledSpace(_make_space, slot_networks(apply, param_shapes), _layer)
