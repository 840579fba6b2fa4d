"""Settings of TRL-HPO; a default is the paper's or, where that is silent, its released code's.

README.md lists the departures.
"""

import dataclasses
from typing import Literal

from nasjax.config import check


@dataclasses.dataclass(frozen=True)
class TrlHpoConfig:
    """Section `controller` of a config.

    Attributes:
      models_per_episode: models grown side by side in a round.
      updates_per_episode: DDPG updates per round, once the replay holds `min_size` rows.
      replay_capacity, min_size: rows. The paper starts learning when its buffer of 20,000 is full,
        which 500 episodes of 10 models hardly reach; so these are two settings.
      batch_size: rows of an update; each asks for one back-up evaluation.
      actor_learning_rate, critic_learning_rate: of Adam.
      target_rate: of the target nets' soft update.
      discount: per layer.
      noise_theta, noise_sigma: of the Ornstein-Uhlenbeck exploration noise.
      noisy_rounds: growth is noise-free afterwards; None = never, as released.
      network: "transformer", or "mlp": two hidden layers, as many parameters as the transformer of
        the settings below has.
      num_heads, num_blocks, expansion, projections, dropout: see nets.transformer.Transformer.
      embed_size: width of the intermediate model representation (IMR).
      actor_state: the actor's loss is taken at the states before and after a sampled transition
        ("both"), or only after it ("next", as released; a first layer then gets no gradient).
      backup: "trained", as published: the next layer of every sampled transition is evaluated and
        the critic sees what it reached; or "predicted": nothing is evaluated for an update and the
        critic predicts it. See ddpg.py.
      min_gain, min_accuracy: a model stops growing below these; None = never.
      validate_every: rounds between noise-free validation episodes.
      patience: rounds without a better validation episode after which the search ends.
    """

    models_per_episode: int = 10
    updates_per_episode: int = 5
    replay_capacity: int = 20_000
    min_size: int = 20_000
    batch_size: int = 16
    actor_learning_rate: float = 1e-5
    critic_learning_rate: float = 1e-4
    target_rate: float = 0.01
    discount: float = 1.0
    noise_theta: float = 0.15
    noise_sigma: float = 0.2
    noisy_rounds: int | None = None
    network: Literal["transformer", "mlp"] = "transformer"
    num_heads: int = 4
    num_blocks: int = 2
    expansion: int = 4
    projections: Literal["shared", "standard"] = "shared"
    dropout: float = 0.2
    embed_size: int = 64
    actor_state: Literal["next", "both"] = "both"
    backup: Literal["trained", "predicted"] = "trained"
    min_gain: float | None = 0.001
    min_accuracy: float | None = 0.6
    validate_every: int = 5
    patience: int = 70

    def __post_init__(self) -> None:
        counts = ("models_per_episode", "replay_capacity", "min_size", "batch_size", "num_heads")
        for name in (
            *counts,
            "num_blocks",
            "expansion",
            "embed_size",
            "validate_every",
            "patience",
        ):
            check(getattr(self, name) >= 1, f"controller.{name}", getattr(self, name), ">= 1")
        updates = self.updates_per_episode
        check(updates >= 0, "controller.updates_per_episode", updates, ">= 0")
        for name in ("actor_learning_rate", "critic_learning_rate"):
            check(getattr(self, name) > 0, f"controller.{name}", getattr(self, name), "> 0")
        for name in ("target_rate", "noise_theta"):
            value = getattr(self, name)
            check(0 <= value <= 1, f"controller.{name}", value, "from 0 to 1")
        # 0 in the replay marks the end of a model.
        check(0 < self.discount <= 1, "controller.discount", self.discount, "above 0, at most 1")
        check(self.noise_sigma >= 0, "controller.noise_sigma", self.noise_sigma, ">= 0")
        check(0 <= self.dropout < 1, "controller.dropout", self.dropout, "from 0 to below 1")
        fits = self.embed_size % self.num_heads == 0
        allowed = f"a divisor of controller.embed_size={self.embed_size}"
        check(fits, "controller.num_heads", self.num_heads, allowed)
        fits = self.min_size <= self.replay_capacity
        allowed = f"at most controller.replay_capacity={self.replay_capacity}"
        check(fits, "controller.min_size", self.min_size, allowed)
