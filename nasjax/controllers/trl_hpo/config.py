"""Settings of TRL-HPO; a default is the paper's or, where that is silent, its released code's.

README.md lists the departures.
"""

from typing import Annotated, Literal

from pydantic import Field

from nasjax.config import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
    check,
    settings,
)


@settings("controller")
class TrlHpoConfig:
    """Section `controller` of a config."""

    models_per_episode: PositiveInt = 10  # grown side by side in a round
    updates_per_episode: NonNegativeInt = 5  # of DDPG, once the replay holds `min_size` rows
    # The paper starts learning when its buffer of 20,000 rows is full, which 500 episodes of 10
    # models hardly reach; so capacity and start are two settings.
    replay_capacity: PositiveInt = 20_000  # rows
    min_size: PositiveInt = 20_000  # rows
    batch_size: PositiveInt = 16  # rows of an update; each asks for one back-up evaluation
    actor_learning_rate: PositiveFloat = 1e-5  # of Adam
    critic_learning_rate: PositiveFloat = 1e-4  # of Adam
    target_rate: Fraction = 0.01  # of the target nets' soft update
    discount: PositiveFraction = 1.0  # per layer; in the replay, 0 marks the end of a model
    noise_theta: Fraction = 0.15  # of the Ornstein-Uhlenbeck exploration noise
    noise_sigma: NonNegativeFloat = 0.2
    noisy_rounds: int | None = None  # growth is noise-free afterwards; None: never, as released
    # "mlp": two hidden layers with as many parameters as the transformer of the settings below.
    network: Literal["transformer", "mlp"] = "transformer"
    num_heads: PositiveInt = 4  # of the transformer, as the four below; see transformer.py
    num_blocks: PositiveInt = 2
    expansion: PositiveInt = 4
    projections: Literal["shared", "standard"] = "shared"
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    embed_size: PositiveInt = 64  # width of the intermediate model representation (IMR)
    # States at which the actor's loss is taken: before and after a sampled transition, or only
    # after it ("next", as released; a first layer then gets no gradient).
    actor_state: Literal["next", "both"] = "both"
    # "trained", as published: the next layer of every sampled transition is evaluated and the
    # critic sees its accuracies. "predicted": the critic predicts it and an update evaluates
    # nothing. See ddpg.py.
    backup: Literal["trained", "predicted"] = "trained"
    min_gain: float | None = 0.001  # a model stops growing below it; None: never
    min_accuracy: float | None = 0.6  # likewise
    validate_every: PositiveInt = 5  # rounds between noise-free validation episodes
    patience: PositiveInt = 70  # rounds without a better validation episode; then the search ends

    def __post_init__(self) -> None:
        fits = self.embed_size % self.num_heads == 0
        allowed = f"a divisor of controller.embed_size={self.embed_size}"
        check(fits, "controller.num_heads", self.num_heads, allowed)
        fits = self.min_size <= self.replay_capacity
        allowed = f"at most controller.replay_capacity={self.replay_capacity}"
        check(fits, "controller.min_size", self.min_size, allowed)
