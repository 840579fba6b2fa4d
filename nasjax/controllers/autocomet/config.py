"""Settings of AUTOCoMET; README.md lists the departures from the paper and what decided them."""

from typing import Literal

from nasjax.config import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    check,
    settings,
)

Schedule = Literal["constant", "pies", "equation_3", "equation_3_episode", "regulated", "dual"]


@settings("controller")
class AutocometConfig:
    """Section `controller` of a config.

    A component of the reward vector is "reward" (from section `reward`), "accuracy" or the name of
    a device cost. A cost counts as minus its ratio to the median over the table's architectures
    that the device can run.
    """

    primary: str = "reward"  # the component that Q learns
    secondaries: tuple[str, ...] | None = None  # a potential for each; None: every cost
    # The reward of a layer: "value", the component of the prefix that it completes, as printed;
    # "gain", what that adds to the prefix before it; "final", the component of the whole
    # architecture for its last layer and 0 before, so that prefixes are not evaluated.
    credit: Literal["value", "gain", "final"] = "final"
    # How the primary is scaled: "raw", as printed, or "rank", the share of all prefixes (with
    # credit "final": architectures) evaluated so far that it beats.
    scale: Literal["raw", "rank"] = "rank"
    # How the first cost among the secondaries counts: "cost", as above; "excess", minus its excess
    # over `target`, as a ratio to `target`; "broken", -1 where it exceeds `target`.
    secondary_reward: Literal["cost", "excess", "broken"] = "excess"
    # For "excess" and "broken", in the cost's unit. None: the bound of a study's `costs` and
    # `quantiles`, or `search.max_cost`, is the target.
    target: PositiveFloat | None = None
    # Where epsilon times the potentials is added: to the values that actions are chosen by
    # ("policy": Algorithm 1, line 15, PIES) or to the targets of Q ("value": equation 2).
    shaping: Literal["policy", "value"] = "policy"
    schedule: Schedule = "equation_3"  # of epsilon, see shaping.py
    epsilon: tuple[NonNegativeFloat, ...] = (1.0,)  # at the start, for all secondaries or for each
    threshold: NonNegativeFloat = 0.01  # an epsilon that is not above it becomes 0 (equation 3)
    # Episodes after which "pies" reaches 0, and "regulated", without gains, e^-5 of its start.
    # None: the episodes of the search.
    decay_episodes: PositiveInt | None = None
    allowed: float = 0.5  # for "dual": share of architectures that may exceed the target
    discount: Fraction = 0.9  # gamma, per layer
    temperature: PositiveFloat = 0.05  # of the softmax policy, at the start
    # At the end of the search, reached geometrically; None: the temperature is constant.
    final_temperature: PositiveFloat | None = 0.02
    learning_rate: PositiveFloat = 1e-3  # of Adam, for Q
    potential_learning_rate: PositiveFloat = 1e-3  # of Adam, for the potentials
    # Paths of `learned.npz` that other searches wrote. The seed draws one, and its nets are trained
    # on. Empty: random nets.
    initial: tuple[str, ...] = ()
    width: PositiveInt = 64  # of the two hidden layers of every net
    initial_value: float = 0.0  # Q before the first update
    updates: PositiveInt = 4  # gradient steps after every round
    # Architectures drawn from all so far for a gradient step; 0: those of the round instead.
    replays: NonNegativeInt = 16
    models_per_round: PositiveInt = 1  # architectures built side by side
    # An architecture that was built before is built again, at most this often in all, each time at
    # twice the temperature. 1: repeats are asked for, as printed.
    attempts: PositiveInt = 6
    infeasible: float = -3.0  # a cost's component for a row that the device cannot run
    # Rounds between architectures built without exploration. The last one is the search's greedy
    # answer.
    validate_every: PositiveInt = 5
    # Rounds in which the best primary must grow by `tau`; otherwise the search ends. None: never.
    patience: PositiveInt | None = None
    tau: float = 0.0

    def __post_init__(self) -> None:
        allowed = "one number or one a secondary, each >= 0"
        check(bool(self.epsilon), "controller.epsilon", self.epsilon, allowed)

    def epsilons(self, secondaries: int) -> tuple[float, ...]:
        """Epsilon at the start, one value per secondary; a UserError if `epsilon` does not fit."""
        if len(self.epsilon) == 1:
            return self.epsilon * secondaries
        allowed = f"one number or {secondaries}"
        check(len(self.epsilon) == secondaries, "controller.epsilon", self.epsilon, allowed)
        return self.epsilon
