"""The progressive reward, in worked numbers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from nasjax.rewards.accuracy import ProgressiveConfig, make_accuracy_gain
from nasjax.types import DIVERGED, GROW, INVALID, OK, OVER_MEMORY, Outcome, Proposal

# Four images right, of 16, in each of four batches.
ACCURACIES = [[8, 12, 16, 4], [16, 16, 8, 0], [4, 4, 4, 4]]
BASELINE = [[4, 12, 8, 8], [16, 16, 16, 8], [4, 4, 4, 4]]


def exchange(
    accuracies: list[list[int]], baseline: list[list[int]], status: list[int]
) -> tuple[Proposal, Outcome]:
    rows = len(status)
    proposal = Proposal(
        architecture=jnp.zeros((rows, 6, 4), jnp.int32),
        mask=jnp.ones(rows, bool),
        purpose=jnp.full(rows, GROW),
        baseline=jnp.array(baseline) / 16,
    )
    outcome = Outcome(
        accuracies=jnp.array(accuracies) / 16,
        accuracy=jnp.full(rows, 0.9),  # of the whole split; it has no part in the reward
        costs=jnp.zeros((rows, 0)),
        status=jnp.array(status),
    )
    return proposal, outcome


def reward(config: ProgressiveConfig, *given: Any) -> np.ndarray:
    return np.asarray(jax.jit(make_accuracy_gain(config))(*exchange(*given)))


def test_the_reward_is_the_mean_gain_over_the_validation_batches() -> None:
    got = reward(ProgressiveConfig(), ACCURACIES, BASELINE, [OK] * 3)
    # (4 + 0 + 8 - 4) / 16 / 4 = 0.125; (0 + 0 - 8 - 8) / 16 / 4 = -0.25; 0
    assert_allclose(got, [0.125, -0.25, 0], atol=1e-7)
    assert got.dtype == np.float32


def test_a_first_layer_earns_its_accuracy() -> None:
    got = reward(ProgressiveConfig(), ACCURACIES, [[0] * 4] * 3, [OK] * 3)
    # 40 / 64, 40 / 64, 16 / 64
    assert_allclose(got, [0.625, 0.625, 0.25], atol=1e-7)


@pytest.mark.parametrize("status", [INVALID, DIVERGED, OVER_MEMORY])
def test_a_layer_that_cannot_be_built_or_trained_earns_minus_one(status: int) -> None:
    accuracies = [[0] * 4, *ACCURACIES[1:]]
    got = reward(ProgressiveConfig(), accuracies, BASELINE, [status, OK, OK])
    assert_allclose(got, [-1, -0.25, 0], atol=1e-7)


def test_the_price_of_an_invalid_layer_is_a_setting() -> None:
    got = reward(ProgressiveConfig(invalid=-0.25), ACCURACIES, BASELINE, [INVALID, INVALID, OK])
    assert_allclose(got, [-0.25, -0.25, 0], atol=1e-7)
