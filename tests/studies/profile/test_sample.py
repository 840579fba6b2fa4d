"""What is profiled: the sample, its layers, and that programs compute what features describe."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.errors import UserError
from nasjax.spaces.layer_chain import LayerChain
from nasjax.studies.profile import chains, rounds, sample
from nasjax.studies.profile.config import ProfileConfig
from nasjax.studies.profile.programs import LATENCY, LAYER_LATENCY


def config(**changed):
    settings = {
        "device": "here",
        "space": "nas_bench_201",
        "image_size": 16,
        "classes": 10,
        "networks": 6,
        "layers": 100,
        "batch": 2,
        "precision": "float32",
        "threads": 2,
        "repeats": 1,
        "seed": 0,
    }
    return ProfileConfig(**settings | changed)


@pytest.fixture(scope="module", params=list(sample.SPACES))
def programs(request):
    return sample.programs(config(space=request.param))


def test_one_is_taken_of_each_equal_part_in_the_order_of_size():
    sizes = [70, 10, 60, 20, 50, 30, 40, 80]
    for seed in range(5):
        chosen = [sizes[i] for i in sample.spread(jax.random.key(seed), sizes, 4)]
        assert [size in part for size, part in zip(chosen, PARTS, strict=True)] == [True] * 4
    every = sample.spread(jax.random.key(0), sizes, 8)
    assert [sizes[i] for i in every] == sorted(sizes)


PARTS = ((10, 20), (30, 40), (50, 60), (70, 80))


def test_a_seed_gives_one_sample_and_another_another():
    names = [[one.name for one in sample.programs(config(seed=seed))] for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


def test_networks_come_first_and_names_differ(programs):
    targets = [one.target for one in programs]
    assert targets == [LATENCY] * 6 + [LAYER_LATENCY] * (len(programs) - 6)
    assert len({one.name for one in programs}) == len(programs) > 12


def test_a_layer_gives_as_many_values_and_has_as_many_parameters_as_its_features_say(programs):
    for one in (one for one in programs if one.target == LAYER_LATENCY):
        output = jax.eval_shape(one.function, *shapes(one))
        assert output.shape[0] == 2
        assert math.prod(output.shape[1:]) == one.features["output_volume"], one.name
        assert sum(one.features[f"{kind}_count"] for kind in ("conv", "pool", "linear")) == 1


def test_networks_give_a_logit_a_class(programs):
    for one in (one for one in programs if one.target == LATENCY):
        assert jax.eval_shape(one.function, *shapes(one)).shape == (2, 10)


def shapes(program):
    is_shape = {"is_leaf": lambda leaf: isinstance(leaf, tuple)}
    array = jax.ShapeDtypeStruct
    params = jax.tree.map(lambda s: array(s, jnp.float32), program.params, **is_shape)
    return params, array((2, *program.inputs), jnp.float32)


def test_every_different_layer_of_the_cells_is_there_once():
    names = {one.name: one for one in sample.programs(config()) if one.target == LAYER_LATENCY}
    # 1x1, 3x3 and pool in three stages; stem; 3x3 of stride 2 and 1x1, twice; linear.
    assert len(names) == 9 + 1 + 4 + 1
    conv = names["conv 16>32 k3 s2 on 16x16"]
    assert conv.inputs == (16, 16, 16)
    assert conv.features["macs"] == 9 * 16 * 32 * 8**2  # to half the side
    assert conv.features["params"] == 9 * 16 * 32 + 2 * 32
    assert math.isnan(conv.features.get("01_live", math.nan))


def test_of_many_layers_so_many_are_taken():
    found = sample.programs(config(layers=3))
    assert [one.target for one in found].count(LAYER_LATENCY) == 3


def test_a_chains_features_are_sums_over_its_layers():
    space = LayerChain((16, 16, 3), 10)
    layers = [
        {"kind": "conv", "filters": 8, "kernel": 3, "stride": 1},
        {"kind": "pool", "kernel": 2, "stride": 2, "padding": 0},
        {"kind": "fc", "neurons": 16, "bias": False, "activation": "relu"},
    ]
    architecture = space.from_layers(layers)
    assert space.is_valid(jnp.asarray(architecture))
    (program,) = chains.LAYER_CHAIN.networks(space, architecture[None], config())
    # 14x14x8 after the convolution, 7x7x8 after the pool, then 16 and 10.
    macs = [27 * 8 * 14**2, 0, 392 * 16, 160]
    assert program.features["macs"] == sum(macs)
    assert program.features["output_volume"] == 14**2 * 8 + 392 + 16 + 10
    assert program.features["params"] == 27 * 8 + 8 + 392 * 16 + 160 + 10
    assert program.features["linear_macs"] == 392 * 16 + 160
    assert program.features["largest_volume"] == 16**2 * 3 + 14**2 * 8  # the convolution
    assert program.features["none_count"] == 0
    names = [layer.name for layer in chains.LAYER_CHAIN.layers(space, architecture[None], config())]
    assert names == [
        "conv 3>8 k3 s1 p0 on 16x16",
        "max pool 8 k2 s2 p0 on 14x14",
        "linear 392>16",
        "linear 16>10",
    ]


def test_arrays_are_shared_between_programs_but_not_within_one():
    arrays = rounds.Arrays(config())
    first = arrays.of([{"w": (3, 4)}, {"w": (3, 4), "b": (4,)}])
    again = arrays.of({"w": (3, 4)})
    assert first[0]["w"] is again["w"] and first[0]["w"] is not first[1]["w"]
    assert np.std(arrays.of((400, 200))) == pytest.approx(400**-0.5, rel=0.05)


def test_images_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(UserError, match="--image_size=30; it must be a multiple of 4"):
        sample.programs(config(image_size=30))
