"""Chains of convolutions, pools and fully connected layers (TRL-HPO, Table I).

An architecture is int32 [L, 4]: a row (kind, three hyper-parameters) per layer, rows of zeros after
the last layer. Flatten + linear(classes) closes it, so every prefix is a whole network.

    kind 1 conv   (filters, kernel, stride)         valid padding, bias, no activation
    kind 2 fc     (neurons, bias, activation)       bias 0 / 1, activation an index of ACTIVATIONS
    kind 3 pool   (kernel, stride, padding)         max-pool

The first layer is a convolution. Only fully connected layers follow a fully connected layer.
"""

import dataclasses
import itertools
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from nasjax.config import MOST, check, settings
from nasjax.errors import UserError
from nasjax.spaces import parsed
from nasjax.spaces.parsed import Layers
from nasjax.spaces.rejection import draw_until

NONE, CONV, FC, POOL = 0, 1, 2, 3
KINDS = ("none", "conv", "fc", "pool")
FIELDS = {
    CONV: ("filters", "kernel", "stride"),
    FC: ("neurons", "bias", "activation"),
    POOL: ("kernel", "stride", "padding"),
}
ACTIVATIONS = ("none", "relu", "leakyrelu", "tanh", "sigmoid", "elu", "gelu")
_PARSED = (parsed.NO_LAYER, parsed.CONV, parsed.LINEAR, parsed.POOL)  # by kind
# The attributes of each layer among the features.
_ATTRIBUTES = ("channels", "kernel", "stride", "padding", "height", "width", "macs", "params")
# Table I: the values of each hyper-parameter, in the order in which `decode` maps actions to them.
TABLE_I: dict[int, tuple[tuple[int, ...], ...]] = {
    CONV: (tuple(range(8, 129, 8)), (3, 5, 7), (1, 2, 3)),
    FC: (tuple(range(16, 513, 8)), (1, 0), tuple(range(len(ACTIVATIONS)))),
    POOL: (tuple(range(2, 9)), (1, 2, 3), (0, 1, 2, 3)),
}
# The released code's lists: np.arange leaves out the last value; other order of activations.
_ORDER = ("sigmoid", "tanh", "relu", "leakyrelu", "elu", "gelu", "none")
_RELEASED: dict[int, tuple[tuple[int, ...], ...]] = {
    CONV: (tuple(range(8, 128, 8)), (3, 5, 7), (1, 2, 3)),
    FC: (tuple(range(16, 512, 8)), (1, 0), tuple(map(ACTIVATIONS.index, _ORDER))),
    POOL: (tuple(range(2, 8)), (1, 2, 3), (0, 1, 2, 3)),
}


@settings("space")
class LayerChainConfig:
    """Section `space` of a config; input shape and classes come from the data set."""

    max_layers: Annotated[int, Field(ge=1, le=32)] = 6
    # How actions map to hyper-parameters: as in the paper, or as in its released code.
    decode: Literal["table1", "released"] = "table1"


class LayerRow(NamedTuple):
    """A row of `LayerChain.layer_table`; the last row is the closing linear layer.

    Attributes:
      text: the layer in words.
      output_shape: (height, width, channels), or (neurons,).
      params: trainable values.
      flops: per image; a multiply-add counts as two, bias, activation and pool as none.
      activation_bytes: size of the float32 output per image.
    """

    text: str
    output_shape: tuple[int, ...]
    params: int
    flops: int
    activation_bytes: int


