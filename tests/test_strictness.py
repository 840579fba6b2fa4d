"""The strict settings of conftest.py are in force; each is seen to bite."""

import jax
import jax.numpy as jnp
import pytest
from jax.errors import KeyReuseError


def test_two_cpu_devices_are_visible() -> None:
    assert [d.platform for d in jax.devices()] == ["cpu", "cpu"]


def test_adding_a_vector_to_a_matrix_is_refused() -> None:
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.zeros((2, 3)) + jnp.zeros(3)


def test_using_a_key_twice_is_refused() -> None:
    key = jax.random.key(0)
    jax.random.normal(key)
    with pytest.raises(KeyReuseError):
        jax.random.normal(key)


def test_using_a_key_twice_is_refused_inside_jit_vmap_and_scan() -> None:
    def twice(key: jax.Array) -> jax.Array:
        return jax.random.normal(key) + jax.random.uniform(key)

    def scanned(key: jax.Array) -> jax.Array:
        return jax.lax.scan(lambda c, k: (c + twice(k), None), 0.0, jax.random.split(key, 3))[0]

    for use in (jax.jit(twice), jax.jit(scanned)):
        with pytest.raises(KeyReuseError):
            use(jax.random.key(0))
    with pytest.raises(KeyReuseError):
        jax.jit(jax.vmap(twice))(jax.random.split(jax.random.key(0), 4))


def test_splitting_and_folding_keys_is_accepted_inside_jit_vmap_and_scan() -> None:
    def once(key: jax.Array) -> jax.Array:
        first, second = jax.random.split(key)
        return jax.random.normal(first) + jax.random.uniform(jax.random.fold_in(second, 1))

    def carried(key: jax.Array) -> jax.Array:
        def step(carry: jax.Array, _: None) -> tuple[jax.Array, jax.Array]:
            carry, use = jax.random.split(carry)
            return carry, once(use)

        return jax.lax.scan(step, key, None, length=3)[1].sum()

    keys = jax.random.split(jax.random.key(0), 4)
    assert jax.jit(jax.vmap(carried))(keys).shape == (4,)


def test_one_root_folded_with_many_steps_is_accepted() -> None:
    """A run folds one root key again and again: deriving is no use of the key's numbers."""
    root = jax.random.key(0)
    draws = [float(jax.random.normal(jax.random.fold_in(root, step))) for step in range(3)]
    assert len(set(draws)) == 3
