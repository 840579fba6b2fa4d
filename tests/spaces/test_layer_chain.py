"""Chains of Table I: what fits, what it costs, how it is written down and drawn."""

import json
import re
from collections import Counter
from typing import Any

import jax
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nasjax.errors import UserError
from nasjax.spaces.layer_chain import LayerChain, LayerChainConfig
from tests.oracles import numpy_net
from tests.oracles.chain_rows import CONV32, FC64, POOL, row, rows
from tests.oracles.numpy_net import Layer

SPACE = LayerChain((28, 28, 1), 10)
OBLONG = LayerChain((20, 11, 3), 7)
VALID = {space: jax.jit(space.is_valid) for space in (SPACE, OBLONG)}
DRAWS = 3000
SAMPLE = jax.jit(lambda key: jax.vmap(SPACE.sample)(jax.random.split(key, DRAWS)))


def valid(*layers: Layer) -> bool:
    return bool(VALID[SPACE](rows(*layers)))


# Validity.


def random_chains(shares: tuple[float, float], count: int) -> list[list[Layer]]:
    """Chains of 0 to 6 layers of Table I without regard to what fits.

    shares: how many open with a conv; how many layers after an fc are fcs.
    """
    rng = np.random.default_rng(2)
    chains = []
    for _ in range(count):
        chain: list[Layer] = []
        for _ in range(rng.integers(7)):
            kind = ("conv", "fc", "pool")[rng.integers(3)]
            if not chain and rng.random() < shares[0]:
                kind = "conv"
            if chain and chain[-1][0] == "fc" and rng.random() < shares[1]:
                kind = "fc"
            chain.append(numpy_net._random_layer(rng, kind))
        chains.append(chain)
    return chains


def fits(chain: list[Layer], shape: tuple[int, int, int]) -> bool:
    try:
        numpy_net.output_shapes(chain, shape)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("space", [SPACE, OBLONG], ids=["square", "oblong"])
def test_validity_agrees_with_the_reference_on_mostly_invalid_chains(space: LayerChain) -> None:
    chains = random_chains((0.9, 0.5), 500)
    expected = [fits(chain, space.input_shape) for chain in chains]
    assert 50 < sum(expected) < 250
    assert [bool(VALID[space](rows(*chain))) for chain in chains] == expected


def test_every_prefix_of_a_valid_chain_is_valid() -> None:
    longest = [chain for chain in random_chains((1, 1), 600) if len(chain) > 2 and valid(*chain)]
    assert len(longest) > 50
    for chain in longest:
        assert all(valid(*chain[:end]) for end in range(1, len(chain)))


def test_an_empty_chain_and_zeros_before_a_layer_are_invalid() -> None:
    assert not valid()
    assert valid(CONV32)
    for hole in (
        [[0] * 4, row(CONV32)],
        [row(CONV32), [0] * 4, row(CONV32)],
        [row(CONV32), [0] * 4, row(POOL)],
        [row(CONV32), [0] * 4, [0] * 4, row(FC64)],
        [row(CONV32), row(FC64), [0] * 4, [0] * 4, [0] * 4, row(FC64)],
    ):
        assert not VALID[SPACE](np.array(hole + [[0] * 4] * (6 - len(hole)), np.int32)), hole


def test_padding_beyond_half_the_kernel_is_invalid() -> None:
    for kernel in range(2, 9):
        for padding in range(4):
            assert valid(CONV32, ("pool", kernel, 1, padding)) == (2 * padding <= kernel)


def test_a_kernel_may_be_as_large_as_its_padded_input_and_no_larger() -> None:
    # 28 -> (28 - 7) // 3 + 1 = 8 -> 8 - 5 + 1 = 4
    to_four = [("conv", 8, 7, 3), ("conv", 8, 5, 1)]
    assert valid(*to_four, ("pool", 4, 1, 0)) and not valid(*to_four, ("pool", 5, 1, 0))
    assert valid(*to_four, ("pool", 6, 1, 1)) and not valid(*to_four, ("pool", 7, 1, 1))
    assert valid(*to_four, ("pool", 8, 1, 2))
    assert valid(*to_four, ("conv", 8, 3, 1)) and not valid(*to_four, ("conv", 8, 5, 1))


# Parameters, FLOPs (two per multiply-accumulate), bytes of float32 activations.


def test_one_conv_is_counted_as_by_hand() -> None:
    # 28 - 3 + 1 = 26: a map of 26 x 26 x 8 = 5,408
    # parameters: conv 3*3*1*8 + 8 = 80; linear 5,408*10 + 10 = 54,090
    # MACs: conv 26*26 * 72 = 48,672; linear 54,080
    # bytes: 4 * 5,408 = 21,632; 4 * 10
    table = SPACE.layer_table(rows(("conv", 8, 3, 1)))
    assert table == [
        ("conv 8 k3 s1", (26, 26, 8), 80, 97_344, 21_632),
        ("linear", (10,), 54_090, 108_160, 40),
    ]
    assert sum(r.params for r in table) == 54_170
    assert sum(r.flops for r in table) == 205_504


