"""The transformer's forward pass in plain NumPy, float64: the reference for the nets' tests.

Written from the equations alone (Vaswani et al., 2017, encoder without masks; layer norm after
each residual), for one sequence x of shape [L, E]:

    x <- sqrt(E) x + pe,    pe[p, 2i] = sin(p / 10000^(2i/E)),  pe[p, 2i+1] = cos(the same)
    per block:
      z_h = softmax(q_h k_h^T / sqrt(d)) v_h      head h of H reads columns h d .. (h+1) d, d = E/H
      x <- LayerNorm(x + concat(z_1 .. z_H) W_o + b_o)
      x <- LayerNorm(x + relu(x W_1 + b_1) W_2 + b_2)
    output = flatten(x) W + b                     flat index of (p, e) is p E + e

With "shared" projections, q_h = x_h Wq for every head with one [d, d] matrix, x_h the columns of
head h; with "standard" ones, q_h is columns h of x Wq with an [E, E] matrix. Keys and values
likewise; none has a bias. Matrices are [in, out].
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Projections = Literal["shared", "standard"]

EPSILON = 1e-5  # of the layer norm's variance


@dataclasses.dataclass(frozen=True)
class Linear:
    """x weight + bias; weight [in, out], bias [out]."""

    weight: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        return x @ self.weight + self.bias


@dataclasses.dataclass(frozen=True)
class Norm:
    """Layer norm over the last axis, with the biased variance; scale and bias [E]."""

    scale: Array
    bias: Array

    def __call__(self, x: Array) -> Array:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred**2).mean(axis=-1, keepdims=True)
        return centred / np.sqrt(variance + EPSILON) * self.scale + self.bias


@dataclasses.dataclass(frozen=True)
class Block:
    """Parameters of one block; query, key, value are [d, d] ("shared") or [E, E] ("standard")."""

    query: Array
    key: Array
    value: Array
    merge: Linear
    attention_norm: Norm
    hidden: Linear
    shrink: Linear
    hidden_norm: Norm


def positions(length: int, size: int) -> Array:
    """The sinusoidal positions, [length, size], entry by entry."""
    table = np.empty((length, size))
    for p in range(length):
        for column in range(size):
            angle = p / 10000 ** (2 * (column // 2) / size)
            table[p, column] = math.sin(angle) if column % 2 == 0 else math.cos(angle)
    return table


def softmax(scores: Array) -> Array:
    """The softmax of each row."""
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def attend(
    block: Block, x: Array, *, num_heads: int, projections: Projections
) -> tuple[Array, Array]:
    """Concatenated heads [L, E] and attention [H, L, L], one head after the other."""
    size = x.shape[1] // num_heads
    outputs, attentions = [], []
    for head in range(num_heads):
        columns = slice(head * size, (head + 1) * size)
        matrices = (block.query, block.key, block.value)
        if projections == "shared":
            query, key, value = (x[:, columns] @ matrix for matrix in matrices)
        else:
            query, key, value = (x @ matrix[:, columns] for matrix in matrices)
        attention = softmax(query @ key.T / math.sqrt(size))
        outputs.append(attention @ value)
        attentions.append(attention)
    return np.concatenate(outputs, axis=1), np.stack(attentions)


def forward(
    blocks: Sequence[Block], output: Linear, x: Array, *, num_heads: int, projections: Projections
) -> tuple[Array, Array]:
    """Output [outputs] and attention [blocks, heads, L, L] for x [L, E]."""
    length, size = x.shape
    x = math.sqrt(size) * x + positions(length, size)
    attentions = []
    for block in blocks:
        heads, attention = attend(block, x, num_heads=num_heads, projections=projections)
        x = block.attention_norm(x + block.merge(heads))
        x = block.hidden_norm(x + block.shrink(np.maximum(block.hidden(x), 0)))
        attentions.append(attention)
    return output(x.reshape(-1)), np.stack(attentions)


def draw(shapes: Mapping[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Float32 parameters for flax's tree of shapes, none at the 0 or 1 that fresh nets have."""
    drawn: dict[str, Any] = {}
    for name, entry in shapes.items():
        if isinstance(entry, Mapping):
            drawn[name] = draw(entry, rng)
            continue
        deviation = entry.shape[0] ** -0.5 if name == "kernel" else 0.3
        value = (name == "scale") + deviation * rng.normal(size=entry.shape)
        drawn[name] = value.astype(np.float32)
    return drawn


def read(params: Mapping[str, Any]) -> tuple[list[Block], Linear]:
    """The parameters of the blocks and the output of nasjax's Transformer."""
    tree = params["params"]

    def array(value: Any) -> Array:
        return np.asarray(value, np.float64)

    def linear(entry: Mapping[str, Any]) -> Linear:
        return Linear(array(entry["kernel"]), array(entry["bias"]))

    def norm(entry: Mapping[str, Any]) -> Norm:
        return Norm(array(entry["scale"]), array(entry["bias"]))

    blocks = []
    for i in range(sum(name.startswith("attention_") for name in tree)):
        attention = tree[f"attention_{i}"]
        query, key, value = (array(attention[n]["kernel"]) for n in ("query", "key", "value"))
        blocks.append(
            Block(
                query=query,
                key=key,
                value=value,
                merge=linear(attention["out"]),
                attention_norm=norm(tree[f"norm_attention_{i}"]),
                hidden=linear(tree[f"expand_{i}"]),
                shrink=linear(tree[f"contract_{i}"]),
                hidden_norm=norm(tree[f"norm_feed_forward_{i}"]),
            )
        )
    return blocks, linear(tree["head"])
