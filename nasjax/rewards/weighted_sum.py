"""Accuracy minus a weighted device cost: the scalarisation that AUTOCoMET does without.

    reward = accuracy - weight * cost / target                   `penalty` "cost"
    reward = accuracy - weight * max(0, cost / target - 1)       `penalty` "excess"

With it a Q-learner is what AUTOCoMET's paper (IV) calls NAS+Predictor.
"""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

from nasjax.config import check
from nasjax.rewards.target import the_target
from nasjax.types import Outcome, Proposal, Reward


@dataclasses.dataclass(frozen=True)
class WeightedSumConfig:
    """Section `reward` of a config.

    Attributes:
      target: of the first cost that the evaluator gives, in its unit; None where the limit of a
        study's `costs` and `quantiles`, or `search.max_cost`, gives it.
      weight: of the cost, in accuracy for a cost of the target (or, with "excess", for one of twice
        the target).
      penalty: whether all of the cost counts or only what is above the target.
      invalid: what an architecture earns that cannot be built, trained or run.
    """

    target: float | None = None
    weight: float = 0.1
    penalty: Literal["cost", "excess"] = "cost"
    invalid: float = -1.0

    def __post_init__(self) -> None:
        check(self.target is None or self.target > 0, "reward.target", self.target, "> 0")
        check(self.weight >= 0, "reward.weight", self.weight, ">= 0")


def make_weighted_sum(config: WeightedSumConfig) -> Reward:
    """Of the first cost; what a device cannot run earns as much as what cannot be built.

    Raises:
      UserError: there is no target.
    """
    target = the_target(config.target)

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        cost = outcome.costs[:, 0] / target
        counted = jnp.maximum(cost - 1, 0) if config.penalty == "excess" else cost
        sum_ = outcome.accuracy - config.weight * counted
        return jnp.where(outcome.ok, sum_, config.invalid)

    return reward
