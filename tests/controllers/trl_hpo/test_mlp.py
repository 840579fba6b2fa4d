"""The MLP that stands in for the transformer: its size, its output."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.controllers.trl_hpo.config import TrlHpoConfig
from nasjax.controllers.trl_hpo.mlp import Mlp, hidden_width
from nasjax.controllers.trl_hpo.networks import make_actor, make_critic


def size(params):
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def test_the_width_solves_for_the_number_of_parameters():
    # 4 inputs, 3 + 3 hidden, 2 outputs: 5 x 3 + 4 x 3 + 4 x 2 = 35.
    assert hidden_width(35, 4, 2) == 3
    params = Mlp(2, 3).init(jax.random.key(0), jnp.zeros((2, 2)))
    assert size(params) == 35


def test_two_hidden_layers_and_a_head_are_computed():
    net = Mlp(2, 3)
    x = jax.random.normal(jax.random.key(1), (2, 2))
    params = net.init(jax.random.key(0), x)
    values, attention = net.apply(params, x)
    hidden = np.asarray(x).reshape(-1)
    for name in ("hidden_0", "hidden_1"):
        layer = params["params"][name]
        hidden = np.maximum(hidden @ np.asarray(layer["kernel"]) + np.asarray(layer["bias"]), 0)
    head = params["params"]["head"]
    np.testing.assert_allclose(values, hidden @ head["kernel"] + head["bias"], atol=1e-6)
    assert attention.shape == (0, 0, 2, 2)


@pytest.mark.long
@pytest.mark.parametrize("make", [lambda c: make_actor(c, 6, 4), lambda c: make_critic(c, 6)])
def test_it_has_the_size_of_the_published_nets(make):
    transformer = size(make(TrlHpoConfig()).init(jax.random.key(0)))
    mlp = size(make(TrlHpoConfig(network="mlp")).init(jax.random.key(0)))
    assert transformer in (78_084, 76_929)
    assert abs(mlp / transformer - 1) < 0.005
