"""The networks of NAS-Bench-Macro (Su et al., 2021) as forward passes, as a device runs them.

Batch norms are folded into the convolutions before them. Activated by ReLU, as in the authors'
`train/model.py`: after the stem, twice inside a block, after the head's convolution; what stands
for a block that is left out is not activated.
"""

from collections.abc import Sequence
from typing import Any

import jax

from nasjax.profiling.networks.folded import (
    Shapes,
    conv,
    conv_shapes,
    inverted_residual,
    inverted_residual_shapes,
)
from nasjax.spaces.nas_bench_macro import EXPANSIONS, HEAD, KERNELS, OPERATIONS, STEM, STRIDES

IDENTITY = OPERATIONS.index("identity")


def param_shapes(operations: Sequence[int], num_classes: int) -> list[Shapes | list[Shapes]]:
    """The stem, the eight blocks, the head's convolution, the linear layer (w, b).

    A block is three convolutions; left out, it is one, or {} where nothing is computed.

    Args:
      operations: [8] indices of OPERATIONS, one a block.
    """
    blocks: list[Shapes | list[Shapes]] = []
    channels = STEM
    for operation, stride in zip(operations, STRIDES, strict=True):
        inputs, channels = channels, channels * stride
        if operation != IDENTITY:
            kernel, expansion = KERNELS[operation], EXPANSIONS[operation]
            blocks.append(inverted_residual_shapes(inputs, channels, kernel, expansion))
        else:
            blocks.append({} if stride == 1 else conv_shapes(inputs, channels, 1))
    last: Shapes = {"w": (HEAD, num_classes), "b": (num_classes,)}
    return [conv_shapes(3, STEM, 3), *blocks, conv_shapes(channels, HEAD, 1), last]


def apply(params: Sequence[Any], images: jax.Array, operations: Sequence[int]) -> jax.Array:
    """Logits [N, classes] of images [N, H, W, 3].

    Args:
      params: arrays of `param_shapes`, of the images' type.
      operations: [8] indices of OPERATIONS, one a block.
    """
    stem, *blocks, head, last = params
    x = jax.nn.relu(conv(stem, images))
    for block, operation, stride in zip(blocks, operations, STRIDES, strict=True):
        if operation != IDENTITY:
            x = inverted_residual(block, x, stride)
        elif stride > 1:
            x = conv(block, x, stride)
    x = jax.nn.relu(conv(head, x)).mean((1, 2))
    return x @ last["w"] + last["b"][None]
