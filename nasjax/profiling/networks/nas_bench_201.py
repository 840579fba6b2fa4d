"""Profiles the networks of NAS-Bench-201 (Dong and Yang, 2020) as a device runs them.

Batch norms are folded into the convolutions before them. The last norm follows a sum and stays, as
a scale and a shift. An edge with "none" adds nothing; a node that no edge reaches is zeros. A
convolution timed alone includes the ReLU before it.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from nasjax.errors import UserError
from nasjax.profiling.layers import Weights, conv, linear, relu, trace_once
from nasjax.profiling.programs import Function, Layer, ProfiledSpace
from nasjax.spaces import parsed
from nasjax.spaces.nas_bench_201 import CELLS, CHANNELS, EDGES, OPERATIONS, NasBench201

NONE, SKIP, CONV_1X1, CONV_3X3, POOL = range(len(OPERATIONS))
_KERNELS = {CONV_1X1: 1, CONV_3X3: 3}


def apply(
    weights: Weights, images: jax.Array, operations: Sequence[int], num_classes: int
) -> jax.Array:
    """Logits [N, classes] of images [N, H, W, 3]; H and W are multiples of 4.

    Args:
      operations: [6] indices of OPERATIONS, one an edge.
    """
    x = conv(weights, images, CHANNELS[0], 3)
    for stage, channels in enumerate(CHANNELS):
        if stage:
            x = _residual(weights, x, channels)
        for _ in range(CELLS):
            x = _cell(weights, x, operations)
    scale, shift = weights(channels), weights(channels)
    x = relu(x * scale[None, None, None] + shift[None, None, None])
    return linear(weights, x.mean((1, 2)), num_classes)


def _cell(weights: Weights, x: jax.Array, operations: Sequence[int]) -> jax.Array:
    zeros = jnp.zeros_like(x)
    nodes = {0: x}
    for (source, target), operation in zip(EDGES, operations, strict=True):
        y = nodes.get(source, zeros)
        if operation == NONE:
            continue
        if operation in _KERNELS:
            y = conv(weights, relu(y), x.shape[3], _KERNELS[operation])
        elif operation == POOL:
            y = average_pool(y)
        nodes[target] = nodes[target] + y if target in nodes else y
    return nodes.get(EDGES[-1][1], zeros)


def _residual(weights: Weights, x: jax.Array, channels: int) -> jax.Array:
    """Halves the side: two convolutions, plus a shortcut of 2x2 averages and a 1x1 convolution."""
    y = conv(weights, relu(x), channels, 3, stride=2)
    y = conv(weights, relu(y), channels, 3)
    halved = _sum_pool(x, 2, 2, 0) * np.asarray(0.25, x.dtype)
    return y + conv(weights, halved, channels, 1, bias=False)  # no norm follows the shortcut


@trace_once
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


def _network(space: NasBench201, architecture: np.ndarray) -> Function:
    operations = (architecture[:, 0] - 1).tolist()
    return lambda weights, images: apply(weights, images, operations, space.num_classes)


def _layer(layer: Layer) -> Function:
    if layer.kind == parsed.POOL:
        return lambda _, x: average_pool(x)
    return lambda weights, x: conv(weights, relu(x), layer.outputs, layer.kernel, layer.stride)


PROFILE = ProfiledSpace(_make_space, _network, _layer)
