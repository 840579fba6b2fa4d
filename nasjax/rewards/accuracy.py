"""Rewards that read accuracies alone: an architecture's, its gain by the latest layer, its last."""

import jax
import jax.numpy as jnp

from nasjax.config import settings
from nasjax.types import Outcome, Proposal, Reward


@settings("reward")
class AccuracyConfig:
    """Section `reward` of a config, for whole architectures."""

    invalid: float = 0.0  # reward of an architecture that cannot be built or trained


@settings("reward")
class ProgressiveConfig:
    """Section `reward` of a config, for architectures that grow layer by layer."""

    invalid: float = -1.0  # reward of a layer that cannot be built or trained


def make_accuracy(config: AccuracyConfig) -> Reward:
    """The accuracy on the whole search-validation split."""

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        return jnp.where(outcome.ok, outcome.accuracy, config.invalid)

    return reward


def make_accuracy_gain(config: ProgressiveConfig) -> Reward:
    """The mean over the validation batches of (accuracy - accuracy of the previous prefix).

    This is TRL-HPO's progressive reward (IV).
    """

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        gain = (outcome.accuracies - proposal.baseline).mean(-1)
        return jnp.where(outcome.ok, gain, config.invalid)

    return reward


def make_final_accuracy(config: ProgressiveConfig) -> Reward:
    """The mean accuracy over the validation batches for an architecture with all layers, else 0.

    TRL-HPO's ablation compares the progressive reward with it. For spaces of fixed length: a chain
    that stops growing early earns 0.
    """

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        whole = (proposal.architecture[:, -1] != 0).any(-1)
        earned = jnp.where(whole, outcome.accuracies.mean(-1), 0)
        return jnp.where(outcome.ok, earned, config.invalid)

    return reward
