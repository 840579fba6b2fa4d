"""Every concrete space, controller, evaluator, reward and predictor by its name in a config.

Adding a member is one entry here: its name, its settings, and who builds it.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nasjax.config import check, parse_section, unknown
from nasjax.controllers.autocomet.config import AutocometConfig
from nasjax.controllers.autocomet.controller import make_autocomet
from nasjax.controllers.local_search.controller import LocalSearchConfig, make_local_search
from nasjax.controllers.metaqnn.controller import MetaqnnConfig, make_metaqnn
from nasjax.controllers.multi_agent.controller import MultiAgentConfig, make_multi_agent
from nasjax.controllers.random_search.controller import RandomSearchConfig, make_random_search
from nasjax.controllers.regularized_evolution.controller import (
    RegularizedEvolutionConfig,
    make_regularized_evolution,
)
from nasjax.controllers.reinforce.controller import ReinforceConfig, make_reinforce
from nasjax.controllers.trl_hpo.config import TrlHpoConfig
from nasjax.controllers.trl_hpo.controller import make_trl_hpo
from nasjax.errors import UserError
from nasjax.evaluation.surrogate import SurrogateConfig
from nasjax.evaluation.table import TableConfig
from nasjax.evaluation.trained.evaluator import TrainedConfig
from nasjax.predictors.bag_of_boosted_mlps import (
    BagOfBoostedMlpsConfig,
    make_bag_of_boosted_mlps,
)
from nasjax.predictors.bag_of_boosted_trees import (
    BagOfBoostedTreesConfig,
    make_bag_of_boosted_trees,
)
from nasjax.predictors.graph_convolution import GraphConvolutionConfig, make_graph_convolution
from nasjax.predictors.piecewise import COST, make_piecewise
from nasjax.predictors.predictor import Predictor
from nasjax.predictors.random_forest import RandomForestConfig, make_random_forest
from nasjax.predictors.saved import Saved
from nasjax.predictors.support_vectors import SupportVectorsConfig, make_support_vectors
from nasjax.predictors.transfer import make_transfer
from nasjax.rewards.accuracy import AccuracyConfig, make_accuracy
from nasjax.rewards.accuracy_gain import AccuracyGainConfig, make_accuracy_gain
from nasjax.rewards.final_accuracy import FinalAccuracyConfig, make_final_accuracy
from nasjax.rewards.weighted_product import WeightedProductConfig, make_weighted_product
from nasjax.rewards.weighted_sum import WeightedSumConfig, make_weighted_sum
from nasjax.runs.learned import load as load_learned
from nasjax.spaces.layer_chain import LayerChainConfig
from nasjax.spaces.mnasnet import MnasNet
from nasjax.spaces.nas_bench_201 import EDGES, NasBench201
from nasjax.spaces.nas_bench_macro import NasBenchMacro
from nasjax.spaces.slots import SlotSpace
from nasjax.types import Controller, Costs, Reward


class Request(NamedTuple):
    """What a controller may need to know of the other parts.

    Attributes:
      performance_size: P; counts_of: images per validation batch, None if accuracies are no counts.
      invalid_reward: what a row earns that cannot be built.
      rounds, max_queries: of the search; it ends with whichever comes first.
      costs: what the evaluator gives besides accuracies.
    """

    space: Any
    performance_size: int
    counts_of: int | None
    invalid_reward: float
    rounds: int
    max_queries: int | None
    costs: Costs = Costs()

    def queries(self, per_round: int) -> int:
        """Of the whole search, where every round makes so many."""
        most = self.rounds * per_round
        return min(most, self.max_queries or most)


def _trl_hpo(config: TrlHpoConfig, request: Request) -> Controller:
    grown = config.models_per_episode * request.space.num_layers
    return make_trl_hpo(
        config,
        request.space,
        performance_size=request.performance_size,
        counts_of=request.counts_of,
        invalid_reward=request.invalid_reward,
        rounds=math.ceil(request.queries(grown) / grown),
    )


def _autocomet(config: AutocometConfig, request: Request) -> Controller:
    has_slots = isinstance(request.space, SlotSpace)
    allowed = "another one in this space: it has no slots"
    check(has_slots, "controller.name", "autocomet", allowed)
    per_round = config.models_per_round
    if config.credit != "final":
        per_round *= request.space.num_layers
    return make_autocomet(
        config,
        request.space,
        performance_size=request.performance_size,
        costs=request.costs,
        queries=request.queries(per_round),
        learned=load_learned(config.initial) if config.initial else None,
    )


def _random_search(config: RandomSearchConfig, request: Request) -> Controller:
    return make_random_search(config, request.space, performance_size=request.performance_size)


def _local_search(config: LocalSearchConfig, request: Request) -> Controller:
    listed = isinstance(request.space, SlotSpace)
    allowed = "another one in this space: its neighbours cannot be listed"
    check(listed, "controller.name", "local_search", allowed)
    return make_local_search(config, request.space, performance_size=request.performance_size)


def _regularized_evolution(config: RegularizedEvolutionConfig, request: Request) -> Controller:
    size = request.performance_size
    return make_regularized_evolution(config, request.space, performance_size=size)


def _reinforce(config: ReinforceConfig, request: Request) -> Controller:
    return make_reinforce(config, request.space, performance_size=request.performance_size)


def _metaqnn(config: MetaqnnConfig, request: Request) -> Controller:
    size, budget = request.performance_size, request.queries(per_round=1)
    return make_metaqnn(config, request.space, performance_size=size, budget=budget)


def _multi_agent(config: MultiAgentConfig, request: Request) -> Controller:
    size, budget = request.performance_size, request.queries(request.space.num_layers + 1)
    return make_multi_agent(config, request.space, performance_size=size, budget=budget)


def _graph_convolution(config: GraphConvolutionConfig, space: Any) -> Predictor:
    is_cell = isinstance(space, NasBench201)
    check(is_cell, "predictors", "graph_convolution", "another one: this space has no cells")
    return make_graph_convolution(config, EDGES, len(space.operations))


@dataclasses.dataclass(frozen=True)
class _Nothing:
    """A section with nothing but a name."""


TABLE_SPACES: dict[str, Callable[[], SlotSpace]] = {
    "nas_bench_201": NasBench201,
    "nas_bench_macro": NasBenchMacro,
}
# Too large for a table: surrogates predict what their networks would have.
SURROGATE_SPACES: dict[str, Callable[[], SlotSpace]] = {"mnasnet": MnasNet}
SPACES: dict[str, type] = {
    "layer_chain": LayerChainConfig,
    **dict.fromkeys((*TABLE_SPACES, *SURROGATE_SPACES), _Nothing),
}
CONTROLLERS: dict[str, tuple[type, Callable[[Any, Request], Controller]]] = {
    "autocomet": (AutocometConfig, _autocomet),
    "local_search": (LocalSearchConfig, _local_search),
    "metaqnn": (MetaqnnConfig, _metaqnn),
    "multi_agent": (MultiAgentConfig, _multi_agent),
    "random_search": (RandomSearchConfig, _random_search),
    "regularized_evolution": (RegularizedEvolutionConfig, _regularized_evolution),
    "reinforce": (ReinforceConfig, _reinforce),
    "trl_hpo": (TrlHpoConfig, _trl_hpo),
}
EVALUATORS: dict[str, type] = {
    "surrogate": SurrogateConfig,
    "table": TableConfig,
    "trained": TrainedConfig,
}
REWARDS: dict[str, tuple[type, Callable[[Any], Reward]]] = {
    "accuracy": (AccuracyConfig, make_accuracy),
    "accuracy_gain": (AccuracyGainConfig, make_accuracy_gain),
    "final_accuracy": (FinalAccuracyConfig, make_final_accuracy),
    "weighted_product": (WeightedProductConfig, make_weighted_product),
    "weighted_sum": (WeightedSumConfig, make_weighted_sum),
}
PREDICTORS: dict[str, tuple[type, Callable[[Any, Any], Predictor]]] = {
    "bag_of_boosted_mlps": (
        BagOfBoostedMlpsConfig,
        lambda config, space: make_bag_of_boosted_mlps(config),
    ),
    "bag_of_boosted_trees": (
        BagOfBoostedTreesConfig,
        lambda config, space: make_bag_of_boosted_trees(config),
    ),
    "graph_convolution": (GraphConvolutionConfig, _graph_convolution),
    "random_forest": (RandomForestConfig, lambda config, space: make_random_forest(config)),
    "support_vectors": (SupportVectorsConfig, lambda config, space: make_support_vectors(config)),
}


def slot_space(name: str) -> SlotSpace:
    """A space whose outcomes are looked up or predicted."""
    return (TABLE_SPACES | SURROGATE_SPACES)[name]()


def fitting_evaluator(space: Any) -> str:
    """The name of the evaluator that a space of that name has."""
    if space in TABLE_SPACES:
        return "table"
    return "surrogate" if space in SURROGATE_SPACES else "trained"


TRANSFER = "transfer"  # method of a saved one; its settings are those of the known devices'


def _predictor(values: Mapping[str, Any], space: Any) -> Predictor:
    name, settings = parse_member("predictor", values)
    return PREDICTORS[name][1](settings, space)


def of_saved(saved: Saved, space: Any) -> Predictor:
    """The predictor that a saved one's params are of.

    Raises:
      UserError: its method or settings are unknown here.
    """
    if saved.method == TRANSFER:
        return make_transfer(_predictor(saved.settings, space))
    predictor = _predictor({"name": saved.method, **saved.settings}, space)
    return make_piecewise(predictor) if COST in saved.params else predictor


def parse_member(section: str, values: Any) -> tuple[str, Any]:
    """The name and the settings of a section `space`, `controller` and so on.

    Raises:
      UserError: the name or a key is unknown or missing, a value is not allowed.
    """
    known = _SETTINGS[section]
    if not isinstance(values, Mapping) or "name" not in values:
        raise UserError(f"config.{section}.name is missing; known: {', '.join(sorted(known))}")
    name = values["name"]
    if name not in known:
        raise UserError(unknown(f"config.{section}.name={name!r}", str(name), list(known)))
    rest = {key: value for key, value in values.items() if key != "name"}
    return name, parse_section(known[name], rest, section)


_SETTINGS: dict[str, dict[str, type]] = {
    "space": SPACES,
    "controller": {name: settings for name, (settings, _) in CONTROLLERS.items()},
    "evaluator": EVALUATORS,
    "reward": {name: settings for name, (settings, _) in REWARDS.items()},
    "predictor": {name: settings for name, (settings, _) in PREDICTORS.items()},
}
