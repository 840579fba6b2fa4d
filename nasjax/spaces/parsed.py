"""What predictors of device behaviour see of a network: its layers as numbers (AUTOCoMET, III.C).

The attributes are those that the paper collects (IV.A): type, kernel size, stride, padding,
expansion ratio, skip, channels, height, width, input and output volume; beside them what follows
from these (multiply-adds, parameters) and whether the layer's output reaches the network's.
"""

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
      repeats: int32, how often this layer occurs, one after another.
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
    repeats: Any
    live: Any


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
        (layers.input_volume + layers.output_volume).max(),
    ]
    counts = (of_kind * times[None]).sum(1), (of_kind * live[None]).sum(1)
    macs = (of_kind * (times * layers.macs)[None]).sum(1)
    return jnp.concatenate([jnp.stack(sums), *counts, macs[CONV:]])
