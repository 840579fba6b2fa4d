"""The cells of NAS-Bench-201 (Dong and Yang, 2020): six edges between four nodes.

The slots are the edges in the benchmark's order: 0>1, 0>2, 1>2, 0>3, 1>3, 2>3. An edge not chosen
yet is a skip connection.

A network: a 3x3 convolution to 16 channels; three stages of five cells with 16, 32 and 64 channels,
on the whole image, its half and its quarter; between stages a residual block (two 3x3 convolutions,
the first of stride 2, beside an average pool and a 1x1 convolution); global average, linear.
"""

import dataclasses
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.spaces import parsed
from nasjax.spaces.parsed import Layers
from nasjax.spaces.slots import SlotSpace

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
_KINDS = (parsed.NO_LAYER, parsed.SKIP, parsed.CONV, parsed.CONV, parsed.POOL)
_KERNELS = (0, 0, 1, 3, 3)
# The contribution of each operation to the length of a path.
_LENGTHS = {"layers": (0, 0, 1, 1, 1), "convs": (0, 0, 1, 1, 0), "convs_3x3": (0, 0, 0, 1, 0)}
CHANNELS, CELLS = (16, 32, 64), 5  # of the stages; cells of each


@dataclasses.dataclass(frozen=True)
class NasBench201(SlotSpace):
    """The 15,625 cells of the benchmark."""

    operations: tuple[str, ...] = OPERATIONS
    num_layers: int = 6
    filler: int = OPERATIONS.index("skip_connect")

    def to_text(self, architecture: Any) -> str:
        """The benchmark's own notation, e.g. "|none~0|+|none~0|none~1|+|...|"."""
        codes = np.asarray(architecture)[:, 0]
        names = [self.operations[code - 1 if code else self.filler] for code in codes]
        nodes = [names[:1], names[1:3], names[3:]]
        edges = [[f"{name}~{source}" for source, name in enumerate(node)] for node in nodes]
        return "+".join(f"|{'|'.join(node)}|" for node in edges)

    @property
    def slot_names(self) -> tuple[str, ...]:
        """The names of the edges: source and target, e.g. "01"."""
        return tuple("".join(map(str, edge)) for edge in EDGES)

    @property
    def structure_names(self) -> tuple[str, ...]:
        """The names of the values of `structure`."""
        live = (f"{slot}_live" for slot in self.slot_names)
        return (*live, *(f"longest_{what}" for what in _LENGTHS))

    def structure(self, ops: jax.Array) -> jax.Array:
        """Live edges [6]; most layers, convolutions and 3x3 convolutions on a live path [3]."""
        live = live_edges(ops)
        return jnp.concatenate([live, _longest(ops, live)]).astype(jnp.float32)

    def network_layers(self, ops: jax.Array) -> Layers:
        """Six rows (one per edge) for each of three stages, then the layers of all networks.

        The sums of macs and params are the benchmark's; it counts the linear layer's bias as
        multiply-adds.
        """
        cells = [
            _cell_layers(ops, channels, self.image_size >> stage)
            for stage, channels in enumerate(CHANNELS)
        ]
        return parsed.join(*cells, *_rest(self.image_size, self.num_classes))


def live_edges(ops: jax.Array) -> jax.Array:
    """The edges on a path without "none" from a cell's input to its output: [6] -> [6] bool."""
    is_open = [ops[edge] != 0 for edge in range(len(EDGES))]
    reached = {0: jnp.bool_(True)}
    for node in (1, 2, 3):
        into = [(edge, source) for edge, (source, target) in enumerate(EDGES) if target == node]
        reached[node] = jnp.stack([is_open[edge] & reached[source] for edge, source in into]).any()
    useful = {3: jnp.bool_(True)}
    for node in (2, 1, 0):
        out = [(edge, target) for edge, (source, target) in enumerate(EDGES) if source == node]
        useful[node] = jnp.stack([is_open[edge] & useful[target] for edge, target in out]).any()
    return jnp.stack(
        [is_open[e] & reached[source] & useful[target] for e, (source, target) in enumerate(EDGES)]
    )


def _longest(ops: jax.Array, live: jax.Array) -> jax.Array:
    """The greatest lengths of a live path from input to output, [len(_LENGTHS)]."""
    lengths = jnp.asarray(list(_LENGTHS.values()), jnp.int32)[:, ops]  # [lengths, edges]
    nowhere = jnp.full(len(_LENGTHS), -len(EDGES), jnp.int32)
    longest = {0: jnp.zeros_like(nowhere)}
    for node in (1, 2, 3):
        into = [
            jnp.where(live[edge], longest[source] + lengths[:, edge], nowhere)
            for edge, (source, target) in enumerate(EDGES)
            if target == node
        ]
        longest[node] = jnp.stack(into).max(0)
    return jnp.maximum(longest[3], 0)


def _cell_layers(ops: jax.Array, channels: int, side: int) -> Layers:
    """The six edges of a stage's cells. A convolution has a batch norm and no bias."""
    kernel = jnp.asarray(_KERNELS, jnp.int32)[ops]
    kind = jnp.asarray(_KINDS, jnp.int32)[ops]
    conv = parsed.conv(channels, channels, kernel, 1, side)
    others = conv._replace(kind=kind, macs=0, params=0)
    layers = parsed.where(kind == parsed.CONV, conv, others)
    return layers._replace(repeats=CELLS, live=live_edges(ops))


def _rest(image_size: int, num_classes: int) -> list[Layers]:
    """The stem, the two residual blocks, the last batch norm (with the linear layer)."""
    parts = [parsed.conv(3, CHANNELS[0], 3, 1, image_size)]
    for stage, (before, after) in enumerate(itertools.pairwise(CHANNELS)):
        side = image_size >> (stage + 1)
        first = parsed.conv(before, after, 3, 2, 2 * side)
        second = parsed.conv(after, after, 3, 1, side)._replace(skip=True)
        beside = parsed.conv(before, after, 1, 1, side)._replace(params=before * after)  # no norm
        parts += [first, second, beside]
    last = parsed.linear(CHANNELS[-1], num_classes)
    norm, biases = 2 * CHANNELS[-1], num_classes
    return [*parts, last._replace(macs=last.macs + biases, params=last.params + norm)]
