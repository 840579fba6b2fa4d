"""Convolutions into which their batch norms are folded, as a trained network is used.

A kernel and a vector that is added; the norm's scale is in the kernel.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Shapes = dict[str, tuple[int, ...]]  # of a layer's arrays, by name


def conv_shapes(inputs: int, filters: int, kernel: int, groups: int = 1) -> Shapes:
    """Of a convolution's arrays: w [kernel, kernel, inputs / groups, filters], b [filters]."""
    return {"w": (kernel, kernel, inputs // groups, filters), "b": (filters,)}


def conv(layer: Mapping[str, Any], x: jax.Array, stride: int = 1) -> jax.Array:
    """[N, H, W, C] -> [N, ceil(H / stride), ceil(W / stride), filters].

    Padded by half the kernel, which is odd. There are C over the kernel's inputs groups; without
    "b" nothing is added.
    """
    w = layer["w"]
    groups = x.shape[3] // w.shape[2]
    is_depthwise = w.shape[2] == 1 and groups == w.shape[3] > 1
    y = _depthwise(x, w, stride) if is_depthwise else _grouped(x, w, stride, groups)
    return y + layer["b"][None, None, None] if "b" in layer else y


def inverted_residual_shapes(
    inputs: int, filters: int, kernel: int, expansion: int
) -> list[Shapes]:
    """Of the three convolutions of `inverted_residual`."""
    hidden = inputs * expansion
    return [
        conv_shapes(inputs, hidden, 1),
        conv_shapes(hidden, hidden, kernel, groups=hidden),
        conv_shapes(hidden, filters, 1),
    ]


def inverted_residual(
    layers: Sequence[Mapping[str, Any]], x: jax.Array, stride: int = 1
) -> jax.Array:
    """MobileNetV2's block, with ReLU: [N, H, W, C] -> [N, ceil(H / stride), ..., filters].

    1x1 to more channels, depthwise with the stride, 1x1 to the filters, which is not activated;
    the input is added where shapes agree and the stride is 1.

    Args:
      layers: arrays of `inverted_residual_shapes`.
    """
    expand, depthwise, project = layers
    y = jax.nn.relu(conv(expand, x))
    y = jax.nn.relu(conv(depthwise, y, stride))
    y = conv(project, y)
    return x + y if stride == 1 and x.shape == y.shape else y


def _grouped(x: jax.Array, w: jax.Array, stride: int, groups: int) -> jax.Array:
    padding = w.shape[0] // 2
    return lax.conv_general_dilated(
        x,
        w,
        (stride, stride),
        2 * [(padding, padding)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def _depthwise(x: jax.Array, w: jax.Array, stride: int) -> jax.Array:
    """A filter a channel; on a CPU as one fused sum over the kernel's places.

    There XLA's own grouped convolutions take 16 to 50 times as long (jaxlib 0.10.2, AVX-512: 16 x
    16 x 384, kernel 5: 4.2 instead of 0.2 ms; PyTorch's: 0.15).
    """
    return lax.platform_dependent(
        x,
        w,
        cpu=lambda x, w: _summed(x, w, stride),
        default=lambda x, w: _grouped(x, w, stride, x.shape[3]),
    )


def _summed(x: jax.Array, w: jax.Array, stride: int) -> jax.Array:
    kernel, (images, height, width, channels) = w.shape[0], x.shape
    sides = [(kernel // 2, kernel // 2)]
    padded = jnp.pad(x, [(0, 0), *2 * sides, (0, 0)])
    rows, columns = (stride * (math.ceil(side / stride) - 1) + 1 for side in (height, width))

    def seen_from(row: int, column: int) -> jax.Array:
        first, end = (0, row, column, 0), (images, row + rows, column + columns, channels)
        return lax.slice(padded, first, end, (1, stride, stride, 1))

    places = [(row, column) for row in range(kernel) for column in range(kernel)]
    terms = [seen_from(*place) * w[place][None, None] for place in places]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
