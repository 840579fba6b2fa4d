"""Accuracy times a power of a device cost (MnasNet, Tan et al., 2019, eq. 2; ProxylessNAS, eq. 8).

    reward = accuracy * (cost / target) ^ w        w = `exponent` where cost > target,
                                                   `exponent_below` where it is not

With both exponents -0.07, MnasNet's soft constraint and ProxylessNAS's reward; with 0 below and -1
above, MnasNet's hard one.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
from pydantic import Field

from nasjax.config import PositiveFloat, settings
from nasjax.rewards.target import required_target
from nasjax.types import Outcome, Proposal, Reward


@settings("reward")
class WeightedProductConfig:
    """Section `reward` of a config."""

    # Of the first cost that the evaluator gives, in its unit. None: the bound of a study's `costs`
    # and `quantiles`, or `search.max_cost`, is the target.
    target: PositiveFloat | None = None
    exponent: Annotated[float, Field(le=0)] = -0.07  # w above the target
    exponent_below: Annotated[float, Field(le=0)] = -0.07  # w elsewhere
    invalid: float = 0.0  # reward of an architecture that cannot be built, trained or run


def make_weighted_product(config: WeightedProductConfig) -> Reward:
    """The reward from the first cost; an architecture that a device cannot run earns `invalid`.

    Raises:
      UserError: there is no target.
    """
    target = required_target(config.target)

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        cost = outcome.costs[:, 0]
        power = jnp.where(cost > target, config.exponent, config.exponent_below)
        product = outcome.accuracy * (cost / target) ** power
        return jnp.where(outcome.ok, product, config.invalid)

    return reward
