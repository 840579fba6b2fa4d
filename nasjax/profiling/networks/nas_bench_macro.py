"""Profiles the networks of NAS-Bench-Macro (Su et al., 2021) as a device runs them.

Batch norms are folded into the convolutions before them. ReLU follows, as in the authors'
`train/model.py`, the stem, two of a block's three convolutions and the head's; the convolution in
place of a block that is left out has none. Timed alone are whole blocks, and convolutions without
activation.
"""

from collections.abc import Sequence

import jax
import numpy as np

from nasjax.profiling.layers import Weights, conv, inverted_residual, linear, relu
from nasjax.profiling.programs import Function, Layer, ProfiledSpace
from nasjax.spaces import nas_bench_macro, parsed
from nasjax.spaces.nas_bench_macro import HEAD, OPERATIONS, STEM, STRIDES, NasBenchMacro

IDENTITY = OPERATIONS.index("identity")


def apply(
    weights: Weights, images: jax.Array, operations: Sequence[int], num_classes: int
) -> jax.Array:
    """Logits [N, classes] of images [N, H, W, 3].

    Args:
      operations: [8] indices of OPERATIONS, one a block.
    """
    x = relu(conv(weights, images, STEM, 3))
    for operation, stride in zip(operations, STRIDES, strict=True):
        filters = x.shape[3] * stride
        if operation != IDENTITY:
            kernel = nas_bench_macro.KERNELS[operation]
            expansion = nas_bench_macro.EXPANSIONS[operation]
            x = inverted_residual(weights, x, filters, kernel, expansion, stride)
        elif stride > 1:
            x = conv(weights, x, filters, 1, stride)
    x = relu(conv(weights, x, HEAD, 1))
    return linear(weights, x.mean((1, 2)), num_classes)


def _make_space(image_size: int, classes: int) -> NasBenchMacro:
    return NasBenchMacro(image_size=image_size, num_classes=classes)


def _network(space: NasBenchMacro, architecture: np.ndarray) -> Function:
    operations = (architecture[:, 0] - 1).tolist()
    return lambda weights, images: apply(weights, images, operations, space.num_classes)


def _layer(layer: Layer) -> Function:
    filters, kernel, stride = layer.outputs, layer.kernel, layer.stride
    if layer.kind == parsed.INVERTED_RESIDUAL:
        return lambda weights, x: inverted_residual(
            weights, x, filters, kernel, layer.expansion, stride
        )
    return lambda weights, x: conv(weights, x, filters, kernel, stride)


# A compiled network maps up to 170 regions of memory.
PROFILE = ProfiledSpace(_make_space, _network, _layer, max_networks=300)
