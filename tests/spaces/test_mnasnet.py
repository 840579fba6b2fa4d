"""MnasNet's networks as layers: totals against Accel-NASBench's, blocks worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.data.tables import load_networks
from nasjax.spaces import parsed
from nasjax.spaces.mnasnet import OPERATIONS, MnasNet

SPACE = MnasNet()


def architecture_of(*blocks):
    """A network of (expansion, kernel, layers, squeezes) of the first blocks."""
    names = [f"{a}{n}" for one in blocks for a, n in zip(("e", "k", "l", "se"), one, strict=True)]
    codes = [OPERATIONS.index(name) + 1 for name in names]
    return jnp.asarray([*codes, *[0] * (28 - len(codes))], jnp.int32)[:, None]


@pytest.fixture(scope="module")
def measured():
    networks = load_networks("accel_nasbench")
    assert networks.op_names == SPACE.operations
    layers = jax.jit(jax.vmap(SPACE.parse_network))(jnp.asarray(networks.architectures))
    return networks, parsed.Layers(*(np.asarray(column) for column in layers))


def test_parameters_of_all_measured_networks_are_the_published_ones(measured):
    networks, layers = measured
    assert np.asarray(jax.vmap(SPACE.is_valid)(jnp.asarray(networks.architectures))).all()
    params = (layers.repeats * layers.params).sum(1)
    np.testing.assert_array_equal(params, networks.columns["params"])


def test_multiply_adds_are_the_published_ones_less_what_thop_counts_beside(measured):
    networks, layers = measured
    squeezes = networks.architectures[:, 3::4, 0] == OPERATIONS.index("se1") + 1
    blocks = slice(1, 15)
    repeats, expansion, kept = (
        getattr(layers, name)[:, blocks].astype(float)
        for name in ("repeats", "expansion", "output_volume")
    )
    # What each row reads: 32 channels of 112x112, then what the row before it has written.
    read = np.concatenate([np.full((len(kept), 1), 32.0 * 112**2), kept[:, :-1]], 1)
    inputs = np.concatenate([[32], layers.channels[0, 1:14]])
    hidden = inputs * expansion
    wide = hidden * layers.height[:, blocks] ** 2
    normed = (expansion > 1) * expansion * read + wide + kept
    pooled = np.repeat(squeezes, 2, axis=1) * (wide + hidden)  # their means: a sum and a division
    beside = 4 * (repeats * normed).sum(1) + (repeats * pooled).sum(1)
    beside += 4 * (32 * 112**2 + 1280 * 7**2) + 1280 * (7**2 + 1)
    macs = (repeats * layers.macs[:, blocks]).sum(1) + layers.macs[:, [0, 15, 16]].sum(1)
    published = networks.columns["published_macs"]
    np.testing.assert_allclose(macs + beside, published, rtol=1e-7)
    assert (published / macs).min() > 1.03 and (published / macs).max() < 1.17


def test_blocks_worked_by_hand():
    layers = SPACE.parse_network(architecture_of((1, 5, 3, 0), (4, 3, 1, 1)))
    rows = [dict(zip(layers._fields, row, strict=True)) for row in zip(*layers, strict=True)]
    assert len(rows) == 17
    first, others, second, none = rows[1:5]
    # 112x112x32 to 112x112x16 without a first 1x1 convolution, then two layers of 16 to 16.
    assert first["macs"] == (25 * 32 + 32 * 16) * 112**2
    assert first["params"] == 25 * 32 + 32 * 16 + 2 * (32 + 16)
    assert (others["repeats"], others["params"]) == (2, 25 * 16 + 16 * 16 + 2 * (16 + 16))
    assert not first["skip"] and others["skip"]
    # To 56x56x24 by 64 channels, weighted through 4.
    weights = 16 * 64, 9 * 64, 64 * 24
    assert second["macs"] == weights[0] * 112**2 + sum(weights[1:]) * 56**2 + 2 * 64 * 4
    assert second["params"] == sum(weights) + 2 * (64 + 64 + 24) + 2 * 64 * 4 + 64 + 4
    assert none["repeats"] == 0
    assert (rows[14]["height"], rows[14]["channels"], rows[15]["channels"]) == (7, 320, 1280)


def test_features_name_each_blocks_choices_and_count_its_layers():
    architecture = architecture_of(*[(6, 3, 2, 0)] * 5, (4, 5, 4, 1), (1, 3, 1, 0))
    found = jax.jit(SPACE.features)(architecture)
    found = dict(zip(SPACE.feature_names, np.asarray(found), strict=True))
    assert len(found) == 7 * (3 + 2 + 3 + 2) + 1 + len(parsed.AGGREGATES)
    on = {name for name in found if name.startswith("block5 ") and found[name]}
    assert on == {
        *("block5 expansion=e4", "block5 kernel=k5"),
        *("block5 layers=l4", "block5 squeeze=se1"),
    }
    assert "block4 layers=l4" not in found
    assert found["inverted_residual_count"] == 5 * 2 + 4 + 1
    assert found["none_count"] == 0


def test_the_space_is_searched_within_what_the_benchmark_allows():
    assert SPACE.size == 36**6 * 48
    sample, more = jax.random.key(0), jax.random.key(1)
    valid, draw, mutate = (
        jax.jit(jax.vmap(method)) for method in (SPACE.is_valid, SPACE.sample, SPACE.mutate)
    )
    drawn = draw(jax.random.split(sample, 500))
    assert np.asarray(valid(drawn)).all()
    texts = {SPACE.operations[code - 1] for code in np.unique(drawn)}
    assert texts == set(OPERATIONS)
    mutated = mutate(jax.random.split(more, 500), drawn)
    assert np.asarray(valid(mutated)).all()
    assert (np.asarray(mutated != drawn).sum((1, 2)) == 1).all()
    near = SPACE.neighbours(drawn[0])
    assert near.shape == (6 * (2 + 1 + 2 + 1) + (2 + 1 + 3 + 1), 28, 1)
    assert np.asarray(valid(near)).all()
