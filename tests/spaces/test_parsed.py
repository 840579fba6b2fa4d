"""Networks as layers: sums against the published tables, liveness against plain path search."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.data.tables import load_table
from nasjax.spaces import parsed
from nasjax.spaces.nas_bench_201 import EDGES, NasBench201, live_edges

SPACE = NasBench201()


@jax.jit
@jax.vmap
def aggregates(architecture):
    return parsed.aggregate(SPACE.parse_network(architecture))


def named(values):
    return dict(zip(parsed.AGGREGATES, np.asarray(values).T, strict=True))


@pytest.fixture(scope="module")
def all_cells():
    table = load_table("nas_bench_201", "cifar10")
    architectures = jnp.asarray(table.ops.astype(np.int32)[..., None] + 1)
    return table, named(aggregates(architectures))


def test_multiply_adds_and_parameters_of_all_cells_are_the_published_ones(all_cells):
    table, sums = all_cells
    # Sums of float32 above 2^24 may round to a neighbour.
    np.testing.assert_allclose(sums["params"], table.params, atol=0)
    np.testing.assert_allclose(sums["macs"], table.macs, rtol=1e-6)


def test_layers_are_counted_by_kind(all_cells):
    table, sums = all_cells
    # 15 cells; 1 + 2 x 3 convolutions in stem and residual blocks.
    np.testing.assert_array_equal(sums["none_count"], 15 * (table.ops == 0).sum(1))
    np.testing.assert_array_equal(sums["conv_count"], 7 + 15 * np.isin(table.ops, [2, 3]).sum(1))
    assert (sums["linear_count"] == 1).all()
    assert (sums["live_conv_count"] <= sums["conv_count"]).all()


def test_an_edge_is_live_if_a_path_of_open_edges_leads_through_it():
    paths = [[0, 1, 2, 3], [0, 1, 3], [0, 2, 3], [0, 3]]
    edges_of = [[EDGES.index(step) for step in itertools.pairwise(path)] for path in paths]
    cells = np.array(list(itertools.product([0, 1], repeat=6)), np.int32)
    found = jax.vmap(live_edges)(jnp.asarray(cells))
    for cell, live in zip(cells, np.asarray(found), strict=True):
        wanted = {edge for path in edges_of if all(cell[path]) for edge in path}
        assert set(np.flatnonzero(live)) == wanted


def test_a_prefix_is_closed_by_skips():
    prefix = jnp.asarray([[4], [0], [0], [0], [0], [0]], jnp.int32)
    whole = jnp.asarray([[4], [2], [2], [2], [2], [2]], jnp.int32)
    closed, filled = aggregates(jnp.stack([prefix, whole]))
    np.testing.assert_array_equal(closed, filled)


def test_features_say_what_is_where_and_the_longest_live_path():
    # |3x3~0|+|none~0|1x1~1|+|skip~0|none~1|pool~2|: all live ones are 0>1, 1>2, 2>3 and 0>3.
    cell = jnp.asarray([[4], [1], [3], [2], [1], [5]], jnp.int32)
    found = dict(zip(SPACE.feature_names, np.asarray(SPACE.features(cell)), strict=True))
    on = {name for name in SPACE.feature_names[:36] if found[name]}
    chosen = {"01=nor_conv_3x3", "02=none", "12=nor_conv_1x1", "03=skip_connect", "13=none"}
    assert on == chosen | {"23=avg_pool_3x3", "01_live", "12_live", "03_live", "23_live"}
    assert found["longest_layers"] == 3  # 3x3, 1x1, pool
    assert found["longest_convs"] == 2
    assert found["longest_convs_3x3"] == 1
    assert found["live_none_count"] == 0
