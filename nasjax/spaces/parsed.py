"""The layers of a network as numbers, for predictors of device behaviour (AUTOCoMET, III.C).

The attributes are those of the paper (IV.A): type, kernel size, stride, padding, expansion ratio,
skip, channels, height, width, input and output volume. Added are multiply-adds, parameters, and
whether the layer's output reaches the network's.

The functions make layers of numbers or of arrays, traced or not; `join` puts them together. Images
are square and padded by half the kernel; a stride of s turns a side into ceil(side / s).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

KINDS = ("none", "skip", "conv", "pool", "linear", "inverted_residual")
NO_LAYER, SKIP, CONV, POOL, LINEAR, INVERTED_RESIDUAL = range(len(KINDS))


class Layers(NamedTuple):
    """R layers of one network, in the order of computation; arrays [R].

    Attributes:
      kind: int32, index of KINDS; the output of "none" is zeros.
      kernel, stride, padding, expansion: int32; 0 or 1 where a kind has none.
      skip: bool, the layer's input is added to its output.
      channels, height, width: int32, of the output.
      input_volume, output_volume: float32, values per image.
      macs, params: float32, multiply-adds per image and trainable values, whole numbers.
      repeats: int32, times that the layer occurs, one after another; 0: it is not built.
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
    """Sums over the layers, [len(AGGREGATES)] float32, in the order of AGGREGATES.

    Layers and live layers are counted by kind. `largest_volume` is the largest sum of a layer's
    input and output volume.
    """
    times = layers.repeats.astype(jnp.float32)
    live = times * layers.live
    is_kind = (layers.kind[None] == np.arange(len(KINDS))[:, None]).astype(jnp.float32)
    sums = [
        (times * layers.macs).sum(),
        (times * layers.params).sum(),
        (times * layers.output_volume).sum(),
        (live * layers.macs).sum(),
        (live * layers.output_volume).sum(),
        jnp.where(times > 0, layers.input_volume + layers.output_volume, 0).max(),
    ]
    counts = (is_kind * times[None]).sum(1), (is_kind * live[None]).sum(1)
    macs = (is_kind * (times * layers.macs)[None]).sum(1)
    return jnp.concatenate([jnp.stack(sums), *counts, macs[CONV:]])


def join(*parts: Layers) -> Layers:
    """The layers of all parts, one after another; a number is broadcast over its part."""
    rows = [max(np.shape(column)[0] if np.ndim(column) else 1 for column in part) for part in parts]

    def joined(name: str, dtype: Any) -> jax.Array:
        columns = [
            jnp.broadcast_to(jnp.asarray(getattr(part, name), dtype), (count,))
            for part, count in zip(parts, rows, strict=True)
        ]
        return jnp.concatenate(columns)

    return Layers(**{name: joined(name, dtype) for name, dtype in _TYPES.items()})


def where(condition: Any, layers: Layers, others: Layers) -> Layers:
    """`layers` where the condition holds, `others` elsewhere."""
    return Layers(*(jnp.where(condition, a, b) for a, b in zip(layers, others, strict=True)))


def sides(side: int, strides: Sequence[int]) -> np.ndarray:
    """Sides of the images that layers of these strides read, and that the last layer writes."""
    found = [side]
    for stride in strides:
        found.append(_shrunk(found[-1], stride))
    return np.array(found, np.int32)


_PLAIN = Layers(
    kind=NO_LAYER,
    kernel=0,
    stride=1,
    padding=0,
    expansion=1,
    skip=False,
    channels=0,
    height=1,
    width=1,
    input_volume=0,
    output_volume=0,
    macs=0,
    params=0,
)


def identity(channels: Any, side: Any) -> Layers:
    """The input, unchanged."""
    volume = channels * side**2
    return _PLAIN._replace(
        kind=SKIP,
        channels=channels,
        height=side,
        width=side,
        input_volume=volume,
        output_volume=volume,
    )


def conv(inputs: Any, filters: Any, kernel: Any, stride: Any, side: Any) -> Layers:
    """A convolution of [side, side, inputs] with its batch norm, without bias."""
    out = _shrunk(side, stride)
    weights = kernel**2 * inputs * filters
    return _PLAIN._replace(
        kind=CONV,
        kernel=kernel,
        stride=stride,
        padding=kernel // 2,
        channels=filters,
        height=out,
        width=out,
        input_volume=inputs * side**2,
        output_volume=filters * out**2,
        macs=_times(weights, out**2),
        params=weights + 2 * filters,
    )


def linear(inputs: Any, outputs: Any) -> Layers:
    """A linear layer with bias; additions of the bias are no multiply-adds."""
    macs = _times(inputs, outputs)
    return _PLAIN._replace(
        kind=LINEAR,
        channels=outputs,
        input_volume=inputs,
        output_volume=outputs,
        macs=macs,
        params=macs + outputs,
    )


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

    Each convolution has a batch norm and no bias. The addition of the skip, where shapes agree, is
    no multiply-add.

    Args:
      inputs, filters, kernel, stride, side: see `conv`; kernel and stride of the depthwise one.
      expansion: ratio of the hidden channels to the inputs.
      groups: groups of the two 1x1 convolutions.
      expands: False: without the first 1x1 convolution (expansion is 1).
      squeezed: hidden channels of squeeze and excitation after the depthwise convolution, two 1x1
        convolutions with bias; 0: there is none.
    """
    hidden, out = inputs * expansion, _shrunk(side, stride)
    first, last = expands * (inputs * hidden // groups), hidden * filters // groups
    depthwise, weighting = kernel**2 * hidden, 2 * hidden * squeezed
    biases = (squeezed > 0) * (hidden + squeezed)
    norms = 2 * (expands * hidden + hidden + filters)
    return Layers(
        kind=INVERTED_RESIDUAL,
        kernel=kernel,
        stride=stride,
        padding=kernel // 2,
        expansion=expansion,
        skip=(stride == 1) & (inputs == filters),
        channels=filters,
        height=out,
        width=out,
        input_volume=inputs * side**2,
        output_volume=filters * out**2,
        macs=_times(first, side**2) + _times(depthwise + last, out**2) + weighting,
        params=first + depthwise + last + weighting + biases + norms,
    )


def left_out(inputs: Any, filters: Any, stride: Any, side: Any) -> Layers:
    """The layer in place of a block left out: identity, or a 1x1 convolution to its shape."""
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
    """A chain of plain layers on images of any height and width, with any padding.

    Args:
      shape: height, width and channels of the image.
      kind: [R], of NO_LAYER (skipped), CONV (with bias), POOL and LINEAR (on all values).
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
    input_volume = read.prod(1)
    weights = jnp.where(kind == CONV, kernel**2 * read[:, 2] * channels, 0)
    linear_weights = is_linear * _times(input_volume, channels)
    biases = ((kind == CONV) | (is_linear & bias)) * channels
    found = _PLAIN._replace(
        kind=kind,
        kernel=jnp.where(spatial, kernel, 0),
        stride=jnp.where(spatial, stride, 1),
        padding=jnp.where(spatial, padding, 0),
        channels=depth,
        height=height,
        width=width,
        input_volume=input_volume,
        output_volume=written.prod(1),
        macs=_times(weights, height * width) + linear_weights,
        params=weights + linear_weights + biases,
        repeats=kind != NO_LAYER,
    )
    return join(found)


def _shrunk(side: Any, stride: Any) -> Any:
    return -(-side // stride)


def _times(a: Any, b: Any) -> jax.Array:
    """The product in float32; int32 is too small for large images."""
    return jnp.asarray(a, jnp.float32) * jnp.asarray(b, jnp.float32)
