"""A graph convolutional net on cells, in the manner of BRP-NAS (Dudziak et al., 2020).

Nodes are the operations, the cell's input and output, and a global node. An arc leads from an
operation to those that read its output, and from all nodes to the global node. With A the matrix of
arcs and self-loops, its rows divided by their sums, and H_0 the kinds of the nodes, one-hot,

    H_k = relu(A H_k-1 W_k + b_k)        value = w . (H_K of the global node) + c

BRP-NAS has 4 layers of 600 units and predicts which of two cells is faster.
"""

import functools
from collections.abc import Sequence
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nasjax.config import PositiveFloat, PositiveInt, settings
from nasjax.predictors.fit_network import fit_network
from nasjax.predictors.predictor import Params, Prediction, Predictor


@settings("predictor")
class GraphConvolutionConfig:
    """Settings of the net."""

    layers: PositiveInt = 4  # graph convolutions
    width: PositiveInt = 64  # units of each
    epochs: PositiveInt = 400  # of Adam, the learning rate decayed by a cosine
    batch_size: PositiveInt = 32  # cells of a step
    learning_rate: PositiveFloat = 3e-3


class _Net(nn.Module):
    """The net: kinds of nodes [N, nodes, kinds] -> [N]."""

    layers: int
    width: int
    adjacency: tuple[tuple[float, ...], ...]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        adjacency = jnp.asarray(self.adjacency, jnp.float32)
        for i in range(self.layers):
            x = nn.relu(
                jnp.einsum("ij,njw->niw", adjacency, nn.Dense(self.width, name=f"layer_{i}")(x))
            )
        return nn.Dense(1, name="head")(x[:, -1])[:, 0]


def make_graph_convolution(
    config: GraphConvolutionConfig, edges: Sequence[tuple[int, int]], num_operations: int
) -> Predictor:
    """The predictor of a cell space.

    Args:
      edges: (source, target) each; state 0 is the cell's input, the last state its output.
      num_operations: operations of an edge; one-hot, those of all edges are the first features.
    """
    net = _Net(config.layers, config.width, adjacency_matrix(edges))

    def apply(params: Params, x: jax.Array) -> Any:
        return net.apply(params, x)

    descend = jax.jit(
        functools.partial(
            fit_network, apply, batch_size=config.batch_size, learning_rate=config.learning_rate
        )
    )

    def fit(seed: int, features: np.ndarray, values: np.ndarray) -> Params:
        mean, deviation = values.mean(), values.std() or 1.0
        init_key, order_key = jax.random.split(jax.random.key(seed))
        x = one_hot_nodes(jnp.asarray(features), len(edges), num_operations)
        params = net.init(init_key, x[:1])
        drawn = jax.random.uniform(order_key, (config.epochs, len(x)))
        y = jnp.asarray((values - mean) / deviation, jnp.float32)
        fitted = descend(params, drawn.argsort(axis=1), x, y)
        return {
            "net": jax.tree.map(np.asarray, fitted),
            "mean": np.float32(mean),
            "deviation": np.float32(deviation),
        }

    def predict(params: Params, features: jax.Array) -> Prediction:
        x = one_hot_nodes(features, len(edges), num_operations)
        value = apply(params["net"], x) * params["deviation"] + params["mean"]
        return Prediction(value, jnp.zeros(len(x)))

    return Predictor(fit, predict)


def adjacency_matrix(edges: Sequence[tuple[int, int]]) -> tuple[tuple[float, ...], ...]:
    """The matrix A: the edges' operations in order, input, output, global node; rows sum to 1."""
    count, last = len(edges), max(target for _, target in edges)
    entry, result, everything = count, count + 1, count + 2
    matrix = np.eye(count + 3)
    for i, (source, target) in enumerate(edges):
        if source == 0:
            matrix[i, entry] = 1
        if target == last:
            matrix[result, i] = 1
        for j, (other, _) in enumerate(edges):
            if other == target:
                matrix[j, i] = 1
    matrix[everything] = 1
    matrix /= matrix.sum(1, keepdims=True)
    return tuple(map(tuple, matrix.tolist()))


def one_hot_nodes(features: jax.Array, num_edges: int, num_operations: int) -> jax.Array:
    """The kinds of the nodes, one-hot: features [N, F] -> [N, edges + 3, operations + 3]."""
    chosen = features[:, : num_edges * num_operations].reshape(-1, num_edges, num_operations)
    chosen = jnp.pad(chosen, ((0, 0), (0, 3), (0, 3)))
    others = np.arange(3)
    return chosen.at[:, num_edges + others, num_operations + others].set(1)
