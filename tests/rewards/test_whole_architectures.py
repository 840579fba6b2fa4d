"""Rewards of whole architectures: accuracy, weighted product, final accuracy."""

import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.errors import UserError
from nasjax.rewards.accuracy import (
    AccuracyConfig,
    ProgressiveConfig,
    make_accuracy,
    make_final_accuracy,
)
from nasjax.rewards.weighted import WeightedProductConfig, make_weighted_product
from nasjax.types import INFEASIBLE, INVALID, OK, Outcome, Proposal


def outcome(accuracy, costs, status):
    accuracy = jnp.array(accuracy)
    return Outcome(accuracy[:, None], accuracy, jnp.array(costs)[:, None], jnp.array(status))


def test_the_accuracy_and_what_is_invalid():
    found = make_accuracy(AccuracyConfig(invalid=-0.5))(
        None, outcome([0.7, 0.0], [1.0, 1.0], [OK, INVALID])
    )
    np.testing.assert_allclose(found, [0.7, -0.5])


def test_a_cost_over_the_target_weighs_as_published():
    # 0.8 * (20 / 10)^-0.07 = 0.8 * 0.95264 = 0.76211; below: 0.8 * 2^0.07 = 0.83977.
    status = [OK, OK, OK, INFEASIBLE, INVALID]
    of = outcome([0.8, 0.8, 0.8, 0.0, 0.0], [20.0, 5.0, 10.0, jnp.inf, 0.0], status)
    found = make_weighted_product(WeightedProductConfig(target=10.0))(None, of)
    np.testing.assert_allclose(found, [0.76211, 0.83977, 0.8, 0, 0], atol=1e-5)
    hard = WeightedProductConfig(target=10.0, exponent=-1.0, exponent_below=0.0)
    np.testing.assert_allclose(
        make_weighted_product(hard)(None, of), [0.4, 0.8, 0.8, 0, 0], atol=1e-6
    )


def test_a_target_of_nothing_is_refused():
    with pytest.raises(UserError, match=r"reward.target=0.0; it must be > 0"):
        WeightedProductConfig(target=0.0)


def test_only_a_finished_architecture_earns_the_final_accuracy():
    architecture = jnp.array([[1, 2], [1, 0], [2, 2]])[..., None]
    proposal = Proposal(architecture, jnp.ones(3, bool), jnp.zeros(3, int), jnp.full((3, 1), 0.4))
    of = outcome([0.7, 0.6, 0.0], [0.0, 0.0, 0.0], [OK, OK, INVALID])
    found = make_final_accuracy(ProgressiveConfig())(proposal, of)
    np.testing.assert_allclose(found, [0.7, 0, -1])
