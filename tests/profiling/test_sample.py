"""What is profiled: the sample, its layers, and that programs compute what features describe."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.errors import UserError
from nasjax.profiling import programs, rounds, sample
from nasjax.profiling.config import ProfileConfig
from nasjax.profiling.programs import LATENCY, LAYER_LATENCY
from nasjax.spaces import parsed
from nasjax.spaces.layer_chain import LayerChain
from nasjax.spaces.nas_bench_macro import NasBenchMacro


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


@pytest.fixture(scope="module", params=sample.profiled_spaces())
def drawn(request):
    return sample.draw(config(space=request.param))


def test_one_is_taken_of_each_equal_part_in_the_order_of_size():
    sizes = [70, 10, 60, 20, 50, 30, 40, 80]
    for seed in range(5):
        chosen = [sizes[i] for i in sample.spread(jax.random.key(seed), sizes, 4)]
        assert [size in part for size, part in zip(chosen, PARTS, strict=True)] == [True] * 4
    every = sample.spread(jax.random.key(0), sizes, 8)
    assert [sizes[i] for i in every] == sorted(sizes)


PARTS = ((10, 20), (30, 40), (50, 60), (70, 80))


@pytest.mark.long
def test_a_seed_gives_one_sample_and_another_another():
    names = [[one.name for one in sample.draw(config(seed=seed))] for seed in (0, 0, 1)]
    assert names[0] == names[1] != names[2]


@pytest.mark.long
def test_networks_come_first_and_names_differ(drawn):
    targets = [one.target for one in drawn]
    assert targets == [LATENCY] * 6 + [LAYER_LATENCY] * (len(drawn) - 6)
    assert len({one.name for one in drawn}) == len(drawn) > 12


def test_a_layer_gives_as_many_values_and_has_as_many_parameters_as_its_features_say(drawn):
    for one in (one for one in drawn if one.target == LAYER_LATENCY):
        output = jax.eval_shape(one.forward.apply, *shapes(one))
        assert output.shape[0] == 2
        assert math.prod(output.shape[1:]) == one.features["output_volume"], one.name
        assert (
            sum(one.features[f"{parsed.KINDS[kind]}_count"] for kind in programs.LAYER_KINDS) == 1
        )


def test_networks_give_a_logit_a_class(drawn):
    for one in (one for one in drawn if one.target == LATENCY):
        assert jax.eval_shape(one.forward.apply, *shapes(one)).shape == (2, 10)


def shapes(program):
    every = *program.forward.param_shapes(), (2, *program.forward.input_shape)
    *params, inputs = (jax.ShapeDtypeStruct(shape, jnp.float32) for shape in every)
    return params, inputs


def test_every_different_layer_of_the_cells_is_there_once():
    names = {one.name: one for one in sample.draw(config()) if one.target == LAYER_LATENCY}
    # 1x1, 3x3 and pool in three stages; stem; 3x3 of stride 2 and 1x1, twice; linear.
    assert len(names) == 9 + 1 + 4 + 1
    conv = names["conv 16>32 k3 s2 on 16x16"]
    assert conv.forward.input_shape == (16, 16, 16)
    assert conv.features["macs"] == 9 * 16 * 32 * 8**2  # to half the side
    assert conv.features["params"] == 9 * 16 * 32 + 2 * 32
    assert math.isnan(conv.features.get("01_live", math.nan))


def test_of_many_layers_so_many_are_taken():
    found = sample.draw(config(layers=3))
    assert [one.target for one in found].count(LAYER_LATENCY) == 3


def test_a_chains_layers_are_those_that_were_asked_for():
    space = LayerChain((16, 16, 3), 10)
    layers = [
        {"kind": "conv", "filters": 8, "kernel": 3, "stride": 1},
        {"kind": "pool", "kernel": 2, "stride": 2, "padding": 0},
        {"kind": "pool", "kernel": 3, "stride": 3, "padding": 1},
        {"kind": "fc", "neurons": 16, "bias": False, "activation": "relu"},
    ]
    architecture = space.from_layers(layers)
    found = programs.make_layers(sample.profiled_space("layer_chain"), space, architecture[None])
    macs = {one.name: one.features["macs"] for one in found}
    assert macs == {
        "conv 3>8 k3 s1 p0 on 16x16": 27 * 8 * 14**2,
        "pool 8 k2 s2 p0 on 14x14": 0,
        "pool 8 k3 s3 on 7x7": 0,
        "linear 72>16": 72 * 16,  # 3x3 pixels of 8 channels
        "linear 16>10": 160,
    }


def test_the_blocks_of_nas_bench_macro_are_layers_of_the_size_that_their_features_say():
    every = np.array([[1] * 8, [2] * 8, [3] * 8], np.int32)[..., None]
    found = programs.make_layers(sample.profiled_space("nas_bench_macro"), NasBenchMacro(), every)
    names = {one.name: one for one in found}
    # Stem, head's two, what stands for three blocks; both kinds of blocks in six shapes.
    assert len(names) == 3 + 3 + 2 * 6
    block = names["inverted_residual 32>64 k5 s2 e6 on 32x32"]
    assert block.forward.input_shape == (32, 32, 32)
    assert block.features["macs"] == 32 * 192 * 32**2 + (25 * 192 + 192 * 64) * 16**2
    assert "conv 128>256 k1 s2 on 8x8" in names and "conv 3>32 k3 s1 on 32x32" in names
    for one in found:
        param_shapes = one.forward.param_shapes()
        count = sum(math.prod(shape) for shape in param_shapes)
        if "linear" not in one.name:  # of a folded norm's scale and shift one vector is left
            count += sum(shape[0] for shape in param_shapes if len(shape) == 1)
        assert count == one.features["params"], one.name


def test_no_more_programs_are_made_than_memory_can_map():
    with pytest.raises(UserError, match="--networks=301; it must be at most 300 of nas_bench_mac"):
        sample.draw(config(space="nas_bench_macro", networks=301))


def test_arrays_are_shared_between_programs_but_not_within_one():
    arrays = rounds.SharedArrays(config())
    first, second, _ = arrays.make([(3, 4), (3, 4), (4,)])
    (again,) = arrays.make([(3, 4)])
    assert first is again and first is not second
    (large,) = arrays.make([(400, 200)])
    assert np.std(large) == pytest.approx(400**-0.5, rel=0.05)


def test_images_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(UserError, match="--image_size=30; it must be a multiple of 4"):
        sample.draw(config(image_size=30))


def test_a_space_without_a_profile_is_refused_with_the_spaces_that_have_one():
    with pytest.raises(UserError, match="--space=mnasnet has no profile; .*: layer_chain, nas_b"):
        sample.draw(config(space="mnasnet"))
