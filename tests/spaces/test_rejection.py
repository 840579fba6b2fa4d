"""Drawing until something is good, with an end."""

import jax
import jax.numpy as jnp
import pytest

from nasjax.spaces import rejection
from nasjax.spaces.layer_chain import LayerChain, LayerChainConfig


def test_the_first_good_draw_is_taken_and_a_good_start_is_kept():
    found = jax.jit(lambda start: rejection.draw_until(lambda x: x >= 5, lambda i: 2 * i, start))
    assert int(found(jnp.int32(0))) == 6  # 0, 2, 4, 6
    assert int(found(jnp.int32(9))) == 9


def test_it_ends_though_nothing_is_good():
    found = jax.jit(lambda start: rejection.draw_until(lambda x: x < 0, lambda i: i, start))
    assert int(found(jnp.int32(0))) == rejection.MOST_DRAWS - 1


@pytest.mark.long
def test_the_smallest_images_have_chains_and_neighbours():
    space = LayerChain((3, 3, 1), 10, LayerChainConfig(max_layers=6))
    keys = jax.random.split(jax.random.key(0), 200)
    chains = jax.jit(jax.vmap(space.sample))(keys)
    mutants = jax.jit(jax.vmap(space.mutate))(keys, chains)
    assert jax.vmap(space.is_valid)(chains).all() and jax.vmap(space.is_valid)(mutants).all()
    assert (mutants != chains).any((1, 2)).all()
