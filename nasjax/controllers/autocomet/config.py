"""Settings of AUTOCoMET; README.md lists the departures from the paper and what decided them."""

import dataclasses
from typing import Literal

from nasjax.config import check

Schedule = Literal["constant", "pies", "equation_3", "equation_3_episode", "regulated", "dual"]


@dataclasses.dataclass(frozen=True)
class AutocometConfig:
    """Section `controller` of a config.

    A component of the reward vector is "reward" (what section `reward` gives), "accuracy" or the
    name of a cost that the evaluator gives. A cost counts as minus its ratio to the median of the
    table's architectures that the device can run.

    Attributes:
      primary: the component that Q learns.
      secondaries: the components that shape it, a potential each; None: every cost.
      credit: what a layer earns: the component of the prefix that it completes ("value", as
        printed), what that adds to the prefix before it ("gain"), or the component where the
        architecture is whole and nothing before ("final": then prefixes are not evaluated).
      scale: of the primary that Q learns: "raw" as printed, or "rank": the share that it beats of
        all prefixes (with credit "final": architectures) evaluated so far.
      secondary_reward: of the first cost that is a secondary: "cost", as above; "excess": minus
        what it exceeds `target` by, as a ratio to it; or "broken": -1 where it exceeds `target`.
      target: for the latter two, in the cost's unit; None where the limit of a study's `costs` and
        `quantiles`, or `search.max_cost`, gives it.
      shaping: epsilon times the potentials is added where actions are chosen ("policy": line 15 of
        Algorithm 1, PIES) or to the targets of Q ("value": equation 2).
      schedule: of epsilon, see shaping.py.
      epsilon: at the start; one for all secondaries or one each.
      threshold: an epsilon that is not above it becomes 0 (equation 3).
      decay_episodes: after which "pies" reaches 0 and "regulated", without gains, e^-5 of the
        start; None: the search's.
      allowed: the share of architectures that may break the target, for "dual".
      discount: gamma, per layer.
      temperature, final_temperature: of the softmax policy at the start and, geometrically, at the
        end of the search; None: the same.
      learning_rate, potential_learning_rate: of Adam, for Q and the potentials.
      initial: paths of `learned.npz` that other searches left; the seed draws one, whose nets are
        gone on with. Without any: random nets.
      width: of the two hidden layers of every net.
      initial_value: of Q before it has learned.
      updates: gradient steps after every round.
      replays: architectures drawn from all so far for a step; 0: the round's own instead.
      models_per_round: architectures built side by side.
      attempts: an architecture that was built before is built again, up to so often in all, each
        time at twice the temperature; 1: repeats are asked for, as printed.
      infeasible: what a row counts, in every component that is a cost, that a device cannot run.
      validate_every: rounds between architectures built without exploration; the last one is the
        search's greedy answer.
      patience, tau: the search ends when in so many rounds the best primary grew by less than tau;
        None = never.
    """

    primary: str = "reward"
    secondaries: tuple[str, ...] | None = None
    credit: Literal["value", "gain", "final"] = "final"
    scale: Literal["raw", "rank"] = "rank"
    secondary_reward: Literal["cost", "excess", "broken"] = "excess"
    target: float | None = None
    shaping: Literal["policy", "value"] = "policy"
    schedule: Schedule = "equation_3"
    epsilon: tuple[float, ...] = (1.0,)
    threshold: float = 0.01
    decay_episodes: int | None = None
    allowed: float = 0.5
    discount: float = 0.9
    temperature: float = 0.05
    final_temperature: float | None = 0.02
    learning_rate: float = 1e-3
    potential_learning_rate: float = 1e-3
    initial: tuple[str, ...] = ()
    width: int = 64
    initial_value: float = 0.0
    updates: int = 4
    replays: int = 16
    models_per_round: int = 1
    attempts: int = 6
    infeasible: float = -3.0
    validate_every: int = 5
    patience: int | None = None
    tau: float = 0.0

    def __post_init__(self) -> None:
        for name in ("width", "updates", "models_per_round", "attempts", "validate_every"):
            check(getattr(self, name) >= 1, f"controller.{name}", getattr(self, name), ">= 1")
        for name in ("decay_episodes", "patience"):
            value = getattr(self, name)
            check(value is None or value >= 1, f"controller.{name}", value, ">= 1 or None")
        for name in ("temperature", "learning_rate", "potential_learning_rate"):
            check(getattr(self, name) > 0, f"controller.{name}", getattr(self, name), "> 0")
        for name in ("final_temperature", "target"):
            value = getattr(self, name)
            check(value is None or value > 0, f"controller.{name}", value, "> 0 or None")
        for name in ("threshold", "replays"):
            check(getattr(self, name) >= 0, f"controller.{name}", getattr(self, name), ">= 0")
        good = bool(self.epsilon) and min(self.epsilon) >= 0
        check(good, "controller.epsilon", self.epsilon, "one number or one a secondary, each >= 0")
        check(0 <= self.discount <= 1, "controller.discount", self.discount, "from 0 to 1")

    def epsilons(self, secondaries: int) -> tuple[float, ...]:
        """At the start, one for each.

        Raises:
          UserError: there are as many as there are not secondaries.
        """
        if len(self.epsilon) == 1:
            return self.epsilon * secondaries
        allowed = f"one number or {secondaries}"
        check(len(self.epsilon) == secondaries, "controller.epsilon", self.epsilon, allowed)
        return self.epsilon
