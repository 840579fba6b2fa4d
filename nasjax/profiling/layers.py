"""Layers of networks in use: the batch norm after a convolution is folded into its kernel and bias.

A layer asks for its weights while it is computed: `weights(*shape)` gives the next array, which has
this shape. So the forward pass alone says what the weights are, see `programs.ForwardPass`.
"""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

Weights = Callable[..., jax.Array]
# For what layers consist of: traced once for each shape, not once for each network.
trace_once = functools.partial(jax.jit, inline=True)


@trace_once
def relu(x: jax.Array) -> jax.Array:
    """max(x, 0), without the gradient rule that makes `jax.nn.relu` slow to trace."""
    return jnp.maximum(x, 0)


def conv(
    weights: Weights,
    x: jax.Array,
    filters: int,
    kernel: int,
    stride: int = 1,
    *,
    depthwise: bool = False,
    bias: bool = True,
) -> jax.Array:
    """[N, H, W, C] -> [N, ceil(H / stride), ceil(W / stride), filters].

    The kernel is odd, images are padded by half of it. Weights: [kernel, kernel, C, filters], where
    a depthwise convolution has 1 instead of C, and the bias [filters].
    """
    if depthwise:
        y = _depthwise(x, weights(kernel, kernel, 1, filters), stride)
    else:
        y = _conv(x, weights(kernel, kernel, x.shape[3], filters), stride)
    return _add_bias(y, weights(filters)) if bias else y


def inverted_residual(
    weights: Weights, x: jax.Array, filters: int, kernel: int, expansion: int, stride: int = 1
) -> jax.Array:
    """MobileNetV2's block with ReLU: [N, H, W, C] -> [N, ceil(H / stride), ..., filters].

    A 1x1 convolution expands the channels, a depthwise one has the stride, a 1x1 convolution
    without ReLU projects to the filters. The input is added if the shape stays and the stride is 1.
    """
    hidden = x.shape[3] * expansion
    y = relu(conv(weights, x, hidden, 1))
    y = relu(conv(weights, y, hidden, kernel, stride, depthwise=True))
    y = conv(weights, y, filters, 1)
    return x + y if stride == 1 and x.shape == y.shape else y


def linear(weights: Weights, x: jax.Array, outputs: int) -> jax.Array:
    """[N, inputs] -> [N, outputs]. Weights: [inputs, outputs], then the bias [outputs]."""
    return x @ weights(x.shape[1], outputs) + weights(outputs)[None]


@trace_once
def _add_bias(y: jax.Array, b: jax.Array) -> jax.Array:
    return y + b[None, None, None]


@functools.partial(trace_once, static_argnums=2)
def _conv(x: jax.Array, w: jax.Array, stride: int) -> jax.Array:
    padding = w.shape[0] // 2
    return lax.conv_general_dilated(
        x,
        w,
        (stride, stride),
        2 * [(padding, padding)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[3] // w.shape[2],
    )


@functools.partial(trace_once, static_argnums=2)
def _depthwise(x: jax.Array, w: jax.Array, stride: int) -> jax.Array:
    """One filter a channel; on a CPU one fused sum over the kernel's positions.

    XLA's own grouped convolutions take 16 to 50 times as long on a CPU (jaxlib 0.10.2, AVX-512:
    16 x 16 x 384, kernel 5: 4.2 instead of 0.2 ms; PyTorch's: 0.15).
    """
    return lax.platform_dependent(
        x,
        w,
        cpu=lambda x, w: _sum_of_shifts(x, w, stride),
        default=lambda x, w: _conv(x, w, stride),
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
