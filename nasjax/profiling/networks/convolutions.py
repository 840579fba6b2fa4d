"""Convolutions of networks in use: the batch norm after each is folded into its kernel and bias."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

Shapes = dict[str, tuple[int, ...]]  # shapes of a layer's arrays by name


def conv_shapes(inputs: int, filters: int, kernel: int, groups: int = 1) -> Shapes:
    """Shapes of a convolution: w [kernel, kernel, inputs / groups, filters], b [filters]."""
    return {"w": (kernel, kernel, inputs // groups, filters), "b": (filters,)}


def conv(layer: Mapping[str, Any], x: jax.Array, stride: int = 1) -> jax.Array:
    """[N, H, W, C] -> [N, ceil(H / stride), ceil(W / stride), filters].

    The odd kernel w [k, k, C / groups, filters] says the number of groups; images are padded by
    k // 2. A layer without "b" has no bias.
    """
    w = layer["w"]
    groups = x.shape[3] // w.shape[2]
    is_depthwise = w.shape[2] == 1 and groups == w.shape[3] > 1
    y = _depthwise(x, w, stride) if is_depthwise else _grouped(x, w, stride, groups)
    return y + layer["b"][None, None, None] if "b" in layer else y


def inverted_residual_shapes(
    inputs: int, filters: int, kernel: int, expansion: int
) -> list[Shapes]:
    """Shapes of the three convolutions of `inverted_residual`."""
    hidden = inputs * expansion
    return [
        conv_shapes(inputs, hidden, 1),
        conv_shapes(hidden, hidden, kernel, groups=hidden),
        conv_shapes(hidden, filters, 1),
    ]


def inverted_residual(
    layers: Sequence[Mapping[str, Any]], x: jax.Array, stride: int = 1
) -> jax.Array:
    """MobileNetV2's block with ReLU: [N, H, W, C] -> [N, ceil(H / stride), ..., filters].

    A 1x1 convolution expands the channels, a depthwise one has the stride, a 1x1 convolution
    without ReLU projects to the filters. The input is added if the shape stays and the stride is 1.

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
    """One filter a channel; on a CPU one fused sum over the kernel's positions.

    XLA's own grouped convolutions take 16 to 50 times as long on a CPU (jaxlib 0.10.2, AVX-512:
    16 x 16 x 384, kernel 5: 4.2 instead of 0.2 ms; PyTorch's: 0.15).
    """
    return lax.platform_dependent(
        x,
        w,
        cpu=lambda x, w: _sum_of_shifts(x, w, stride),
        default=lambda x, w: _grouped(x, w, stride, x.shape[3]),
    )


def _sum_of_shifts(x: jax.Array, w: jax.Array, stride: int) -> jax.Array:
    kernel, (images, height, width, channels) = w.shape[0], x.shape
    sides = (kernel // 2, kernel // 2)
    padded = jnp.pad(x, [(0, 0), sides, sides, (0, 0)])
    rows, columns = (stride * (math.ceil(side / stride) - 1) + 1 for side in (height, width))

    def shifted(row: int, column: int) -> jax.Array:
        first, end = (0, row, column, 0), (images, row + rows, column + columns, channels)
        return lax.slice(padded, first, end, (1, stride, stride, 1))

    positions = [(row, column) for row in range(kernel) for column in range(kernel)]
    terms = [shifted(*position) * w[position][None, None] for position in positions]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
