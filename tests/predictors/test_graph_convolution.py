"""The graph net: whose output an operation reads, and the forward pass in plain NumPy."""

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.predictors.graph_convolution import (
    GraphConvolutionConfig,
    adjacency_matrix,
    make_graph_convolution,
    one_hot_nodes,
)

EDGES = ((0, 1), (0, 2), (1, 2))  # two operations from the input, one from between to the output


def test_an_operation_reads_what_ends_where_it_begins():
    # Operations 01, 02, 12, then input, output, global; rows read columns, each divided by its sum.
    wanted = [
        [1, 0, 0, 1, 0, 0],
        [0, 1, 0, 1, 0, 0],
        [1, 0, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 1, 1, 0, 1, 0],
        [1, 1, 1, 1, 1, 1],
    ]
    found = np.array(adjacency_matrix(EDGES))
    np.testing.assert_allclose(found, wanted / np.sum(wanted, 1, keepdims=True))


def test_every_node_is_of_one_kind():
    features = jnp.asarray([[0, 1, 1, 0, 0, 1, 7.5]])  # two operations each; more follows
    found = one_hot_nodes(features, 3, 2)[0]
    wanted = np.zeros((6, 5))
    wanted[range(6), [1, 0, 1, 2, 3, 4]] = 1
    np.testing.assert_array_equal(found, wanted)


def test_a_prediction_is_the_formula_and_sums_of_operations_are_learned():
    rng = np.random.default_rng(0)
    ops = rng.integers(0, 2, (200, 3))
    features = np.eye(2, dtype=np.float32)[ops].reshape(200, 6)
    values = 5 + ops @ [1.0, 2.0, 4.0]
    settings = GraphConvolutionConfig(layers=2, width=16, epochs=60, learning_rate=1e-2)
    net = make_graph_convolution(settings, EDGES, 2)
    params = net.fit(0, features, values)
    found = np.asarray(jax.jit(net.predict)(params, features).value)
    assert np.abs(found - values).max() < 0.5  # sums differ by 1 at least

    x, adjacency = (
        np.asarray(one_hot_nodes(jnp.asarray(features), 3, 2)),
        np.array(adjacency_matrix(EDGES)),
    )
    for name in ("layer_0", "layer_1"):
        layer = params["net"]["params"][name]
        x = np.maximum(adjacency @ (x @ layer["kernel"] + layer["bias"]), 0)
    head = params["net"]["params"]["head"]
    by_hand = x[:, -1] @ head["kernel"][:, 0] + head["bias"]
    np.testing.assert_allclose(found, by_hand * values.std() + values.mean(), rtol=1e-4)
