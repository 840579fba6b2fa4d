"""NAS-Bench-Macro's networks as layers: totals against the published ones, a net worked by hand."""

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.data.tables import load_table
from nasjax.spaces import parsed
from nasjax.spaces.nas_bench_macro import NasBenchMacro

SPACE = NasBenchMacro()


def test_multiply_adds_and_parameters_of_all_networks_are_the_published_ones():
    table = load_table("nas_bench_macro", "cifar10")
    architectures = jnp.asarray(table.ops.astype(np.int32)[..., None] + 1)
    found = jax.jit(jax.vmap(SPACE.features))(architectures)
    sums = dict(zip(SPACE.feature_names, np.asarray(found).T, strict=True))
    np.testing.assert_array_equal(sums["params"], table.params)
    # Sums of float32 above 2^24 may round to a neighbour.
    np.testing.assert_allclose(sums["macs"], table.macs, rtol=1e-6)
    # Stem, head and, where a block that changes the shape is left out, a convolution.
    left_out = table.ops == 0
    np.testing.assert_array_equal(sums["conv_count"], 2 + left_out[:, [0, 2, 5]].sum(1))
    np.testing.assert_array_equal(sums["skip_count"], left_out[:, [1, 3, 4, 6, 7]].sum(1))
    np.testing.assert_array_equal(sums["inverted_residual_count"], (~left_out).sum(1))


def test_a_network_worked_by_hand():
    # A prefix: what follows is left out.
    layers = SPACE.parse_network(jnp.asarray([[2], [3], *[[0]] * 6], jnp.int32))
    rows = [dict(zip(layers._fields, row, strict=True)) for row in zip(*layers, strict=True)]
    assert len(rows) == 11
    kinds = [parsed.KINDS[int(row["kind"])] for row in rows]
    blocks = ["inverted_residual"] * 2 + ["conv", "skip", "skip"] * 2
    assert kinds == ["conv", *blocks, "conv", "linear"]
    first, second, halving = rows[1], rows[2], rows[3]
    # 32x32x32 to 16x16x64 by 96 channels: 32 * 96 weights on all pixels, 9 * 96 + 96 * 64 on a
    # quarter of them, three norms of two values a channel.
    assert first["macs"] == 3072 * 32**2 + (864 + 6144) * 16**2
    assert first["params"] == 3072 + 864 + 6144 + 2 * (96 + 96 + 64)
    assert (first["kernel"], first["stride"], first["padding"], first["expansion"]) == (3, 2, 1, 3)
    assert (first["channels"], first["height"], first["input_volume"]) == (64, 16, 32 * 32**2)
    assert not first["skip"] and second["skip"]
    assert second["params"] == 64 * 384 * 2 + 25 * 384 + 2 * (384 + 384 + 64)
    assert halving["macs"] == 64 * 128 * 8**2  # 1x1, stride 2
    assert halving["params"] == 64 * 128 + 2 * 128


def test_the_task_changes_the_image_and_the_classes():
    architecture = jnp.ones((8, 1), jnp.int32)
    small = parsed.aggregate(SPACE.parse_network(architecture))
    large = parsed.aggregate(SPACE.parse_network(architecture, image_size=64, num_classes=100))
    named = dict(zip(parsed.AGGREGATES, zip(small, large, strict=True), strict=True))
    assert named["params"][1] - named["params"][0] == 1281 * 90
    assert named["conv_macs"][1] == 4 * named["conv_macs"][0]