@dataclasses.dataclass(frozen=True)
class LayerChain:
    """The space for images of shape `input_shape` [H, W, C] and `num_classes` classes.

    A UserError says that no layer fits such images.
    """

    input_shape: tuple[int, int, int]
    num_classes: int
    config: LayerChainConfig = dataclasses.field(default_factory=LayerChainConfig)

    layer_width = 4
    action_size = 4

    def __post_init__(self) -> None:
        height, width = self.input_shape[:2]
        smallest = min(TABLE_I[CONV][1])
        if min(height, width) < smallest:
            raise UserError(
                f"the images have {height} x {width} pixels; a chain of layers begins with a "
                f"convolution of at least {smallest} x {smallest}: give it larger images"
            )

    @property
    def num_layers(self) -> int:
        """L, the largest number of layers of a chain."""
        return self.config.max_layers

    def decode(self, action: jax.Array, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """The layer [4] that an action [4] in [0, 1] adds to a prefix [L, 4], valid or not.

        The first value of the action selects the kind where there is a choice.
        """
        last = jnp.where(length > 0, prefix[jnp.maximum(length - 1, 0), 0], NONE)
        if self.config.decode == "released":
            return _decode_released(action, prefix, length, last)
        kind = _kind(last, jnp.minimum(jnp.floor(action[0] * 3), 2).astype(jnp.int32) + 1)
        rows = []
        for code in (CONV, FC, POOL):
            values = TABLE_I[code]
            picks = [_index(action[i + 1], len(values[i])) for i in range(3)]
            rows.append([jnp.array(v, jnp.int32)[p] for v, p in zip(values, picks, strict=True)])
        return _layer(kind, jnp.array([[jnp.int32(0)] * 3, *rows]))

    def is_valid(self, architecture: jax.Array) -> jax.Array:
        """Whether there is a layer, the order is allowed and every layer fits, [L, 4] -> [] bool.

        A convolution or pool fits if its kernel is not larger than its (padded) input and, as in
        PyTorch, a pool's padding is at most half its kernel.
        """
        height, width = (jnp.int32(side) for side in self.input_shape[:2])
        valid, previous = architecture[0, 0] == CONV, jnp.int32(NONE)
        for row in architecture:
            kind = row[0]
            spatial = (kind == CONV) | (kind == POOL)
            pool = kind == POOL
            kernel = jnp.where(pool, row[1], row[2])
            stride = jnp.maximum(jnp.where(pool, row[2], row[3]), 1)
            padding = jnp.where(pool, row[3], 0)
            fits = (jnp.minimum(height, width) + 2 * padding >= kernel) & (2 * padding <= kernel)
            ordered = jnp.where(spatial, previous != FC, True) & ((kind == NONE) | (previous >= 0))
            valid &= jnp.where(spatial, fits, True) & ordered
            height = jnp.where(spatial, (height + 2 * padding - kernel) // stride + 1, height)
            width = jnp.where(spatial, (width + 2 * padding - kernel) // stride + 1, width)
            previous = jnp.where(kind == NONE, -1, kind)  # -1: nothing may follow
        return valid

    def sample(self, key: jax.Array, length: jax.Array | None = None) -> jax.Array:
        """A random valid chain [L, 4]; the key is consumed.

        The length is uniform, or given ([] int32). Kinds are uniform among those allowed,
        hyper-parameters uniform. An invalid chain is drawn again at the same length.
        """
        length_key, draw_key = jax.random.split(key)
        if length is None:
            length = jax.random.randint(length_key, (), 1, self.num_layers + 1)

        def draw(step: jax.Array) -> jax.Array:
            keys = jax.random.split(jax.random.fold_in(draw_key, step), self.num_layers)
            previous, rows = jnp.int32(NONE), []
            for i in range(self.num_layers):
                kind_key, value_key = jax.random.split(keys[i])
                kind = _kind(previous, jax.random.randint(kind_key, (), 1, 4))
                values = jax.random.uniform(value_key, (3,))
                table = [[_pick(TABLE_I[k][j], values[j]) for j in range(3)] for k in (1, 2, 3)]
                row = _layer(kind, jnp.array([[jnp.int32(0)] * 3, *table]))
                rows.append(jnp.where(i < length, row, 0))
                previous = kind
            return jnp.stack(rows)

        empty = jnp.zeros((self.num_layers, self.layer_width), jnp.int32)  # not valid
        return draw_until(self.is_valid, draw, empty)

    @property
    def options(self) -> np.ndarray:
        """Every layer of Table I, kind by kind, [1110, 4] int32."""
        rows = [
            (kind, *values)
            for kind, lists in TABLE_I.items()
            for values in itertools.product(*lists)
        ]
        return np.array(rows, np.int32)

    def allowed(self, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """The options that keep the prefix valid, [1111] bool; the last: to end, after a layer."""
        longer = jax.vmap(prefix.at[length].set)(jnp.asarray(self.options))
        return jnp.append(jax.vmap(self.is_valid)(longer), length > 0)

    def mutate(self, key: jax.Array, architecture: jax.Array) -> jax.Array:
        """A valid chain with one layer replaced, added at the end or removed there.

        The change, the layer's place, its kind and its hyper-parameters are uniform. An invalid or
        equal chain is drawn again. The key is consumed.
        """
        options, table = self.options, jnp.asarray(self.options)
        starts = jnp.asarray(np.searchsorted(options[:, 0], (CONV, FC, POOL)))
        counts = jnp.asarray(np.bincount(options[:, 0])[1:])
        length = (architecture[:, 0] != NONE).sum()

        def draw(step: jax.Array) -> jax.Array:
            keys = jax.random.split(jax.random.fold_in(key, step), 4)
            change = jax.random.randint(keys[0], (), 0, 3)
            kind = jax.random.randint(keys[1], (), 0, 3)
            pick = jnp.floor(jax.random.uniform(keys[2]) * counts[kind]).astype(jnp.int32)
            layer = table[starts[kind] + jnp.minimum(pick, counts[kind] - 1)]
            somewhere = jax.random.randint(keys[3], (), 0, length)
            place = jnp.stack([somewhere, length, length - 1])[change]
            # A write beyond the last row is dropped: an equal chain, drawn again.
            return architecture.at[place].set(jnp.where(change == 2, 0, layer), mode="drop")

        def is_new(chain: jax.Array) -> jax.Array:
            return self.is_valid(chain) & (chain != architecture).any()

        return draw_until(is_new, draw, architecture)

    def to_layers(self, architecture: Any) -> list[dict[str, Any]]:
        """The layers as plain data, e.g. {"kind": "conv", "filters": 16, "kernel": 3, ...}."""
        layers = []
        for kind, *values in np.asarray(architecture).tolist():
            if kind == NONE:
                break
            layer = {"kind": KINDS[kind], **dict(zip(FIELDS[kind], values, strict=True))}
            if kind == FC:
                layer |= {"bias": bool(values[1]), "activation": ACTIVATIONS[values[2]]}
            layers.append(layer)
        return layers

    def from_layers(self, layers: list[dict[str, Any]]) -> np.ndarray:
        """The inverse of `to_layers`: int32 [L, 4]. The chain may be invalid in this space."""
        check(len(layers) <= self.num_layers, "layers", len(layers), f"at most {self.num_layers}")
        rows = np.zeros((self.num_layers, 4), np.int32)
        for i, layer in enumerate(layers):
            kind = _code(layer, "kind", KINDS[1:], f"layers[{i}]") + 1
            for field in FIELDS[kind]:
                check(field in layer, f"layers[{i}]", layer, f"a {KINDS[kind]} with a {field}")
            allowed = ("kind", *FIELDS[kind])
            for field, value in layer.items():
                path = f"layers[{i}].{field}"
                check(field in allowed, path, value, f"absent: a {KINDS[kind]} has {allowed}")
                if field == "bias":
                    check(type(value) is bool or value in (0, 1), path, value, "true or false")
                elif field not in ("kind", "activation"):
                    least = 0 if field == "padding" else 1
                    whole = type(value) is int and least <= value <= MOST
                    check(whole, path, value, f"a whole number from {least} to {MOST}")
            values = [layer[field] for field in FIELDS[kind]]
            if kind == FC:
                activation = _code(layer, "activation", ACTIVATIONS, f"layers[{i}]")
                values[1:] = [int(layer["bias"]), activation]
            rows[i] = kind, *values
        return rows

    def to_text(self, architecture: Any) -> str:
        """One readable line, e.g. "conv 16 k3 s1 > pool k2 s2 p0 > fc 64 relu"."""
        return " > ".join(map(_layer_text, self.to_layers(architecture)))

    def layer_table(self, architecture: Any) -> list[LayerRow]:
        """Shape, parameters, FLOPs and activation bytes of every layer of a valid chain, exact."""
        shape: tuple[int, ...] = self.input_shape
        closing = {"kind": "fc", "neurons": self.num_classes, "bias": True, "activation": "none"}
        table = []
        for layer in [*self.to_layers(architecture), closing]:
            if layer["kind"] == "fc":
                inputs, outputs = int(np.prod(shape)), layer["neurons"]
                params = inputs * outputs + outputs * layer["bias"]
                shape, macs = (outputs,), inputs * outputs
            else:
                padding = layer.get("padding", 0)
                sides = [
                    (s + 2 * padding - layer["kernel"]) // layer["stride"] + 1 for s in shape[:2]
                ]
                channels, filters = shape[2], layer.get("filters", shape[2])
                weights = (
                    layer["kernel"] ** 2 * channels * filters if layer["kind"] == "conv" else 0
                )
                params = weights + filters if weights else 0
                shape, macs = (*sides, filters), weights * sides[0] * sides[1]
            text = "linear" if layer is closing else _layer_text(layer)
            table.append(LayerRow(text, shape, params, 2 * macs, 4 * int(np.prod(shape))))
        return table

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the values of `features`."""
        chosen = [f"={name}" for name in (*KINDS[1:], *ACTIVATIONS)]
        endings = [*chosen, *(f"_{name}" for name in _ATTRIBUTES)]
        layers = [f"{i}{ending}" for i in range(self.num_layers) for ending in endings]
        return (*layers, *parsed.AGGREGATES)

    def features(self, architecture: jax.Array) -> jax.Array:
        """The features of a valid chain that predictors read, [L, 4] -> [features] float32.

        The kind and activation of each layer one-hot and its attributes, zeros for no layer; then
        `parsed.AGGREGATES`, which include the closing linear layer.
        """
        layers, kind = self.parse_network(architecture), architecture[:, :1]
        kinds = kind == np.arange(1, len(KINDS))[None]
        activations = (kind == FC) & (architecture[:, 3:] == np.arange(len(ACTIVATIONS))[None])
        columns = [getattr(layers, name)[:-1].astype(jnp.float32) for name in _ATTRIBUTES]
        attributes = jnp.where(kind == NONE, 0, jnp.stack(columns, 1))
        by_layer = jnp.concatenate([kinds, activations, attributes], 1)
        return jnp.concatenate([by_layer.reshape(-1), parsed.aggregate(layers)])

    def parse_network(self, architecture: jax.Array) -> Layers:
        """The L + 1 layers of a valid chain [L, 4], the closing one last; may be traced."""
        closing = jnp.asarray([[FC, self.num_classes, 1, 0]], jnp.int32)
        kind, *values = jnp.concatenate([architecture, closing]).T
        pool, none = kind == POOL, jnp.zeros_like(kind)
        return parsed.chain(
            self.input_shape,
            kind=jnp.asarray(_PARSED, jnp.int32)[kind],
            channels=values[0],
            kernel=jnp.where(pool, values[0], values[1]),
            stride=jnp.where(pool, values[1], values[2]),
            padding=jnp.where(pool, values[2], none),
            bias=values[1] == 1,
        )


def _code(layer: dict[str, Any], field: str, known: tuple[str, ...], path: str) -> int:
    """The index of a layer's word in `known`; a UserError if it is not there."""
    word = layer.get(field)
    check(word in known, f"{path}.{field}", word, f"one of {', '.join(known)}")
    return known.index(str(word))


def _layer_text(layer: dict[str, Any]) -> str:
    if layer["kind"] == "conv":
        return f"conv {layer['filters']} k{layer['kernel']} s{layer['stride']}"
    if layer["kind"] == "pool":
        return f"pool k{layer['kernel']} s{layer['stride']} p{layer['padding']}"
    return f"fc {layer['neurons']} {layer['activation']}" + ("" if layer["bias"] else " nobias")


def _kind(previous: jax.Array, wanted: jax.Array) -> jax.Array:
    """The allowed kind: the first layer is a convolution, an FC is followed by an FC."""
    return jnp.where(previous == NONE, CONV, jnp.where(previous == FC, FC, wanted))


def _layer(kind: jax.Array, table: jax.Array) -> jax.Array:
    """The layer [4]: the kind [] and its row of the table [4, 3]."""
    return jnp.concatenate([kind[None], table[kind]]).astype(jnp.int32)


def _index(value: jax.Array, size: int) -> jax.Array:
    """The index min(floor(a n), n - 1): equal shares of [0, 1] for each of n values."""
    return jnp.minimum(jnp.floor(value * size).astype(jnp.int32), size - 1)


def _pick(values: tuple[int, ...], value: jax.Array) -> jax.Array:
    return jnp.array(values, jnp.int32)[_index(value, len(values))]


def _decode_released(
    action: jax.Array, prefix: jax.Array, length: jax.Array, last: jax.Array
) -> jax.Array:
    """Decodes as the authors' released code does, corner cases included.

    Kinds are divided at .33 and .67. An index is int(a (n - 1)), so the last value (kernel 7,
    stride 3, no bias, no activation) needs a = 1 exactly. Filters are at least one size above the
    last convolution's. Neurons after an FC are at most one size above that FC's. The index of a
    pool is int(a n - 1): at a = 0 exactly it is -1, the last value.
    """
    wanted = jnp.where(action[0] < 0.33, CONV, jnp.where(action[0] < 0.67, FC, POOL))
    kind = _kind(last, wanted)
    built = jnp.arange(prefix.shape[0]) < length
    is_conv = built & (prefix[:, 0] == CONV)
    last_conv = jnp.max(jnp.where(is_conv, jnp.arange(prefix.shape[0]), -1))
    filters, kernels, strides = (jnp.array(v, jnp.int32) for v in _RELEASED[CONV])
    top = len(filters) - 1
    lower = jnp.where(last_conv >= 0, (prefix[last_conv, 1] - 8) // 8, 0)
    conv_index = jnp.minimum((action[1] * (top - lower) + lower + 1).astype(jnp.int32), top)
    conv = [
        filters[conv_index],
        *(v[_below(action[i], v)] for i, v in ((2, kernels), (3, strides))),
    ]

    neurons, biases, activations = (jnp.array(v, jnp.int32) for v in _RELEASED[FC])
    top = len(neurons) - 1
    upper = jnp.where(last == FC, (prefix[jnp.maximum(length - 1, 0), 1] - 16) // 8 + 1, top)
    fc_index = jnp.minimum((action[1] * upper).astype(jnp.int32), top)
    fc = [neurons[fc_index], *(v[_below(action[i], v)] for i, v in ((2, biases), (3, activations)))]

    pool = [
        jnp.array(values, jnp.int32)[(action[i + 1] * len(values) - 1).astype(jnp.int32)]
        for i, values in enumerate(_RELEASED[POOL])
    ]
    return _layer(kind, jnp.array([[jnp.int32(0)] * 3, conv, fc, pool]))


def _below(value: jax.Array, values: jax.Array) -> jax.Array:
    """The index int(a (n - 1)), which reaches the last value at a = 1 only."""
    return (value * (len(values) - 1)).astype(jnp.int32)
