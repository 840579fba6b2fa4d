"""Slot spaces: index, neighbours, mutation, closing, names."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

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
    np.testing.assert_array_equal(space.of_index(np.arange(space.size)), architectures)


def test_slots_not_filled_yet_count_as_the_filler():
    # c, then nothing: c b b = 2 * 9 + 1 * 3 + 1 = 22.
    assert int(SMALL.index(jnp.array([[3], [0], [0]]))) == 22


def test_neighbours_are_all_that_differ_in_one_slot():
    here = (2, 0, 1)
    found = np.asarray(SMALL.neighbours(jnp.array(here)[:, None] + 1))
    assert found.shape == (3, 2, 3, 1)
    expected = {
        other
        for other in itertools.product(range(3), repeat=3)
        if sum(a != b for a, b in zip(here, other, strict=True)) == 1
    }
    assert {tuple(row[:, 0] - 1) for row in found.reshape(6, 3, 1)} == expected
    for slot in range(3):  # in the order of their slots
        assert (found[slot, :, :, 0] != np.array(here) + 1).sum() == 2
        assert (found[slot, :, slot, 0] != here[slot] + 1).all()


def test_mutation_draws_every_neighbour_equally_often():
    here = jnp.array([[1], [2], [3]])
    keys = jax.random.split(jax.random.key(0), 6000)
    drawn = jax.vmap(SMALL.index)(jax.vmap(SMALL.mutate, (0, None))(keys, here))
    near = jax.vmap(SMALL.index)(SMALL.neighbours(here).reshape(6, 3, 1))
    values, counts = np.unique(drawn, return_counts=True)
    np.testing.assert_array_equal(values, np.sort(near))
    # 1000 each, standard deviation 29: five of them, a false alarm in 300,000 runs of six.
    assert abs(counts - 1000).max() < 5 * 29


def test_an_action_walks_through_the_operations_in_equal_shares():
    decoded = [int(SMALL.decode(jnp.array([a]), None, None)[0]) for a in (0, 0.33, 0.34, 0.67, 1)]
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
