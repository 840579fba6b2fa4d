"""FBNet's networks as layers: the published FBNet-C, and a second count in plain Python."""

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.data.tables import load_networks
from nasjax.spaces import parsed
from nasjax.spaces.fbnet import OF_SMALL_IMAGES, OPERATIONS, FBNet

SPACE = FBNet()
# As released in facebookresearch/mobile-vision.
FBNET_C = (
    "k3_e1",
    *("k3_e6", "skip", "k3_e1", "k3_e1"),
    *("k5_e6", "k5_e3", "k5_e6", "k3_e6"),
    *("k5_e6", "k5_e3", "k5_e6", "k5_e6"),
    *("k5_e6", "k5_e6", "k5_e6", "k5_e3"),
    *("k5_e6", "k5_e6", "k5_e6", "k5_e6"),
    "k3_e6",
)


def architecture_of(names):
    return jnp.asarray([[OPERATIONS.index(name) + 1] for name in names], jnp.int32)


def named(space, architecture):
    values = np.asarray(jax.jit(space.features)(architecture))
    return dict(zip(space.feature_names, values, strict=True))


def counted(space, names):
    """Multiply-adds and parameters, block by block."""
    side = space.image_size // space.strides[0]
    macs, params, before = 27 * 16 * side**2, 27 * 16 + 2 * 16, 16
    left = list(names)
    stages = zip((16, 24, 32, 64, 112, 184, 352), (1, 4, 4, 4, 4, 4, 1), strict=True)
    for (channels, depth), stage_stride in zip(stages, space.strides[1:], strict=True):
        for i in range(depth):
            stride, name = stage_stride if i == 0 else 1, left.pop(0)
            after = side // stride
            if name == "skip":
                weights = before * channels if (stride, before) != (1, channels) else 0
                macs += weights * after**2
                params += weights + 2 * channels * (weights > 0)
            else:
                kernel, hidden = int(name[1]), before * int(name[4])
                groups = 2 if name.endswith("g2") else 1
                ends = before * hidden // groups, hidden * channels // groups
                macs += ends[0] * side**2 + (kernel**2 * hidden + ends[1]) * after**2
                params += sum(ends) + kernel**2 * hidden + 2 * (2 * hidden + channels)
            side, before = after, channels
    macs += 352 * space.head * side**2 + space.head * space.num_classes
    params += 354 * space.head + (space.head + 1) * space.num_classes
    return macs, params


def test_fbnet_c_has_the_published_size():
    found = named(SPACE, architecture_of(FBNET_C))
    # The paper: 375 million multiply-adds, 5.5 million parameters; 5,572,200 in osmr/imgclsmob.
    assert found["params"] == 5_572_200
    np.testing.assert_allclose(found["macs"], 375e6, rtol=0.03)
    assert counted(SPACE, FBNET_C)[1] == 5_572_200


def test_random_networks_cost_what_a_second_count_says():
    for seed, space in enumerate((SPACE, OF_SMALL_IMAGES)):
        architectures = jax.vmap(space.sample)(jax.random.split(jax.random.key(seed), 50))
        found = jax.jit(jax.vmap(space.parse_network))(architectures)
        assert found.macs.shape == (50, 25)
        names = [space.to_text(architecture).split(" > ") for architecture in architectures]
        macs, params = np.array([counted(space, net) for net in names]).T
        np.testing.assert_array_equal(np.asarray(found.params, float).sum(1), params)
        np.testing.assert_allclose(np.asarray(found.macs, float).sum(1), macs, rtol=1e-7)


def test_measured_networks_are_of_this_space():
    networks = load_networks("help_fbnet")
    assert networks.op_names == OPERATIONS
    assert networks.architectures.shape[1:] == (OF_SMALL_IMAGES.num_layers, 1)


def test_blocks_worked_by_hand():
    names = ["skip", "k5_e3", "skip", "k3_e1_g2", *["skip"] * 18]
    layers = OF_SMALL_IMAGES.parse_network(architecture_of(names))
    rows = [dict(zip(layers._fields, row, strict=True)) for row in zip(*layers, strict=True)]
    kinds = [parsed.KINDS[int(row["kind"])] for row in rows[:8]]
    assert kinds == [
        *("conv", "skip", "inverted_residual", "skip", "inverted_residual", "skip"),
        *("conv", "skip"),
    ]
    # 32x32x16 to 32x32x24 by 48 channels, then 24 in two groups, then a halving to 16x16x32.
    assert rows[2]["macs"] == (16 * 48 + 25 * 48 + 48 * 24) * 32**2
    assert rows[2]["params"] == 16 * 48 + 25 * 48 + 48 * 24 + 2 * (48 + 48 + 24)
    assert not rows[2]["skip"] and rows[4]["skip"]
    assert rows[4]["params"] == 24 * 12 * 2 + 9 * 24 + 2 * 3 * 24
    assert rows[6]["macs"] == 24 * 32 * 16**2
    assert rows[6]["params"] == 24 * 32 + 64
    assert (rows[6]["height"], rows[22]["height"], rows[22]["channels"]) == (16, 4, 352)


def test_a_prefix_is_closed_by_skips_and_features_name_each_block():
    prefix = architecture_of(FBNET_C[:3])
    closed = jnp.concatenate([prefix, jnp.zeros((19, 1), jnp.int32)])
    found = named(SPACE, closed)
    wanted = {f"{i}={name}" for i, name in enumerate((*FBNET_C[:3], *["skip"] * 19))}
    assert {name for name in found if "=" in name and found[name]} == wanted
    assert len(found) == 22 * 9 + len(parsed.AGGREGATES)
