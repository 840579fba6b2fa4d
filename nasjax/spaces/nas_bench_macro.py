"""The networks of NAS-Bench-Macro (Su et al., 2021): eight blocks, one after another.

A block is the identity or an inverted residual of MobileNetV2: kernel 3 and expansion 3, or kernel
5 and expansion 6. A block not chosen yet is the identity.

A network: a 3x3 convolution to 32 channels; the blocks, of which the first, third and sixth halve
the image and double the channels (as identity, they are 1x1 convolutions of stride 2); a 1x1
convolution to 1,280 channels, global average, linear.
"""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.spaces import parsed
from nasjax.spaces.parsed import Layers
from nasjax.spaces.slots import SlotSpace

OPERATIONS = ("identity", "mb3_k3", "mb6_k5")
KERNELS, EXPANSIONS = (1, 3, 5), (1, 3, 6)  # of the operations; identity does not use its values
STRIDES = (2, 1, 2, 1, 1, 2, 1, 1)  # a block's channels are its input's, times the stride
STEM, HEAD = 32, 1280  # channels


@dataclasses.dataclass(frozen=True)
class NasBenchMacro(SlotSpace):
    """The 6,561 networks of the benchmark."""

    operations: tuple[str, ...] = OPERATIONS
    num_layers: int = 8
    filler: int = OPERATIONS.index("identity")

    def network_layers(self, ops: jax.Array) -> Layers:
        """The stem, the blocks, the head. Sums of macs and params are the benchmark's."""
        channels = np.array([*itertools.accumulate(STRIDES, int.__mul__, initial=STEM)])
        sides = parsed.sides(self.image_size, STRIDES)
        strides = np.array(STRIDES)
        kernel, expansion = jnp.asarray(KERNELS)[ops], jnp.asarray(EXPANSIONS)[ops]
        shape = channels[:-1], channels[1:]
        blocks = parsed.inverted_residual(*shape, kernel, expansion, strides, sides[:-1])
        nothing = parsed.left_out(*shape, strides, sides[:-1])
        return parsed.join(
            parsed.conv(3, STEM, 3, 1, self.image_size),
            parsed.where(ops == OPERATIONS.index("identity"), nothing, blocks),
            parsed.conv(int(channels[-1]), HEAD, 1, 1, int(sides[-1])),
            parsed.linear(HEAD, self.num_classes),
        )
