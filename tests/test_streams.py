"""Every key is a function of (seed, name, step)."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_array_equal

from nasjax.streams import stream


def words(key: jax.Array) -> tuple[int, ...]:
    return tuple(np.asarray(jax.random.key_data(key)).tolist())


def draw(seed: int, name: str, step: int = 0) -> tuple[int, ...]:
    return words(stream(jax.random.key(seed), name, step))


def test_the_same_seed_name_and_step_give_the_same_key() -> None:
    assert draw(3, "grow/propose", 5) == draw(3, "grow/propose", 5)
    assert draw(3, "grow/propose") == draw(3, "grow/propose", 0)


def test_another_seed_name_or_step_gives_another_key() -> None:
    names = ("grow/propose", "grow/update", "learn/update", "evaluate", "")
    keys = [draw(*which) for which in itertools.product((0, 1), names, (0, 1, 2, 1000))]
    assert len(set(keys)) == len(keys) == 40


def test_a_traced_step_gives_the_same_key() -> None:
    traced = jax.jit(lambda root, step: stream(root, "grow/propose", step))
    for step in (0, 1, 7, 2**20):
        assert words(traced(jax.random.key(3), jnp.int32(step))) == draw(3, "grow/propose", step)


def test_names_are_read_the_same_in_every_process() -> None:
    # 0xCBF43926 is CRC-32's published check value, of the text "123456789"; Python's own hash of a
    # text changes with the process.
    expected = jax.random.fold_in(jax.random.fold_in(jax.random.key(3), 0xCBF43926), 5)
    assert draw(3, "123456789", 5) == words(expected)


def test_a_root_key_serves_any_number_of_streams_and_is_not_consumed() -> None:
    root = jax.random.key(3)
    values = [jax.random.normal(stream(root, name), (4,)) for name in ("a", "b", "a")]
    assert_array_equal(values[0], values[2])
    assert (values[0] != values[1]).all()
    jax.random.normal(root)  # would be refused if the root had been used up
