"""Chains as layers: against the table of the same chain in Python's integers, and by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.spaces import parsed
from nasjax.spaces.layer_chain import LayerChain
from tests.oracles.chain_rows import rows

SMALL = LayerChain((28, 28, 1), 10)
# Here volumes and products exceed 2^31.
LARGE = LayerChain((400, 250, 3), 1000)


@pytest.fixture(scope="module")
def chains():
    """Chains that fit a small image fit a large one."""
    return jax.vmap(SMALL.sample)(jax.random.split(jax.random.key(0), 300))


@pytest.mark.long
@pytest.mark.parametrize("space", [SMALL, LARGE], ids=["small", "large"])
def test_random_chains_cost_what_their_table_says(space, chains):
    found = jax.jit(jax.vmap(space.parse_network))(chains)
    assert found.macs.shape == (300, 7)
    for number, chain in enumerate(np.asarray(chains)):
        layers = parsed.Layers(*(np.asarray(column[number]) for column in found))
        there = layers.repeats == 1
        np.testing.assert_array_equal(there[:-1], chain[:, 0] > 0)
        table = space.layer_table(chain)
        shapes = [np.prod(row.output_shape) for row in table]
        np.testing.assert_allclose(layers.output_volume[there], shapes, rtol=1e-7)
        sides = [(*row.output_shape, 1, 1)[:2] for row in table if len(row.output_shape) == 3]
        spatial = np.isin(layers.kind, [parsed.CONV, parsed.POOL])
        np.testing.assert_array_equal(np.stack([layers.height, layers.width], 1)[spatial], sides)
        # float32: exact below 2^24, 6e-8 for each rounding above.
        np.testing.assert_allclose(layers.macs[there] * 2, [r.flops for r in table], rtol=2e-7)
        np.testing.assert_allclose(layers.params[there], [r.params for r in table], rtol=2e-7)


def test_features_of_a_chain_worked_by_hand():
    # 28x28x1, 13 filters k5 s2: 12x12x13; pool k4 s3 p1: 4x4x13; 20 gelu without bias; 10.
    chain = rows(("conv", 13, 5, 2), ("pool", 4, 3, 1), ("fc", 20, False, "gelu"))
    values = np.asarray(SMALL.features(jnp.asarray(chain)))
    found = dict(zip(SMALL.feature_names, values, strict=True))
    on = {name for name in found if "=" in name and found[name]}
    assert on == {"0=conv", "1=pool", "2=fc", "2=gelu"}
    assert [found[f"0_{n}"] for n in ("channels", "kernel", "stride", "padding")] == [13, 5, 2, 0]
    assert [found[f"1_{n}"] for n in ("channels", "kernel", "stride", "padding")] == [13, 4, 3, 1]
    assert [found[f"{i}_height"] for i in range(4)] == [12, 4, 1, 0]
    assert [found[f"{i}_macs"] for i in range(3)] == [25 * 13 * 144, 0, 208 * 20]
    assert [found[f"{i}_params"] for i in range(3)] == [25 * 13 + 13, 0, 208 * 20]
    assert found["params"] == 26 * 13 + 208 * 20 + 21 * 10
    counts = [found[f"{kind}_count"] for kind in ("conv", "pool", "linear", "none")]
    assert counts == [1, 1, 2, 0]
    assert found["largest_volume"] == 784 + 12 * 12 * 13


def test_rows_without_a_layer_have_no_volume():
    # 26x26x16 is written once and read once; that it stays until the end is no layer's work.
    values = SMALL.features(jnp.asarray(rows(("conv", 16, 3, 1))))
    found = dict(zip(SMALL.feature_names, np.asarray(values), strict=True))
    assert found["largest_volume"] == 28 * 28 + 26 * 26 * 16
    assert found["output_volume"] == 26 * 26 * 16 + 10
