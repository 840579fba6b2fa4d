"""Slot spaces: index, neighbours, mutation, closing, names."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.predictors.features import features_of
from nasjax.spaces.mnasnet import MnasNet
from nasjax.spaces.nas_bench_201 import NasBench201
from nasjax.spaces.nas_bench_macro import NasBenchMacro
from nasjax.spaces.slots import SlotSpace

SMALL = SlotSpace(("a", "b", "c"), num_layers=3, filler=1)


@pytest.mark.parametrize("space", [SMALL, NasBench201(), NasBenchMacro()])
def test_the_index_counts_all_architectures_in_lexical_order(space):
    digits = list(itertools.product(range(len(space.operations)), repeat=space.num_layers))
    architectures = np.array(digits, np.int32)[..., None] + 1
    assert space.size == len(digits)
    np.testing.assert_array_equal(
        jax.jit(jax.vmap(space.index))(jnp.asarray(architectures)), np.arange(space.size)
    )
    np.testing.assert_array_equal(space.from_index(np.arange(space.size)), architectures)


@pytest.mark.parametrize("space", [NasBench201(), NasBenchMacro(), MnasNet()])
def test_features_tell_the_architecture(space):
    keys = jax.random.split(jax.random.key(0), 30)
    drawn = jax.vmap(space.sample)(keys)
    np.testing.assert_array_equal(space.from_features(features_of(space, drawn)), drawn)


def test_slots_not_filled_yet_count_as_the_filler():
    # c, then nothing: c b b = 2 * 9 + 1 * 3 + 1 = 22.
    assert int(SMALL.index(jnp.array([[3], [0], [0]]))) == 22


def test_neighbours_are_all_that_differ_in_one_slot():
    here = (2, 0, 1)
    found = np.asarray(SMALL.neighbours(jnp.array(here)[:, None] + 1))
    assert found.shape == (6, 3, 1)
    expected = {
        other
        for other in itertools.product(range(3), repeat=3)
        if sum(a != b for a, b in zip(here, other, strict=True)) == 1
    }
    assert {tuple(row[:, 0] - 1) for row in found} == expected
    slots, differ = SMALL.changes[:, 0], found[..., 0] != np.array(here) + 1
    np.testing.assert_array_equal(differ, slots[:, None] == np.arange(3))


def test_mutation_draws_every_neighbour_equally_often():
    here = jnp.array([[1], [2], [3]])
    keys = jax.random.split(jax.random.key(0), 6000)
    drawn = jax.vmap(SMALL.index)(jax.vmap(SMALL.mutate, (0, None))(keys, here))
    near = jax.vmap(SMALL.index)(SMALL.neighbours(here))
    values, counts = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(values, np.sort(near))
    # 1000 each, standard deviation 29: five of them, a false alarm in 300,000 runs of six.
    assert abs(counts - 1000).max() < 5 * 29


def test_an_action_walks_through_the_operations_in_equal_shares():
    decoded = [
        int(SMALL.decode(jnp.array([a]), None, jnp.int32(0))[0]) for a in (0, 0.33, 0.34, 0.67, 1)
    ]
    assert decoded == [1, 1, 2, 3, 3]


def test_a_gap_is_invalid():
    valid = [
        bool(SMALL.is_valid(jnp.array(codes)[:, None]))
        for codes in ((1, 0, 0), (1, 2, 3), (0, 1, 2), (1, 0, 2), (0, 0, 0))
    ]
    assert valid == [True, True, False, False, False]


def test_cells_are_written_as_the_benchmark_writes_them():
    prefix = np.array([4, 1, 3, 0, 0, 0])[:, None]
    assert NasBench201().to_text(prefix) == (
        "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"
    )
    assert NasBenchMacro().to_text(np.array([2, 1, 3])[:, None]) == "mb3_k3 > identity > mb6_k5"


@dataclasses.dataclass(frozen=True)
class Unequal(SlotSpace):
    """Slots a, b; c, d, e; d, e, f, g: 24 architectures."""

    operations: tuple[str, ...] = tuple("abcdefg")
    num_layers: int = 3
    filler: int = 1

    choices = np.array([[0, 2], [2, 3], [3, 4]])


UNEQUAL = Unequal()
ALL = np.array(list(itertools.product((1, 2), (3, 4, 5), (4, 5, 6, 7))), np.int32)[..., None]


def test_unequal_slots_are_counted_and_checked():
    assert UNEQUAL.size == len(ALL) == 24
    np.testing.assert_array_equal(jax.vmap(UNEQUAL.index)(jnp.asarray(ALL)), np.arange(24))
    np.testing.assert_array_equal(UNEQUAL.from_index(np.arange(24)), ALL)
    assert UNEQUAL.to_text(ALL[23]) == "b > e > g"
    # An empty slot is its own second choice: a d e = 0 + 1 * 4 + 1.
    assert int(UNEQUAL.index(jnp.array([[1], [0], [0]]))) == 5
    codes = np.array(list(itertools.product(range(8), repeat=3)), np.int32)[..., None]
    valid = codes[np.asarray(jax.vmap(UNEQUAL.is_valid)(jnp.asarray(codes)))][:, :, 0]
    closed = np.concatenate([ALL[:, :, 0] * mask for mask in ([1, 0, 0], [1, 1, 0], [1, 1, 1])])
    assert set(map(tuple, valid)) == set(map(tuple, closed))


def test_unequal_slots_are_searched_within_their_choices():
    keys, more = jax.random.split(jax.random.key(0), 4000), jax.random.split(jax.random.key(1), 500)
    drawn = np.asarray(jax.vmap(UNEQUAL.index)(jax.vmap(UNEQUAL.sample)(keys)))
    # 167 of each, standard deviation 12.6: six of them, a false alarm in 20 million runs of 24.
    assert abs(np.bincount(drawn, minlength=24) - 4000 / 24).max() < 6 * 12.6
    here = jnp.array([[2], [4], [7]])
    near = {tuple(row) for row in np.asarray(UNEQUAL.neighbours(here))[:, :, 0].tolist()}
    changed = (ALL[:, :, 0] != np.array([2, 4, 7])).sum(1) == 1
    assert near == set(map(tuple, ALL[changed, :, 0].tolist()))
    assert len(UNEQUAL.changes) == len(near) == 1 + 2 + 3
    mutated = jax.vmap(UNEQUAL.mutate, (0, None))(more, here)[:, :, 0]
    assert set(map(tuple, np.asarray(mutated).tolist())) == near
    for slot, last in enumerate("beg"):
        allowed = np.asarray(UNEQUAL.allowed(None, jnp.int32(slot)))
        first, count = UNEQUAL.choices[slot]
        np.testing.assert_array_equal(np.flatnonzero(allowed), np.arange(first, first + count))
        code = int(UNEQUAL.decode(jnp.array([1.0]), None, jnp.int32(slot))[0])
        assert UNEQUAL.operations[code - 1] == last


def test_a_space_too_large_for_int32_has_no_index():
    large = SlotSpace(("a", "b", "c"), num_layers=20, filler=0)
    assert large.size == 3**20
    with pytest.raises(ValueError, match="3486784401"):
        large.index(jnp.ones((20, 1), jnp.int32))


@pytest.mark.parametrize(
    "space", [SMALL, UNEQUAL, SlotSpace(tuple("abc"), 20, 0), SlotSpace(tuple("abcdefg"), 22, 0)]
)
def test_two_words_count_as_pythons_integers_do(space):
    rng = np.random.default_rng(0)
    counts = space.choices[:, 1].tolist()
    digits = [[int(rng.integers(count)) for count in counts] for _ in range(200)]
    digits += [[0] * len(counts), [count - 1 for count in counts]]
    expected = []
    for row in digits:
        number = 0
        for digit, count in zip(row, counts, strict=True):
            number = number * count + digit
        expected.append(number)
    assert expected[-1] == space.size - 1
    architectures = (1 + space.choices[:, 0] + np.array(digits))[..., None].astype(np.int32)
    words = np.asarray(jax.jit(jax.vmap(space.index_words))(jnp.asarray(architectures)))
    assert words.dtype == np.int32 and (words >= 0).all()
    assert [int(high) * space.low_size + int(low) for high, low in words] == expected
    assert space.index_from_words(words).tolist() == expected
    np.testing.assert_array_equal(space.from_index(np.array(expected, np.int64)), architectures)
    assert (space.low_size == space.size) == (space.size <= 2**31)


@pytest.mark.parametrize(("slots", "words"), [(5, "more than 2 words"), (6, "int64")])
def test_a_space_that_two_words_cannot_count_has_none(slots, words):
    # 2,000^2 < 2^31 < 2,000^3: a word counts two slots. 2,000^5 < 2^63 < 2,000^6.
    space = SlotSpace(tuple(map(str, range(2_000))), slots, 0)
    with pytest.raises(ValueError, match=words):
        space.index_words(jnp.ones((slots, 1), jnp.int32))
