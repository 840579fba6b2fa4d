"""The accuracy itself, the reward of methods that propose whole architectures."""

import jax
import jax.numpy as jnp

from nasjax.config import settings
from nasjax.types import Outcome, Proposal, Reward


@settings("reward")
class AccuracyConfig:
    """Section `reward` of a config."""

    invalid: float = 0.0  # reward of an architecture that cannot be built or trained


def make_accuracy(config: AccuracyConfig) -> Reward:
    """The accuracy on the whole search-validation split."""

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        return jnp.where(outcome.ok, outcome.accuracy, config.invalid)

    return reward
