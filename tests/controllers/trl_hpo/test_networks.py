"""Actor and critic with the paper's settings: sizes, ranges, and agreement with plain NumPy."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from nasjax.controllers.trl_hpo.config import TrlHpoConfig
from nasjax.controllers.trl_hpo.networks import Net, make_actor, make_critic
from tests.oracles import numpy_transformer
from tests.oracles.numpy_transformer import Array

LAYERS, ACTION, CONFIG = 6, 4, TrlHpoConfig()


def shapes(net: Net) -> Any:
    return jax.eval_shape(net.init, jax.random.key(0))


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


# test_transformer.py has the arithmetic.
@pytest.mark.parametrize(
    ("projections", "actor_count", "critic_count"),
    [("shared", 78_084, 76_929), ("standard", 101_124, 99_969)],
)
def test_parameter_counts_are_those_worked_by_hand(
    projections: Any, actor_count: int, critic_count: int
) -> None:
    config = TrlHpoConfig(projections=projections)
    nets = make_actor(config, LAYERS, ACTION), make_critic(config, LAYERS)
    counts = [sum(leaf.size for leaf in jax.tree.leaves(shapes(net))) for net in nets]
    assert counts == [actor_count, critic_count]


@pytest.mark.parametrize(
    ("net", "squash", "shape", "low", "high"),
    [
        (make_actor(CONFIG, LAYERS, ACTION), sigmoid, (ACTION,), 0, 1),
        (make_critic(CONFIG, LAYERS), np.tanh, (), -1, 1),
    ],
    ids=["actor", "critic"],
)
def test_outputs_are_the_squashed_transformer_in_range(
    net: Net, squash: Callable[[Array], Array], shape: tuple[int, ...], low: float, high: float
) -> None:
    rng = np.random.default_rng(0)
    states = np.tanh(rng.normal(size=(32, LAYERS, CONFIG.embed_size))).astype(np.float32)
    params = numpy_transformer.draw(shapes(net), rng)

    def both(params: Any, state: Any, key: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        return *net.apply(params, state), net.apply_train(params, state, key)

    compiled = jax.jit(both)
    output, attention, noisy = jax.device_get(compiled(params, states, jax.random.key(0)))

    assert output.shape == noisy.shape == (len(states), *shape)
    assert attention.shape == (len(states), CONFIG.num_blocks, CONFIG.num_heads, LAYERS, LAYERS)
    assert np.abs(noisy - output).max() > 0.1  # dropout

    blocks, head = numpy_transformer.read(params)
    for i, state in enumerate(states[:4].astype(np.float64)):
        raw, expected_attention = numpy_transformer.forward(
            blocks, head, state, num_heads=CONFIG.num_heads, projections=CONFIG.projections
        )
        assert_allclose(output[i], squash(raw).reshape(shape), atol=2e-5)
        assert_allclose(attention[i], expected_attention, atol=2e-5)

    params["params"]["head"]["kernel"] *= 20  # far into both ends of the range
    wide, _, noisy_wide = jax.device_get(compiled(params, states, jax.random.key(0)))
    for values in (wide, noisy_wide):
        assert low <= np.min(values) < low + 0.05
        assert high - 0.05 < np.max(values) <= high


@pytest.mark.long
def test_every_row_has_a_dropout_of_its_own() -> None:
    net = make_critic(CONFIG, LAYERS)
    same = jnp.ones((8, LAYERS, CONFIG.embed_size))
    values = jax.jit(net.apply_train)(net.init(jax.random.key(0)), same, jax.random.key(1))
    assert len(set(values.tolist())) == 8
