"""What predictors of device behaviour see of a network: its layers as numbers (AUTOCoMET, III.C).

The attributes are those that the paper collects (IV.A): type, kernel size, stride, padding,
expansion ratio, skip, channels, height, width, input and output volume; beside them what follows
from these (multiply-adds, parameters) and whether the layer's output reaches the network's.

Layers are made here of numbers or of arrays of them, traced or not, and put together by `join`.
Their images are square, padded by half the kernel; a stride of s makes ceil(side / s) of a side.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

KINDS = ("none", "skip", "conv", "pool", "linear", "inverted_residual")
NO_LAYER, SKIP, CONV, POOL, LINEAR, INVERTED_RESIDUAL = range(len(KINDS))


class Layers(NamedTuple):
    """R layers of one network, in the order in which they are computed; arrays [R].

    Attributes:
      kind: int32, index of KINDS; "none" gives zeros to what reads it.
      kernel, stride, padding, expansion: int32; 0 or 1 where a kind has none.
      skip: bool, an identity runs beside the layer and is added.
      channels: int32, of the output; height, width: of the output.
      input_volume, output_volume: float32, values per image.
      macs, params: float32, multiply-adds per image and trainable values, whole numbers.
      repeats: int32, how often this layer occurs, one after another; 0: not at all.
      live: bool, its output depends on the image and the network's output depends on it.
    """

    kind: Any
    kernel: Any
    stride: Any
    padding: Any
    expansion: Any
    skip: Any
    channels: Any
    height: Any
    width: Any
    input_volume: Any
    output_volume: Any
    macs: Any
    params: Any
    repeats: Any = 1
    live: Any = True


_TYPES = dict.fromkeys(Layers._fields, jnp.int32)
_TYPES |= dict.fromkeys(("input_volume", "output_volume", "macs", "params"), jnp.float32)
_TYPES |= dict.fromkeys(("skip", "live"), jnp.bool_)

SUMS = ("macs", "params", "output_volume", "live_macs", "live_output_volume", "largest_volume")
AGGREGATES = (
    *SUMS,
    *(f"{kind}_count" for kind in KINDS),
    *(f"live_{kind}_count" for kind in KINDS),
    *(f"{kind}_macs" for kind in KINDS[CONV:]),
)


def aggregate(layers: Layers) -> jax.Array:
    """[len(AGGREGATES)] float32: sums over the layers, in the order of those names.

    Counts of layers are by kind, of all and of the live ones; `largest_volume` is the most that a
    layer reads and writes.
    """
    times = layers.repeats.astype(jnp.float32)
    live = times * layers.live
    of_kind = (layers.kind[None] == np.arange(len(KINDS))[:, None]).astype(jnp.float32)
    sums = [
        (times * layers.macs).sum(),
        (times * layers.params).sum(),
        (times * layers.output_volume).sum(),
        (live * layers.macs).sum(),
        (live * layers.output_volume).sum(),
        jnp.where(times > 0, layers.input_volume + layers.output_volume, 0).max(),
    ]
    counts = (of_kind * times[None]).sum(1), (of_kind * live[None]).sum(1)
    macs = (of_kind * (times * layers.macs)[None]).sum(1)
    return jnp.concatenate([jnp.stack(sums), *counts, macs[CONV:]])


def join(*parts: Layers) -> Layers:
    """The rows of all parts, one after another; a number stands for all rows of its part."""
    rows = [max(np.shape(column)[0] if np.ndim(column) else 1 for column in part) for part in parts]
    return Layers(
        *(
            jnp.concatenate(
                [
                    jnp.broadcast_to(jnp.asarray(getattr(part, name), dtype), (count,))
                    for part, count in zip(parts, rows, strict=True)
                ]
            )
            for name, dtype in _TYPES.items()
        )
    )


def where(condition: Any, layers: Layers, others: Layers) -> Layers:
    """`layers` where the condition holds, `others` elsewhere."""
    return Layers(*(jnp.where(condition, a, b) for a, b in zip(layers, others, strict=True)))


def sides(side: int, strides: Sequence[int]) -> np.ndarray:
    """Of the image that each of some layers reads, and that the last one writes."""
    found = [side]
    for stride in strides:
        found.append(_shrunk(found[-1], stride))
    return np.array(found, np.int32)


def identity(channels: Any, side: Any) -> Layers:
    """The input, unchanged."""
    volume = channels * side**2
    return Layers(SKIP, 0, 1, 0, 1, False, channels, side, side, volume, volume, 0, 0)


def conv(inputs: Any, filters: Any, kernel: Any, stride: Any, side: Any) -> Layers:
    """A convolution of [side, side, inputs] with its batch norm, without bias."""
    out = _shrunk(side, stride)
    weights = kernel**2 * inputs * filters
    volumes = inputs * side**2, filters * out**2
    return Layers(
        *(CONV, kernel, stride, kernel // 2, 1, False, filters, out, out),
        *(*volumes, _times(weights, out**2), weights + 2 * filters),
    )


def linear(inputs: Any, outputs: Any) -> Layers:
    """With bias, whose additions are no multiply-adds."""
    macs = _times(inputs, outputs)
    params = macs + outputs
    return Layers(LINEAR, 0, 1, 0, 1, False, outputs, 1, 1, inputs, outputs, macs, params)


def inverted_residual(
    inputs: Any,
    filters: Any,
    kernel: Any,
    expansion: Any,
    stride: Any,
    side: Any,
    *,
    groups: Any = 1,
    expands: Any = True,
    squeezed: Any = 0,
) -> Layers:
    """1x1 to `expansion` times the channels, depthwise, 1x1 to the filters (MobileNetV2).

    Each convolution has a batch norm and no bias. What is added where shapes agree is no
    multiply-add.

    Args:
      inputs, filters, kernel, expansion, stride, side: as of `conv`.
      groups: of the two 1x1 convolutions.
      expands: False: without the first one (expansion is 1).
      squeezed: channels between the two 1x1 convolutions, with bias, that weight the channels of
        the depthwise one's output by their means (squeeze and excitation); 0: there are none.
    """
    hidden, out = inputs * expansion, _shrunk(side, stride)
    first, last = expands * (inputs * hidden // groups), hidden * filters // groups
    depthwise, weighting = kernel**2 * hidden, 2 * hidden * squeezed
    biases = (squeezed > 0) * (hidden + squeezed)
    norms = 2 * (expands * hidden + hidden + filters)
    macs = _times(first, side**2) + _times(depthwise + last, out**2) + weighting
    same = (stride == 1) & (inputs == filters)
    return Layers(
        *(INVERTED_RESIDUAL, kernel, stride, kernel // 2, expansion, same, filters, out, out),
        *(inputs * side**2, filters * out**2, macs),
        first + depthwise + last + weighting + biases + norms,
    )


def left_out(inputs: Any, filters: Any, stride: Any, side: Any) -> Layers:
    """What stands for a block that is left out: nothing, or a 1x1 convolution to its shape."""
    same = (stride == 1) & (inputs == filters)
    return where(same, identity(filters, side), conv(inputs, filters, 1, stride, side))


def chain(
    shape: tuple[int, int, int],
    kind: jax.Array,
    channels: jax.Array,
    kernel: jax.Array,
    stride: jax.Array,
    padding: jax.Array,
    bias: jax.Array,
) -> Layers:
    """Plain layers, one after another, on images of any height and width and of any padding.

    Args:
      shape: height, width and channels of the image.
      kind: [R], of NO_LAYER (skipped), CONV (with bias), POOL and LINEAR (of all values).
      channels: [R], filters or neurons.
      kernel, stride, padding: [R], of CONV and POOL.
      bias: [R] bool, of LINEAR.
    """
    spatial, is_linear = (kind == CONV) | (kind == POOL), kind == LINEAR

    def step(read: jax.Array, row: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        kind, channels, kernel, stride, padding = row
        sides = (read[:2] + 2 * padding - kernel) // jnp.maximum(stride, 1) + 1
        depth = jnp.where(kind == POOL, read[2], channels)
        image = jnp.append(jnp.where(kind == LINEAR, 1, sides), depth)
        written = jnp.where(kind == NO_LAYER, read, image)
        return written, (read, written)

    rows = kind, channels, kernel, stride, padding
    _, (read, written) = jax.lax.scan(step, jnp.asarray(shape, jnp.int32), rows)
    height, width, depth = written.T
    volumes = read.prod(1), written.prod(1)
    weights = jnp.where(kind == CONV, kernel**2 * read[:, 2] * channels, 0)
    of_linear = is_linear * _times(volumes[0], channels)
    biases = ((kind == CONV) | (is_linear & bias)) * channels
    found = Layers(
        *(kind, jnp.where(spatial, kernel, 0), jnp.where(spatial, stride, 1)),
        *(jnp.where(spatial, padding, 0), 1, False, depth, height, width, *volumes),
        *(_times(weights, height * width) + of_linear, weights + of_linear + biases),
        repeats=kind != NO_LAYER,
    )
    return join(found)


def _shrunk(side: Any, stride: Any) -> Any:
    return -(-side // stride)


def _times(a: Any, b: Any) -> jax.Array:
    """In float32: int32 is too small for large images."""
    return jnp.asarray(a, jnp.float32) * jnp.asarray(b, jnp.float32)
