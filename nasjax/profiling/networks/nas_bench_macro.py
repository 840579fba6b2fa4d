"""Profiles the networks of NAS-Bench-Macro (Su et al., 2021) as a device runs them.

Batch norms are folded into the convolutions before them. ReLU follows, as in the authors'
`train/model.py`, the stem, two of a block's three convolutions and the head's; the convolution in
place of a block that is left out has none. Timed alone are whole blocks, and convolutions without
activation.
"""

from collections.abc import Sequence
from typing import Any

import jax

from nasjax.profiling.networks.convolutions import (
    Shapes,
    conv,
    conv_shapes,
    inverted_residual,
    inverted_residual_shapes,
)
from nasjax.profiling.programs import ForwardPass, Layer, ProfiledSpace, slot_networks
from nasjax.spaces import parsed
from nasjax.spaces.nas_bench_macro import (
    EXPANSIONS,
    HEAD,
    KERNELS,
    OPERATIONS,
    STEM,
    STRIDES,
    NasBenchMacro,
)

IDENTITY = OPERATIONS.index("identity")


def param_shapes(operations: Sequence[int], num_classes: int) -> list[Shapes | list[Shapes]]:
    """Shapes of the stem, the eight blocks, the head's convolution and the linear layer (w, b).

    A block has three convolutions. Left out, it has one, or {} where nothing is computed.

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


def _make_space(image_size: int, classes: int) -> NasBenchMacro:
    return NasBenchMacro(image_size=image_size, num_classes=classes)


def _layer(layer: Layer) -> ForwardPass:
    channels = (layer.inputs, layer.outputs)
    if layer.kind == parsed.INVERTED_RESIDUAL:
        return ForwardPass(
            lambda params, x: inverted_residual(params, x, layer.stride),
            inverted_residual_shapes(*channels, layer.kernel, layer.expansion),
            layer.image_shape,
        )
    return ForwardPass(
        lambda params, x: conv(params, x, layer.stride),
        conv_shapes(*channels, layer.kernel),
        layer.image_shape,
    )


# A network maps up to 170 regions of memory.
PROFILE = ProfiledSpace(_make_space, slot_networks(apply, param_shapes), _layer, max_networks=300)