def test_a_lenet_is_counted_as_by_hand() -> None:
    chain = rows(("conv", 16, 5, 1), POOL, ("conv", 32, 5, 1), POOL, ("fc", 120, True, "relu"))
    table = SPACE.layer_table(chain)
    # 28 -> 24 -> (24 - 2) // 2 + 1 = 12 -> 8 -> 4; the last map is 4 x 4 x 32 = 512 wide
    shapes = [(24, 24, 16), (12, 12, 16), (8, 8, 32), (4, 4, 32), (120,), (10,)]
    assert [r.output_shape for r in table] == shapes
    # 5*5*1*16 + 16; -; 5*5*16*32 + 32; -; 512*120 + 120; 120*10 + 10: in all 76,018
    assert [r.params for r in table] == [416, 0, 12_832, 0, 61_560, 1_210]
    assert sum(r.params for r in table) == 76_018
    # twice 24*24 * 400; -; 8*8 * 12,800; -; 512*120; 1,200: in all 2,224,480
    assert [r.flops for r in table] == [460_800, 0, 1_638_400, 0, 122_880, 2_400]
    assert sum(r.flops for r in table) == 2_224_480
    # four times 9,216; 2,304; 2,048; 512; 120; 10
    assert [r.activation_bytes for r in table] == [36_864, 9_216, 8_192, 2_048, 480, 40]


def test_colour_padding_and_no_bias_are_counted_as_by_hand() -> None:
    chain = rows(
        ("conv", 24, 7, 3), ("pool", 4, 3, 2), ("fc", 64, False, "gelu"), ("fc", 16, True, "none")
    )
    table = LayerChain((32, 32, 3), 10).layer_table(chain)
    # 32 -> (32 - 7) // 3 + 1 = 9 -> (9 + 4 - 4) // 3 + 1 = 4; 4 x 4 x 24 = 384 wide
    assert [r.output_shape for r in table] == [(9, 9, 24), (4, 4, 24), (64,), (16,), (10,)]
    # 7*7*3*24 + 24 = 3,528 + 24; -; 384*64; 64*16 + 16; 16*10 + 10: in all 29,338
    assert [r.params for r in table] == [3_552, 0, 24_576, 1_040, 170]
    assert sum(r.params for r in table) == 29_338
    # twice 9*9 * 3,528 = 285,768; -; 24,576; 1,024; 160: in all 623,056
    assert [r.flops for r in table] == [571_536, 0, 49_152, 2_048, 320]
    assert sum(r.flops for r in table) == 623_056
    # four times 1,944; 384; 64; 16; 10
    assert [r.activation_bytes for r in table] == [7_776, 1_536, 256, 64, 40]


@pytest.mark.parametrize("space", [SPACE, OBLONG], ids=["square", "oblong"])
def test_counts_agree_with_the_reference_on_random_valid_chains(space: LayerChain) -> None:
    rng = np.random.default_rng(3)
    for i in range(120):
        chain = numpy_net.random_layers(rng, space.input_shape, 1 + i % 6)
        table = space.layer_table(rows(*chain))
        shapes = numpy_net.output_shapes(chain, space.input_shape)
        assert [r.output_shape for r in table] == [*shapes, (space.num_classes,)]
        counted = (sum(r.params for r in table), sum(r.flops for r in table))
        assert counted == numpy_net.count(chain, space.input_shape, space.num_classes)
        assert [r.activation_bytes for r in table] == [4 * np.prod(r.output_shape) for r in table]


# Text and JSON.


def test_text_and_plain_data_say_what_a_layer_is() -> None:
    chain = rows(("conv", 16, 3, 1), POOL, ("fc", 64, True, "relu"), ("fc", 24, False, "none"))
    assert SPACE.to_text(chain) == "conv 16 k3 s1 > pool k2 s2 p0 > fc 64 relu > fc 24 none nobias"
    assert SPACE.to_layers(chain) == [
        {"kind": "conv", "filters": 16, "kernel": 3, "stride": 1},
        {"kind": "pool", "kernel": 2, "stride": 2, "padding": 0},
        {"kind": "fc", "neurons": 64, "bias": True, "activation": "relu"},
        {"kind": "fc", "neurons": 24, "bias": False, "activation": "none"},
    ]
    assert SPACE.to_text(rows()) == "" and SPACE.to_layers(rows()) == []


def read_text(text: str) -> np.ndarray:
    """The chain that a line of `to_text` describes."""
    chain: list[Layer] = []
    for words in filter(None, text.split(" > ")):
        numbers = map(int, re.findall(r"\d+", words))
        if words.startswith("fc"):
            _, _, activation, *nobias = words.split(" ")
            chain.append(("fc", next(numbers), not nobias, activation))
        else:
            chain.append((words.split(" ")[0], *numbers))
    return rows(*chain)


