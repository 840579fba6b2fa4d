"""The accuracy of the finished architecture, 0 before: the counterpart of a progressive reward.

TRL-HPO (IV) rewards every layer with its gain of accuracy; its ablation compares with this reward.
"""

import jax
import jax.numpy as jnp

from nasjax.config import settings
from nasjax.types import Outcome, Proposal, Reward


@settings("reward")
class FinalAccuracyConfig:
    """Section `reward` of a config."""

    invalid: float = -1.0  # reward of a row that cannot be built or trained


def make_final_accuracy(config: FinalAccuracyConfig) -> Reward:
    """The mean accuracy over the validation batches for an architecture with all layers, else 0.

    For spaces of fixed length: a chain that stops growing early earns 0.
    """

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        whole = (proposal.architecture[:, -1] != 0).any(-1)
        earned = jnp.where(whole, outcome.accuracies.mean(-1), 0)
        return jnp.where(outcome.ok, earned, config.invalid)

    return reward
