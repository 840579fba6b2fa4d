"""The networks of FBNet (Wu et al., 2019): 22 blocks, one after another.

A block is an inverted residual, always with its first 1x1 convolution, or it is skipped. A block
not chosen yet is skipped.

A network: a 3x3 convolution to 16 channels; seven stages of 1, 4, 4, 4, 4, 4 and 1 blocks, whose
first block changes size and channels (skipped, it is a 1x1 convolution); a 1x1 convolution,
global average, linear.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.spaces import parsed
from nasjax.spaces.parsed import Layers
from nasjax.spaces.slots import SlotSpace

# Operation: kernel, expansion and groups of the 1x1 convolutions; a skip does not use them.
_BLOCKS = {
    "k3_e1": (3, 1, 1),
    "k3_e1_g2": (3, 1, 2),
    "k3_e3": (3, 3, 1),
    "k3_e6": (3, 6, 1),
    "k5_e1": (5, 1, 1),
    "k5_e1_g2": (5, 1, 2),
    "k5_e3": (5, 3, 1),
    "k5_e6": (5, 6, 1),
    "skip": (1, 1, 1),
}
OPERATIONS = tuple(_BLOCKS)
_STEM, _CHANNELS, _DEPTHS = 16, (16, 24, 32, 64, 112, 184, 352), (1, 4, 4, 4, 4, 4, 1)


@dataclasses.dataclass(frozen=True)
class FBNet(SlotSpace):
    """The 9^22 networks as published, for ImageNet.

    Attributes:
      strides: strides of the first convolution and of the seven stages.
      head: channels of the last convolution.
    """

    operations: tuple[str, ...] = OPERATIONS
    num_layers: int = sum(_DEPTHS)
    filler: int = OPERATIONS.index("skip")
    image_size: int = 224
    num_classes: int = 1000
    strides: tuple[int, ...] = (2, 1, 2, 2, 2, 1, 2, 1)
    head: int = 1984

    def network_layers(self, ops: jax.Array) -> Layers:
        """The first convolution, the blocks, the last convolution, the linear layer."""
        channels = np.array([_STEM, *np.repeat(_CHANNELS, _DEPTHS)])
        strides = np.ones(self.num_layers, int)
        strides[np.cumsum((0, *_DEPTHS[:-1]))] = self.strides[1:]
        sides = parsed.sides(self.image_size, (self.strides[0], *strides))
        kernel, expansion, groups = jnp.asarray(list(_BLOCKS.values()), jnp.int32)[ops].T
        shape, before = (channels[:-1], channels[1:]), sides[1:-1]
        blocks = parsed.inverted_residual(*shape, kernel, expansion, strides, before, groups=groups)
        nothing = parsed.left_out(*shape, strides, before)
        return parsed.join(
            parsed.conv(3, _STEM, 3, self.strides[0], self.image_size),
            parsed.where(ops == OPERATIONS.index("skip"), nothing, blocks),
            parsed.conv(_CHANNELS[-1], self.head, 1, 1, int(sides[-1])),
            parsed.linear(self.head, self.num_classes),
        )


# For the 32x32 images of CIFAR-100, as HW-NAS-Bench and HELP measure them.
OF_SMALL_IMAGES = FBNet(image_size=32, num_classes=100, strides=(1, 1, 1, 2, 2, 1, 2, 1), head=1504)
