"""The ring buffer against a plain list, and against flashbax where nothing is masked."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nasjax.controllers import replay
from nasjax.controllers.replay import Replay

CAPACITY, BATCH = 7, 4
ROW = {"id": jnp.int32(0), "x": jnp.zeros((2, 3), jnp.uint8)}
ADD = jax.jit(replay.add)
SAMPLE = jax.jit(replay.sample, static_argnums=2)


def batch(ids: list[int]) -> dict[str, np.ndarray]:
    """Rows whose every value is the row's id."""
    number = np.array(ids)
    x = np.broadcast_to(number[:, None, None], (len(ids), 2, 3))
    return {"id": number.astype(np.int32), "x": x.astype(np.uint8)}


def empty() -> Replay:
    return replay.make_replay(ROW, CAPACITY)


def ids(rows: dict[str, Any]) -> list[int]:
    """The rows' ids, after a check that no row is a mixture of two."""
    number = np.asarray(rows["id"])
    assert_array_equal(rows["x"], np.broadcast_to(number[:, None, None], (len(number), 2, 3)))
    return number.tolist()


def added(*batches: tuple[list[int], list[bool]]) -> Replay:
    buffer = empty()
    for number, mask in batches:
        buffer = ADD(buffer, batch(number), np.array(mask))
    return buffer


ALL = [True] * BATCH


def test_an_empty_buffer_keeps_the_shapes_and_types_of_a_row() -> None:
    buffer = empty()
    assert buffer.capacity == CAPACITY and buffer.size == 0
    assert buffer.rows["id"].shape == (7,) and buffer.rows["id"].dtype == jnp.int32
    assert buffer.rows["x"].shape == (7, 2, 3) and buffer.rows["x"].dtype == jnp.uint8


def test_a_shape_is_enough_to_make_a_buffer() -> None:
    buffer = replay.make_replay(jax.eval_shape(lambda: ROW), CAPACITY)
    assert jax.tree.map(jnp.shape, buffer) == jax.tree.map(jnp.shape, empty())


def test_rows_are_written_in_order_and_the_oldest_are_overwritten() -> None:
    assert ids(added(([1, 2, 3, 4], ALL)).rows) == [1, 2, 3, 4, 0, 0, 0]
    # place 4, 5, 6, then 0 again
    assert ids(added(([1, 2, 3, 4], ALL), ([5, 6, 7, 8], ALL)).rows) == [8, 2, 3, 4, 5, 6, 7]


def test_masked_rows_go_nowhere() -> None:
    one = added(([1, 2, 3, 4], [False, True, False, True]))
    assert ids(one.rows) == [2, 4, 0, 0, 0, 0, 0]
    assert one.size == 2
    none = ADD(one, batch([5, 6, 7, 8]), np.array([False] * BATCH))
    assert ids(none.rows) == ids(one.rows)
    assert none.size == 2
    # also when a full buffer is at its last place: 1-4, 5 and 7, then 9 wraps behind 8's place
    wrapped = added(
        ([1, 2, 3, 4], ALL), ([5, 6, 7, 8], [True, False, True, False]), ([9, 10, 11, 12], ALL)
    )
    assert ids(wrapped.rows) == [10, 11, 12, 4, 5, 7, 9]


def test_size_counts_up_to_the_capacity() -> None:
    buffer, sizes = empty(), []
    for start in (1, 5, 9):
        mask = np.array([True, True, True, start != 1])
        buffer = ADD(buffer, batch(list(range(start, start + BATCH))), mask)
        sizes.append(int(buffer.size))
    assert sizes == [3, 7, 7]
    assert buffer.added == 11


def test_a_batch_may_fill_the_whole_buffer() -> None:
    buffer = ADD(added(([1, 2, 3, 4], ALL)), batch(list(range(5, 12))), np.ones(CAPACITY, bool))
    # places 4, 5, 6, 0, 1, 2, 3
    assert ids(buffer.rows) == [8, 9, 10, 11, 5, 6, 7]


def test_any_sequence_of_masked_adds_equals_adding_the_unmasked_rows_to_a_list() -> None:
    rng = np.random.default_rng(0)
    buffer, kept = empty(), []
    for step in range(40):
        number = [1 + BATCH * step + i for i in range(BATCH)]
        mask = rng.random(BATCH) < 0.6
        buffer = ADD(buffer, batch(number), mask)
        kept += [n for n, keep in zip(number, mask, strict=True) if keep]
        expected = [0] * CAPACITY
        for place, n in enumerate(kept):
            expected[place % CAPACITY] = n
        assert ids(buffer.rows) == expected
        assert buffer.size == min(len(kept), CAPACITY)


def test_masked_rows_in_a_batch_equal_adding_the_others_alone() -> None:
    together, alone = empty(), empty()
    rng = np.random.default_rng(1)
    for step in range(10):
        number = [1 + BATCH * step + i for i in range(BATCH)]
        mask = rng.random(BATCH) < 0.5
        together = ADD(together, batch(number), mask)
        for n in np.array(number)[mask].tolist():
            alone = ADD(alone, batch([n]), np.array([True]))
        jax.tree.map(assert_array_equal, together, alone)


def test_adding_is_the_same_with_and_without_jit() -> None:
    start, new = added(([1, 2, 3, 4], ALL)), batch([5, 6, 7, 8])
    mask = jnp.array([True, False, True, True])
    jax.tree.map(assert_array_equal, ADD(start, new, mask), replay.add(start, new, mask))


def test_samples_are_zeros_while_the_buffer_is_empty() -> None:
    assert ids(SAMPLE(jax.random.key(0), empty(), 8)) == [0] * 8


def test_samples_are_uniform_over_the_rows_that_were_added() -> None:
    buffer = added(([1, 2, 3, 4], ALL), ([5, 6, 7, 8], [False, True, False, False]))
    observed = np.bincount(ids(SAMPLE(jax.random.key(0), buffer, 5000)), minlength=7)
    assert observed[[1, 2, 3, 4, 6]].sum() == 5000
    # chi-square of 4 degrees of freedom exceeds 33.38 once in a million seeds
    assert ((observed[[1, 2, 3, 4, 6]] - 1000.0) ** 2 / 1000).sum() < 33.38


def test_a_sample_is_a_function_of_its_key() -> None:
    buffer = added(([1, 2, 3, 4], ALL))
    first, again, other = (ids(SAMPLE(jax.random.key(seed), buffer, 32)) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_unmasked_adds_and_samples_agree_with_flashbax() -> None:
    flashbax = pytest.importorskip("flashbax")
    theirs = flashbax.make_item_buffer(CAPACITY, 1, CAPACITY, add_batches=True)
    their_add, their_sample = jax.jit(theirs.add), jax.jit(jax.vmap(theirs.sample, (None, 0)))
    ours, state = empty(), theirs.init(ROW)
    for step in range(5):
        number = [1 + BATCH * step + i for i in range(BATCH)]
        ours = ADD(ours, batch(number), np.array(ALL))
        state = their_add(state, batch(number))
        jax.tree.map(lambda a, b: assert_array_equal(a, b[0]), ours.rows, state.experience)
        with jax.numpy_rank_promotion("allow"):  # flashbax is not as strict as we are
            drawn = their_sample(state, jax.random.split(jax.random.key(step), 50)).experience
        drawn = jax.tree.map(lambda leaf: np.asarray(leaf).reshape(350, *leaf.shape[2:]), drawn)
        # 350 draws miss one of at most 7 rows with probability below 7 (6 / 7)^350 < 1e-22
        assert set(ids(SAMPLE(jax.random.key(step), ours, 350))) == set(ids(drawn))
