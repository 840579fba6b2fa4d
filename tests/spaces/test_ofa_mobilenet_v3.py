"""Once-for-all's networks as layers: a published one, depth, HELP's encoding."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.data.tables import load_networks
from nasjax.spaces import ofa_mobilenet_v3, parsed
from nasjax.spaces.ofa_mobilenet_v3 import OPERATIONS, OfaMobileNetV3

SPACE = OfaMobileNetV3()
# Of each stage (kernel, expansion) a layer: the authors' specialized network
# flops@595M_top1@80.0_finetune@75, which has 595 million multiply-adds for 236x236 and 9.1 million
# parameters.
SPECIALIZED = (
    ((3, 3), (5, 4), (3, 3)),
    ((5, 4), (5, 4), (3, 6), (5, 3)),
    ((7, 6), (5, 6), (3, 3), (5, 4)),
    ((3, 6), (5, 6), (7, 6), (3, 4)),
    ((3, 6), (3, 6), (5, 6), (3, 3)),
)


def architecture_of(resolution, stages, unbuilt=(3, 3)):
    names = [f"r{resolution}"]
    for layers in stages:
        names.append(f"d{len(layers)}")
        for kernel, expansion in (*layers, *[unbuilt] * (4 - len(layers))):
            names += [f"k{kernel}", f"e{expansion}"]
    return jnp.asarray([[OPERATIONS.index(name) + 1] for name in names], jnp.int32)


def totals(architecture):
    layers = SPACE.parse_network(architecture)
    return dict(zip(parsed.AGGREGATES, np.asarray(parsed.aggregate(layers)), strict=True))


@pytest.mark.long
def test_a_specialized_network_has_the_published_size(monkeypatch):
    monkeypatch.setattr(ofa_mobilenet_v3, "_RESOLUTIONS", (236,) * 25)
    found = totals(architecture_of(128, SPECIALIZED))
    assert round(found["macs"] / 1e6) == 595
    assert round(found["params"] / 1e6, 1) == 9.1


def test_a_layer_with_squeezing_worked_by_hand():
    layers = SPACE.parse_network(architecture_of(224, SPECIALIZED))
    rows = [dict(zip(layers._fields, row, strict=True)) for row in zip(*layers, strict=True)]
    assert len(rows) == 25
    # Stage 3, layer 1: 14x14x136 by 816 channels, kernel 5; 816 / 4 = 204 is 208 in eights.
    row = rows[2 + 4 * 3 + 1]
    weights = 136 * 816, 25 * 816, 816 * 136
    assert row["macs"] == sum(weights) * 14**2 + 2 * 816 * 208
    assert row["params"] == sum(weights) + 2 * (816 + 816 + 136) + 2 * 816 * 208 + 816 + 208
    assert row["skip"] and row["repeats"] == 1
    assert [int(row["repeats"]) for row in rows[2:6]] == [1, 1, 1, 0]
    assert (rows[1]["macs"], rows[1]["height"]) == ((9 * 24 + 24 * 24) * 112**2, 112)
    assert (rows[22]["height"], rows[23]["params"]) == (7, 1152 * 1536)


def test_what_is_not_built_changes_nothing():
    one = architecture_of(160, SPECIALIZED, unbuilt=(3, 3))
    other = architecture_of(160, SPECIALIZED, unbuilt=(7, 6))
    assert totals(one) == totals(other)
    found = dict(zip(SPACE.feature_names, np.asarray(SPACE.features(one)), strict=True))
    assert [found[f"stage0_{i}_live"] for i in range(4)] == [1, 1, 1, 0]
    assert found["stage1=d4"] and found["stage1_2=e6"] and found["image=r160"]
    assert found["inverted_residual_count"] == 1 + 19


def test_measured_networks_are_of_this_space():
    networks = load_networks("help_ofa")
    assert networks.op_names == SPACE.operations
    architectures = jnp.asarray(networks.architectures[:100])
    assert np.asarray(jax.vmap(SPACE.is_valid)(architectures)).all()
    macs = jax.jit(jax.vmap(lambda a: parsed.aggregate(SPACE.parse_network(a))[0]))(architectures)
    latency = networks.columns["titan_rtx_64_ms"][:100]
    # 0.997 of all by ranks; here the correlation itself.
    assert np.corrcoef(np.asarray(macs), latency)[0, 1] > 0.98
