"""The accuracy of the finished architecture, nothing before: the progressive reward's counterpart.

TRL-HPO (IV) rewards every layer with what it added; this is what the ablation compares that with.
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
    """Mean accuracy over the validation batches where all layers are there, else 0.

    For spaces of fixed length; a chain that stops growing early earns nothing.
    """

    def reward(proposal: Proposal, outcome: Outcome) -> jax.Array:
        whole = (proposal.architecture[:, -1] != 0).any(-1)
        earned = jnp.where(whole, outcome.accuracies.mean(-1), 0)
        return jnp.where(outcome.ok, earned, config.invalid)

    return reward
