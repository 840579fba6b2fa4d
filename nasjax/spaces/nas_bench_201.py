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
# What an edge's operation, in their order, adds to the length of a path.
_LENGTHS = {"layers": (0, 0, 1, 1, 1), "convs": (0, 0, 1, 1, 0), "convs_3x3": (0, 0, 0, 1, 0)}
_CHANNELS, _CELLS = (16, 32, 64), 5  # of the stages; cells of each


@dataclasses.dataclass(frozen=True)
class NasBench201(SlotSpace):
    """15,625 cells."""

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
    def feature_names(self) -> tuple[str, ...]:
        """Of `features`."""
        slots = ["".join(map(str, edge)) for edge in EDGES]
        chosen = (f"{slot}={operation}" for slot in slots for operation in self.operations)
        live = (f"{slot}_live" for slot in slots)
        return (*chosen, *live, *(f"longest_{what}" for what in _LENGTHS), *parsed.AGGREGATES)

    def features(
        self, architecture: jax.Array, *, image_size: int = 32, num_classes: int = 10
    ) -> jax.Array:
        """[L, 1] -> [features] float32: what predictors of device behaviour read.

        The operation of every edge and whether it is live, as zeros and ones; the most layers,
        convolutions and 3x3 convolutions on a live path through a cell; `parsed.AGGREGATES`.
        """
        ops = self._ops(architecture)
        layers = self.parse_network(architecture, image_size=image_size, num_classes=num_classes)
        chosen = ops[:, None] == np.arange(len(self.operations))[None]
        live = live_edges(ops)
        parts = (chosen.reshape(-1), live, _longest(ops, live), parsed.aggregate(layers))
        return jnp.concatenate([part.astype(jnp.float32) for part in parts])

    def _ops(self, architecture: jax.Array) -> jax.Array:
        """[L, 1] -> [L]: index of each edge's operation."""
        return jnp.where(architecture[:, 0] > 0, architecture[:, 0] - 1, self.filler)

    def parse_network(
        self, architecture: jax.Array, *, image_size: int = 32, num_classes: int = 10
    ) -> Layers:
        """[L, 1] -> the network's layers; may be traced.

        Three rows (one a stage) for every edge, then what is the same in all networks. Macs and
        params, summed up, are the benchmark's (bias of the linear layer counted as multiply-adds).
        """
        ops = self._ops(architecture)
        of_cells = [
            _of_cell(ops, channels, image_size >> stage) for stage, channels in enumerate(_CHANNELS)
        ]
        rest = _rest(image_size, num_classes)
        return jax.tree.map(
            lambda *parts: jnp.concatenate([jnp.asarray(part) for part in parts]), *of_cells, rest
        )


def live_edges(ops: jax.Array) -> jax.Array:
    """[6] int32 -> [6] bool: edges on a path from a cell's input to its output without "none"."""
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
    """[6], [6] -> [len(_LENGTHS)]: the greatest length of a live path from input to output."""
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


def _of_cell(ops: jax.Array, channels: int, side: int) -> Layers:
    """The six edges of a stage's cells. A convolution comes with a batch norm and without bias."""
    kernel = jnp.asarray(_KERNELS, jnp.int32)[ops]
    kind = jnp.asarray(_KINDS, jnp.int32)[ops]
    is_conv = kind == parsed.CONV
    weights = jnp.where(is_conv, kernel**2 * channels**2, 0)
    volume = jnp.full(len(EDGES), channels * side**2, jnp.float32)
    same = {"stride": 1, "expansion": 1, "channels": channels, "height": side, "width": side}
    same |= {"repeats": _CELLS}
    return Layers(
        kind=kind,
        kernel=kernel,
        padding=kernel // 2,
        skip=jnp.zeros(len(EDGES), bool),
        input_volume=volume,
        output_volume=volume,
        macs=(weights * side**2).astype(jnp.float32),
        params=jnp.where(is_conv, weights + 2 * channels, 0).astype(jnp.float32),
        live=live_edges(ops),
        **{name: jnp.full(len(EDGES), value, jnp.int32) for name, value in same.items()},
    )


def _rest(image_size: int, num_classes: int) -> Layers:
    """The stem, the two residual blocks, the last batch norm (with the linear layer)."""
    rows = [_conv(3, 16, 3, 1, image_size)]
    for stage, (before, after) in enumerate(itertools.pairwise(_CHANNELS)):
        side = image_size >> (stage + 1)
        rows += [_conv(before, after, 3, 2, side), _conv(after, after, 3, 1, side)]
        rows += [_conv(before, after, 1, 1, side)._replace(params=before * after)]  # no norm
    last = _CHANNELS[-1]
    macs = (last + 1) * num_classes
    rows.append(
        Layers(
            *(parsed.LINEAR, 0, 1, 0, 1, False, num_classes, 1, 1),
            *(last, num_classes, macs, macs + 2 * last, 1, True),
        )
    )
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    floats = ("input_volume", "output_volume", "macs", "params")
    bools = ("skip", "live")
    types = [
        np.float32 if name in floats else bool if name in bools else np.int32
        for name in Layers._fields
    ]
    return Layers(*(column.astype(t) for column, t in zip(columns, types, strict=True)))


def _conv(inputs: int, filters: int, kernel: int, stride: int, side: int) -> Layers:
    """A convolution to [side, side, filters] with its batch norm, as plain numbers."""
    weights = kernel**2 * inputs * filters
    volumes = inputs * (side * stride) ** 2, filters * side**2
    skip = stride == 1 and kernel == 3 and inputs == filters
    return Layers(
        *(parsed.CONV, kernel, stride, kernel // 2, 1, skip, filters, side, side),
        *(*volumes, weights * side**2, weights + 2 * filters, 1, True),
    )
