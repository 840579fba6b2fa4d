"""The networks of Once-for-all (Cai et al., 2020): elastic MobileNetV3 of 1.2 times the width.

The first slot is the side of the image. Then each of five stages has a depth and, for each of four
layers, a kernel size and an expansion. Layers beyond the depth are not built. A slot not filled yet
is its first choice, the smallest.

A network: a 3x3 convolution of stride 2, a 3x3 inverted residual of expansion 1, the stages (the
second, fourth and fifth with squeeze and excitation), a 1x1 convolution, global average, a linear
layer without bias or norm, a linear layer with bias.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.spaces import parsed
from nasjax.spaces.parsed import Layers
from nasjax.spaces.slots import SlotSpace

_RESOLUTIONS, _DEPTHS = tuple(range(128, 225, 4)), (2, 3, 4)
_KERNELS, _EXPANSIONS = (3, 5, 7), (3, 4, 6)
OPERATIONS = (
    *(f"r{resolution}" for resolution in _RESOLUTIONS),
    *(f"d{depth}" for depth in _DEPTHS),
    *(f"k{kernel}" for kernel in _KERNELS),
    *(f"e{expansion}" for expansion in _EXPANSIONS),
)
_VALUES = (*_RESOLUTIONS, *_DEPTHS, *_KERNELS, *_EXPANSIONS)  # of the operations
_STEM, _CHANNELS, _HEAD, _LAST = 24, (32, 48, 96, 136, 192), 1152, 1536
_STRIDES, _SQUEEZES = (2, 2, 2, 1, 2), (False, True, False, True, True)
_MOST = max(_DEPTHS)  # layers of a stage


@dataclasses.dataclass(frozen=True)
class OfaMobileNetV3(SlotSpace):
    """The 25 * (3 * 9^4)^5 architectures; those that differ only in unbuilt layers are one network.

    `image_size` is not used: the first slot is the side of the image.
    """

    operations: tuple[str, ...] = OPERATIONS
    num_layers: int = 1 + len(_CHANNELS) * (1 + 2 * _MOST)
    filler: int = 0
    num_classes: int = 1000

    @property
    def choices(self) -> np.ndarray:
        """The choices [46, 2]: resolution; per stage depth and four times kernel, expansion."""
        resolution, depth, kernel, expansion = ((0, 25), (25, 3), (28, 3), (31, 3))
        return np.array([resolution, *[depth, *[kernel, expansion] * _MOST] * len(_CHANNELS)])

    @property
    def slot_names(self) -> tuple[str, ...]:
        """The names "image", "stage0", "stage0_0" twice, "stage0_1" twice, ..."""
        stages = range(len(_CHANNELS))
        layers = [[f"stage{s}_{i}" for i in range(_MOST) for _ in range(2)] for s in stages]
        return ("image", *(name for s in stages for name in (f"stage{s}", *layers[s])))

    @property
    def structure_names(self) -> tuple[str, ...]:
        """The names of the values of `structure`."""
        return tuple(f"{name}_live" for name in dict.fromkeys(self.slot_names) if "_" in name)

    def structure(self, ops: jax.Array) -> jax.Array:
        """Whether each layer is built, [20]."""
        return _built(ops).astype(jnp.float32)

    def network_layers(self, ops: jax.Array) -> Layers:
        """The first two layers, four per stage (0 repeats where not built), the last three."""
        strides = [stride for first in _STRIDES for stride in (first, *[1] * (_MOST - 1))]
        tables = [parsed.sides(image, (2, 1, *strides)) for image in _RESOLUTIONS]
        sides = jnp.asarray(np.array(tables))[ops[0]]
        stages = jnp.asarray(_VALUES, jnp.int32)[ops[1:]].reshape(len(_CHANNELS), -1)
        kernel, expansion = stages[:, 1:].reshape(-1, 2).T
        filters = np.repeat(_CHANNELS, _MOST)
        inputs = np.array([_STEM, *filters[:-1]])
        # A quarter of the expanded channels, rounded to a multiple of eight.
        squeezed = (inputs * expansion // 4 + 4) // 8 * 8 * np.repeat(_SQUEEZES, _MOST)
        layers = parsed.inverted_residual(
            inputs, filters, kernel, expansion, np.array(strides), sides[2:-1], squeezed=squeezed
        )
        mix = parsed.conv(_HEAD, _LAST, 1, 1, 1)
        return parsed.join(
            parsed.conv(3, _STEM, 3, 2, sides[0]),
            parsed.inverted_residual(_STEM, _STEM, 3, 1, 1, sides[1], expands=False),
            layers._replace(repeats=_built(ops)),
            parsed.conv(_CHANNELS[-1], _HEAD, 1, 1, sides[-1]),
            mix._replace(kind=parsed.LINEAR, kernel=0, params=_HEAD * _LAST),
            parsed.linear(_LAST, self.num_classes),
        )


def _built(ops: jax.Array) -> jax.Array:
    """Whether each layer is within its stage's depth, [46] -> [20] bool."""
    depths = jnp.asarray(_VALUES, jnp.int32)[ops[1 :: 1 + 2 * _MOST]]
    return (jnp.arange(_MOST)[None] < depths[:, None]).reshape(-1)
