"""Accuracy times a power of a device cost (MnasNet, Tan et al., 2019, eq. 2; ProxylessNAS, eq. 8).

    reward = accuracy * (cost / target) ^ w        w = `exponent` where cost > target,
                                                   `exponent_below` where it is not

With both exponents -0.07, MnasNet's soft constraint and ProxylessNAS's reward; with 0 below and -1
above, MnasNet's hard one.
"""

import dataclasses

import jax
import jax.numpy as jnp

from nasjax.config import check
from nasjax.rewards.target import the_target
from nasjax.types import Outcome, Proposal, Reward


@dataclasses.dataclass(frozen=True)
class WeightedProductConfig:
    """Section `reward` of a config.

    Attributes:
      target: of the first cost that the evaluator gives, in its unit; None where the limit of a
        study's `costs` and `quantiles`, or `search.max_cost`, gives it.
      exponent, exponent_below: w above and not above the target.
      invalid: what an architecture earns that cannot be built, trained or run.
    """

    target: float | None = None
    exponent: float = -0.07
    exponent_below: float = -0.07
    invalid: float = 0.0

    def __post_init__(self) -> None:
        check(self.target is None or self.target > 0, "reward.target", self.target, "> 0")
        for name in ("exponent", "exponent_below"):
            check(getattr(self, name) <= 0, f"reward.{name}", getattr(self, name), "<= 0")


def make_weighted_product(config: WeightedProductConfig) -> Reward:
    """Of the first cost; what a device cannot run earns as much as what cannot be built.

    Raises:
      UserError: there is no target.
    """
    target = the_target(config.target)

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        cost = outcome.costs[:, 0]
        power = jnp.where(cost > target, config.exponent, config.exponent_below)
        product = outcome.accuracy * (cost / target) ** power
        return jnp.where(outcome.ok, product, config.invalid)

    return reward