def test_text_and_json_lose_nothing() -> None:
    for chain in (rows(*layers) for layers in random_chains((0.9, 0.8), 200)):
        assert_array_equal(read_text(SPACE.to_text(chain)), chain)
        back = SPACE.from_layers(json.loads(json.dumps(SPACE.to_layers(chain))))
        assert_array_equal(back, chain)
        assert back.dtype == np.int32


def test_more_layers_than_the_space_has_are_refused() -> None:
    conv = SPACE.to_layers(rows(CONV32))
    assert SPACE.from_layers(conv * 6).shape == (6, 4)
    with pytest.raises(UserError, match="layers=7; it must be at most 6"):
        SPACE.from_layers(conv * 7)


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"kind": "dense"}, "dense"), ({"activation": "swish"}, "swish"), ({"kind": "none"}, "none")],
)
def test_a_misspelt_layer_is_refused_with_its_value(changed: dict[str, str], named: str) -> None:
    fc = {"kind": "fc", "neurons": 64, "bias": True, "activation": "relu"}
    with pytest.raises(UserError, match=named):
        SPACE.from_layers([*SPACE.to_layers(rows(CONV32)), fc | changed])


def test_a_layer_without_one_of_its_fields_is_refused_with_its_name() -> None:
    with pytest.raises(UserError, match="stride"):
        SPACE.from_layers([{"kind": "conv", "filters": 8, "kernel": 3}])


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"stride": 0}, "layers.0..stride=0; it must be a whole number from 1"),
        ({"filters": -1}, "layers.0..filters=-1"),
        ({"filters": 8.5}, "layers.0..filters=8.5"),
        ({"filters": "8"}, "layers.0..filters='8'"),
        ({"kernel": True}, "layers.0..kernel=True"),
        ({"filters": 2**31}, "layers.0..filters=2147483648"),
        ({"colour": 3}, "layers.0..colour=3; it must be absent: a conv has"),
    ],
)
def test_a_layers_numbers_are_whole_and_above_zero(changed: dict[str, Any], named: str) -> None:
    conv = {"kind": "conv", "filters": 8, "kernel": 3, "stride": 1}
    with pytest.raises(UserError, match=named):
        SPACE.from_layers([conv | changed])


# Random chains.


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    """[DRAWS, 6, 4]"""
    return np.asarray(SAMPLE(jax.random.key(0)))


def test_random_chains_are_valid(drawn: np.ndarray) -> None:
    for architecture in drawn:
        layers = SPACE.to_layers(architecture)
        chain = [tuple(layer.values()) for layer in layers]
        assert fits(chain, SPACE.input_shape)
        assert not architecture[len(layers) :].any()


def test_lengths_of_random_chains_are_uniform(drawn: np.ndarray) -> None:
    observed = np.bincount((drawn[:, :, 0] > 0).sum(1), minlength=7)[1:]
    # chi-square of 5 degrees of freedom exceeds 35.89 once in a million seeds
    expected = DRAWS / 6
    assert ((observed - expected) ** 2 / expected).sum() < 35.89


def test_random_chains_have_every_value_of_table_1_and_no_other(drawn: np.ndarray) -> None:
    layers = drawn.reshape(-1, 4)
    table = {
        1: (range(8, 129, 8), (3, 5, 7), (1, 2, 3)),
        2: (range(16, 513, 8), (0, 1), range(7)),
        3: (range(2, 9), (1, 2, 3), (0, 1, 2, 3)),
    }
    for kind, columns in table.items():
        seen = layers[layers[:, 0] == kind]
        for column, values in enumerate(columns, 1):
            assert set(seen[:, column]) == set(values), (kind, column)


def test_a_random_chain_is_a_function_of_its_key(drawn: np.ndarray) -> None:
    assert_array_equal(SAMPLE(jax.random.key(0)), drawn)
    same = (np.asarray(SAMPLE(jax.random.key(1))) == drawn).all((1, 2))
    assert same.mean() < 0.01
    # a constant would be a function of its key, too
    assert Counter(map(bytes, drawn)).most_common(1)[0][1] < 0.01 * DRAWS


def test_a_random_chain_has_the_length_that_is_asked_for() -> None:
    short = LayerChain((28, 28, 1), 10, LayerChainConfig(max_layers=2))  # 2: compiles fast
    sample = jax.jit(short.sample)
    for length in (1, 2):
        for seed in range(10):
            chain = sample(jax.random.key(seed), length)
            assert len(short.to_layers(chain)) == length


@pytest.mark.parametrize("shape", [(2, 2, 1), (2, 28, 3), (28, 1, 1)])
def test_images_that_no_layer_fits_are_refused_in_pixels(shape):
    line = f"the images have {shape[0]} x {shape[1]} pixels; .* at least 3 x 3: give it larger"
    with pytest.raises(UserError, match=line):
        LayerChain(shape, 10)
