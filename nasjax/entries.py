"""The entry of a member in the registry, or outside the project: what it must say of itself.

A member's settings are a frozen dataclass, the config section without `name`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nasjax.evaluation.evaluation import Evaluation, EvaluationRequest, Tables
from nasjax.predictors.predictor import Predictor
from nasjax.types import Controller, Costs, Reward


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """The section of a member that has nothing to set: a name alone."""


def _unchanged(settings: Any, max_cost: float, costs: Costs) -> Any:
    """The `with_max_cost` of members without a target."""
    del max_cost, costs
    return settings


class Request(NamedTuple):
    """What a controller may need to know of the other parts of a search.

    Attributes:
      space: the space it searches.
      performance_size: P.
      counts_of: images per validation batch, None if accuracies are no counts.
      invalid_reward: the reward of a row that cannot be built.
      rounds, max_queries: of the search; it ends with whichever comes first.
      costs: of the outcomes, besides accuracies.
      best_accuracy: the best that the search can see, None if nobody knows.
    """

    space: Any
    performance_size: int
    counts_of: int | None
    invalid_reward: float
    rounds: int
    max_queries: int | None
    costs: Costs = Costs()
    best_accuracy: float | None = None

    def queries(self, per_round: int) -> int:
        """Queries of the whole search, if every round makes `per_round`."""
        most = self.rounds * per_round
        return min(most, self.max_queries or most)


Images = tuple[tuple[int, int, int], int]  # (height, width, channels), number of classes


@dataclasses.dataclass(frozen=True)
class SpaceEntry:
    """A search space.

    Attributes:
      name: in configs.
      make: (settings, images) -> Space; images are those of section `data`, None where no candidate
        is trained.
      settings: dataclass of section `space`, `name` left out.
      evaluator: the evaluator that its architectures have, a name of EVALUATORS or an entry; None:
        none yet, the space serves studies of predictors alone.
      tables: its tables of results; None where results are not looked up.
      layer_text: (space, layer [F]) -> the layer in words, for reports.
      profile: "module:ATTRIBUTE", how its networks are profiled on a device; None: they are not.
      measured_networks: names for `data.tables.load_networks` whose networks are of this space.
    """

    name: str
    make: Callable[[Any, Images | None], Any]
    settings: type = NoSettings
    evaluator: "str | EvaluatorEntry | None" = "trained"
    tables: Tables | None = None
    layer_text: Callable[[Any, Sequence[int]], str] = lambda space, layer: space.to_text([layer])
    profile: str | None = None
    measured_networks: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ControllerEntry:
    """A search method.

    Attributes:
      name: in configs.
      make: (settings, Request) -> Controller.
      settings: dataclass of section `controller`, `name` left out.
      with_max_cost: (settings, max_cost, costs) -> settings, an open target filled in.
    """

    name: str
    make: Callable[[Any, Request], Controller]
    settings: type = NoSettings
    with_max_cost: Callable[[Any, float, Costs], Any] = _unchanged


@dataclasses.dataclass(frozen=True)
class EvaluatorEntry:
    """A way to come by results.

    Attributes:
      name: in configs.
      make: (settings, EvaluationRequest) -> Evaluation.
      settings: dataclass of section `evaluator`, `name` left out.
      trains: whether it needs images, section `data`.
      with_digest: (settings, names of more costs) -> settings with the digest of the files that are
        read; a run goes on with no others.
      test_text: how the test accuracy was come by, for reports.
    """

    name: str
    make: Callable[[Any, EvaluationRequest], Evaluation]
    settings: type = NoSettings
    trains: bool = False
    with_digest: Callable[[Any, Sequence[str]], Any] = lambda settings, costs: settings
    test_text: str = "measured"


@dataclasses.dataclass(frozen=True)
class RewardEntry:
    """A reward.

    Attributes:
      name: in configs.
      make: (settings) -> Reward. Settings may have `invalid`, the reward of a row that cannot be
        built, which controllers are told; else it is 0.
      settings: dataclass of section `reward`, `name` left out.
      needs_cost: whether it reads the first cost.
      with_max_cost: see `ControllerEntry`.
    """

    name: str
    make: Callable[[Any], Reward]
    settings: type = NoSettings
    needs_cost: bool = False
    with_max_cost: Callable[[Any, float, Costs], Any] = _unchanged


@dataclasses.dataclass(frozen=True)
class PredictorEntry:
    """A predictor of costs or accuracies.

    Attributes:
      name: in configs.
      make: (settings, space) -> Predictor.
      settings: dataclass of the section, `name` left out.
    """

    name: str
    make: Callable[[Any, Any], Predictor]
    settings: type = NoSettings
