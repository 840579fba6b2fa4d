"""MnasNet's space as in Accel-NASBench (Ahmad et al., 2024): seven blocks for ImageNet.

A block has four slots: expansion, kernel size, number of layers, and squeeze and excitation or not.
All its layers are inverted residuals with these values; the first has the block's stride. A slot
not filled yet is its first choice, the smallest.

A network: a 3x3 convolution of stride 2 to 32 channels, the blocks, a 1x1 convolution to 1,280
channels, global average, linear. At expansion 1 a layer has no first 1x1 convolution. Squeeze and
excitation reduces to a quarter of a layer's input channels.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.spaces import parsed
from nasjax.spaces.parsed import Layers
from nasjax.spaces.slots import SlotSpace

_EXPANSIONS, _KERNELS, _DEPTHS = (1, 4, 6), (3, 5), (1, 2, 3, 4)
OPERATIONS = (
    *(f"e{expansion}" for expansion in _EXPANSIONS),
    *(f"k{kernel}" for kernel in _KERNELS),
    *(f"l{depth}" for depth in _DEPTHS),
    *("se0", "se1"),
)
_VALUES = (*_EXPANSIONS, *_KERNELS, *_DEPTHS, 0, 1)  # of the operations
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_STEM, _CHANNELS, _HEAD = 32, (16, 24, 40, 80, 112, 192, 320), 1280
_MAX_DEPTHS = (3, 3, 3, 3, 3, 4, 3)


@dataclasses.dataclass(frozen=True)
class MnasNet(SlotSpace):
    """The 36^6 * 48 networks of the space."""

    operations: tuple[str, ...] = OPERATIONS
    num_layers: int = 4 * len(_STRIDES)
    filler: int = 0
    image_size: int = 224
    num_classes: int = 1000

    @property
    def choices(self) -> np.ndarray:
        """The choices [28, 2] of block 0 (e, k, l, se), block 1, ...; only block 5 has 4 layers."""
        return np.array([c for most in _MAX_DEPTHS for c in ((0, 3), (3, 2), (5, most), (9, 2))])

    @property
    def slot_names(self) -> tuple[str, ...]:
        """The names "block0 expansion", "block0 kernel", ..."""
        choices = ("expansion", "kernel", "layers", "squeeze")
        return tuple(f"block{block} {what}" for block in range(len(_STRIDES)) for what in choices)

    def network_layers(self, ops: jax.Array) -> Layers:
        """The first convolution, two rows a block, the last convolution, the linear layer.

        A block's second row stands for its layers after the first one; they are equal, or none.
        """
        values = jnp.asarray(_VALUES, jnp.int32)[ops].reshape(-1, 4)
        expansion, kernel, depth, squeezes = jnp.repeat(values, 2, axis=0).T
        filters = np.repeat(_CHANNELS, 2)
        inputs = np.array([_STEM, *filters[:-1]])
        is_first = np.arange(len(filters)) % 2 == 0
        strides = np.where(is_first, np.repeat(_STRIDES, 2), 1)
        sides = parsed.sides(self.image_size, (2, *strides))
        blocks = parsed.inverted_residual(
            inputs,
            filters,
            kernel,
            expansion,
            strides,
            sides[1:-1],
            expands=expansion > 1,
            squeezed=squeezes * (inputs // 4),
        )
        return parsed.join(
            parsed.conv(3, _STEM, 3, 2, self.image_size),
            blocks._replace(repeats=jnp.where(is_first, 1, depth - 1)),
            parsed.conv(_CHANNELS[-1], _HEAD, 1, 1, int(sides[-1])),
            parsed.linear(_HEAD, self.num_classes),
        )
