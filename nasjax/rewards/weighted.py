"""Accuracy weighted against a device cost, as a product or as a sum; the cost has a soft target.

MnasNet (Tan et al., 2019, eq. 2) and ProxylessNAS (eq. 8):

    reward = accuracy * (cost / target) ^ w        w = `exponent` where cost > target,
                                                   `exponent_below` where it is not

With both exponents -0.07, MnasNet's soft constraint and ProxylessNAS's reward; with 0 below and -1
above, MnasNet's hard one. The scalarisation that AUTOCoMET avoids:

    reward = accuracy - weight * cost / target                   `penalty` "cost"
    reward = accuracy - weight * max(0, cost / target - 1)       `penalty` "excess"

With it a Q-learner is what AUTOCoMET's paper (IV) calls NAS+Predictor.

The cost is the first one that the evaluator gives, and the target is in its unit. A target of None
becomes the bound of a study's `costs` and `quantiles`, or `search.max_cost`. A UserError says that
there is no target at all.
"""

import dataclasses
from typing import Annotated, Any, Literal

import jax
import jax.numpy as jnp
from pydantic import Field

from nasjax.config import NonNegativeFloat, PositiveFloat, check, settings
from nasjax.types import Costs, Outcome, Proposal, Reward


@settings("reward")
class WeightedProductConfig:
    """Section `reward` of a config."""

    target: PositiveFloat | None = None
    exponent: Annotated[float, Field(le=0)] = -0.07  # w above the target
    exponent_below: Annotated[float, Field(le=0)] = -0.07  # w elsewhere
    invalid: float = 0.0  # reward of an architecture that cannot be built, trained or run


@settings("reward")
class WeightedSumConfig:
    """Section `reward` of a config."""

    target: PositiveFloat | None = None
    # In accuracy: the price of a cost at the target (penalty "cost") or at twice the target
    # (penalty "excess").
    weight: NonNegativeFloat = 0.1
    penalty: Literal["cost", "excess"] = "cost"  # all of the cost, or what is above the target
    invalid: float = -1.0  # reward of an architecture that cannot be built, trained or run


def with_max_cost(config: Any, max_cost: float, costs: Costs) -> Any:
    """The reward's config; an open `target` becomes `max_cost`, which is of the first cost too."""
    return dataclasses.replace(config, target=max_cost) if config.target is None else config


def make_weighted_product(config: WeightedProductConfig) -> Reward:
    """Accuracy times a power of the cost; what a device cannot run earns `invalid`."""
    target = _required(config.target)

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        cost = outcome.costs[:, 0]
        power = jnp.where(cost > target, config.exponent, config.exponent_below)
        product = outcome.accuracy * (cost / target) ** power
        return jnp.where(outcome.ok, product, config.invalid)

    return reward


def make_weighted_sum(config: WeightedSumConfig) -> Reward:
    """Accuracy minus the weighted cost; what a device cannot run earns `invalid`."""
    target = _required(config.target)

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        cost = outcome.costs[:, 0] / target
        counted = jnp.maximum(cost - 1, 0) if config.penalty == "excess" else cost
        sum_ = outcome.accuracy - config.weight * counted
        return jnp.where(outcome.ok, sum_, config.invalid)

    return reward


def _required(target: float | None) -> float:
    check(target is not None, "reward.target", target, "a number, in the unit of the first cost")
    assert target is not None
    return target
