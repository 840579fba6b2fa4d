"""The entry of a member in the registry, or outside the project: what it must say of itself.

A member's settings are a frozen dataclass, the config section without `name`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from nasjax.evaluation.evaluation import Tables
from nasjax.types import Costs


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """The section of a member that has nothing to set: a name alone."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """A member of any kind; in a config, in place of a section, it means its default settings.

    Attributes:
      name: in configs.
      make: builds the member from its settings and more, which each kind says.
      settings: dataclass of the member's section, `name` left out.
    """

    name: str
    make: Callable[..., Any]
    settings: type = NoSettings


Images = tuple[tuple[int, int, int], int]  # (height, width, channels), number of classes


@dataclasses.dataclass(frozen=True)
class SpaceEntry(Entry):
    """A search space.

    Attributes:
      make: (settings, images) -> Space; images are those of section `data`, None where no candidate
        is trained.
      evaluator: the evaluator that its architectures have, a name of EVALUATORS or an entry; None:
        none yet, the space serves studies of predictors alone.
      tables: its tables of results; None where results are not looked up.
      profile: "module:ATTRIBUTE", how its networks are profiled on a device; None: they are not.
      measured_networks: names for `data.tables.load_networks` whose networks are of this space.
    """

    evaluator: "str | EvaluatorEntry | None" = "trained"
    tables: Tables | None = None
    profile: str | None = None
    measured_networks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ControllerEntry(Entry):
    """A search method.

    Attributes:
      make: (settings, Request) -> Controller.
      with_max_cost: (settings, max_cost, costs) -> settings, an open target filled in.
    """

    with_max_cost: Callable[[Any, float, Costs], Any] = lambda settings, max_cost, costs: settings


@dataclasses.dataclass(frozen=True)
class EvaluatorEntry(Entry):
    """A way to come by results.

    Attributes:
      make: (settings, EvaluationRequest) -> Evaluation.
      trains: whether it needs images, section `data`.
      with_digest: (settings, names of more costs) -> settings with the digest of the files that are
        read; a run goes on with no others.
    """

    trains: bool = False
    with_digest: Callable[[Any, Sequence[str]], Any] = lambda settings, costs: settings


@dataclasses.dataclass(frozen=True)
class RewardEntry(Entry):
    """A reward.

    Attributes:
      make: (settings) -> Reward. Settings may have `invalid`, the reward of a row that cannot be
        built, which controllers are told; else it is 0.
      needs_cost: whether it reads the first cost.
      with_max_cost: see `ControllerEntry`.
    """

    needs_cost: bool = False
    with_max_cost: Callable[[Any, float, Costs], Any] = lambda settings, max_cost, costs: settings


@dataclasses.dataclass(frozen=True)
class PredictorEntry(Entry):
    """A predictor of costs or accuracies; make: (settings, space) -> Predictor."""
