"""The gain of accuracy by the latest layer (TRL-HPO, IV: the progressive reward)."""

import jax
import jax.numpy as jnp

from nasjax.config import settings
from nasjax.types import Outcome, Proposal, Reward


@settings("reward")
class AccuracyGainConfig:
    """Section `reward` of a config."""

    invalid: float = -1.0  # reward of a layer that cannot be built or trained


def make_accuracy_gain(config: AccuracyGainConfig) -> Reward:
    """The mean over the validation batches of (accuracy - accuracy of the previous prefix)."""

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        gain = (outcome.accuracies - proposal.baseline).mean(-1)
        return jnp.where(outcome.ok, gain, config.invalid)

    return reward
