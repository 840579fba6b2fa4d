"""Accuracy minus a weighted device cost: the scalarisation that AUTOCoMET avoids.

    reward = accuracy - weight * cost / target                   `penalty` "cost"
    reward = accuracy - weight * max(0, cost / target - 1)       `penalty` "excess"

With it a Q-learner is what AUTOCoMET's paper (IV) calls NAS+Predictor.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from nasjax.config import NonNegativeFloat, PositiveFloat, settings
from nasjax.rewards.target import required_target
from nasjax.types import Outcome, Proposal, Reward


@settings("reward")
class WeightedSumConfig:
    """Section `reward` of a config."""

    # Of the first cost that the evaluator gives, in its unit. None: the bound of a study's `costs`
    # and `quantiles`, or `search.max_cost`, is the target.
    target: PositiveFloat | None = None
    # In accuracy: the price of a cost at the target (penalty "cost") or at twice the target
    # (penalty "excess").
    weight: NonNegativeFloat = 0.1
    penalty: Literal["cost", "excess"] = "cost"  # all of the cost, or what is above the target
    invalid: float = -1.0  # reward of an architecture that cannot be built, trained or run


def make_weighted_sum(config: WeightedSumConfig) -> Reward:
    """The reward from the first cost; an architecture that a device cannot run earns `invalid`.

    Raises:
      UserError: there is no target.
    """
    target = required_target(config.target)

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        cost = outcome.costs[:, 0] / target
        counted = jnp.maximum(cost - 1, 0) if config.penalty == "excess" else cost
        sum_ = outcome.accuracy - config.weight * counted
        return jnp.where(outcome.ok, sum_, config.invalid)

    return reward
