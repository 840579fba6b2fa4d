"""The accuracy itself: what methods that propose whole architectures maximise."""

import dataclasses

import jax
import jax.numpy as jnp

from nasjax.types import Outcome, Proposal, Reward


@dataclasses.dataclass(frozen=True)
class AccuracyConfig:
    """Section `reward` of a config: what an architecture earns that cannot be built or trained."""

    invalid: float = 0.0


def make_accuracy(config: AccuracyConfig) -> Reward:
    """Accuracy on the whole search-validation split."""

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        return jnp.where(outcome.ok, outcome.accuracy, config.invalid)

    return reward
