"""Every space, controller, evaluator, reward and predictor by its name in a config: one entry each.

Adding a member is one entry here. A member outside the project needs none: in a config, `name` may
also be "package.module:ATTRIBUTE", whose value is an entry, or (in Python) the entry itself. Every
function raises a UserError for a name, key or value that is unknown, missing or not allowed.
"""

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from nasjax.config import check, parse_section, unknown
from nasjax.controllers.autocomet.config import AutocometConfig
from nasjax.controllers.autocomet.controller import make_autocomet
from nasjax.controllers.autocomet.rewards import with_max_cost as with_autocomets_max_cost
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
from nasjax.data import tables
from nasjax.entries import (
    ControllerEntry,
    Entry,
    EvaluatorEntry,
    Images,
    PredictorEntry,
    RewardEntry,
    SpaceEntry,
)
from nasjax.errors import UserError
from nasjax.evaluation import surrogate, table
from nasjax.evaluation.evaluation import Rows, Tables
from nasjax.evaluation.trained.cohorts import TrainedConfig
from nasjax.evaluation.trained.evaluation import evaluate_by_training
from nasjax.predictors.bag_of_boosted_mlps import BagOfBoostedMlpsConfig, make_bag_of_boosted_mlps
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
from nasjax.rewards.accuracy import (
    AccuracyConfig,
    ProgressiveConfig,
    make_accuracy,
    make_accuracy_gain,
    make_final_accuracy,
)
from nasjax.rewards.weighted import (
    WeightedProductConfig,
    WeightedSumConfig,
    make_weighted_product,
    make_weighted_sum,
    with_max_cost,
)
from nasjax.runs.learned import load as load_learned
from nasjax.spaces.fbnet import OF_SMALL_IMAGES
from nasjax.spaces.layer_chain import LayerChain, LayerChainConfig
from nasjax.spaces.mnasnet import MnasNet
from nasjax.spaces.nas_bench_201 import EDGES, NasBench201
from nasjax.spaces.nas_bench_macro import NasBenchMacro
from nasjax.spaces.ofa_mobilenet_v3 import OfaMobileNetV3
from nasjax.spaces.slots import SlotSpace
from nasjax.types import Controller, Request

E = TypeVar("E", bound=Entry)


def _autocomet(config: AutocometConfig, request: Request) -> Controller:
    learned = load_learned(config.initial) if config.initial else None
    return make_autocomet(config, request, learned)


def _any(make: Callable[[Any], Predictor]) -> Callable[[Any, Any], Predictor]:
    """Makes predictors that need no space."""
    return lambda config, space: make(config)


def _graph_convolution(config: GraphConvolutionConfig, space: Any) -> Predictor:
    is_cell = isinstance(space, NasBench201)
    check(is_cell, "predictors", "graph_convolution", "another one: this space has no cells")
    return make_graph_convolution(config, EDGES, len(space.operations))


def _layer_chain(config: LayerChainConfig, images: Images | None) -> LayerChain:
    assert images is not None
    return LayerChain(images[0], images[1], config)


def _slot_space(name: str, space: SlotSpace, evaluator: str | None, **more: Any) -> SpaceEntry:
    """An entry of a space without settings, whose networks nobody trains."""
    return SpaceEntry(name, lambda config, images: space, evaluator=evaluator, **more)


def _published(name: str, space: SlotSpace) -> Tables:
    def load(data_set: str, costs: Sequence[str]) -> Rows:
        return table.in_order(tables.load_table(name, data_set, costs), space)

    return Tables(tables.data_sets(name), functools.partial(tables.cost_names, name), load)


def _named(*entries: E) -> dict[str, E]:
    return {entry.name: entry for entry in entries}


SPACES: dict[str, SpaceEntry] = _named(
    SpaceEntry(
        "layer_chain",
        _layer_chain,
        LayerChainConfig,
        profile="nasjax.profiling.networks.layer_chain:PROFILE",
    ),
    _slot_space(
        "nas_bench_201",
        NasBench201(),
        "table",
        tables=_published("nas_bench_201", NasBench201()),
        profile="nasjax.profiling.networks.nas_bench_201:PROFILE",
        measured_networks=("one_proxy",),
    ),
    _slot_space(
        "nas_bench_macro",
        NasBenchMacro(),
        "table",
        tables=_published("nas_bench_macro", NasBenchMacro()),
        profile="nasjax.profiling.networks.nas_bench_macro:PROFILE",
    ),
    # Too large for a table: surrogates predict what its networks would have.
    _slot_space("mnasnet", MnasNet(), "surrogate", measured_networks=("accel_nasbench",)),
    _slot_space("fbnet", OF_SMALL_IMAGES, None, measured_networks=("help_fbnet",)),
    _slot_space("ofa_mobilenet_v3", OfaMobileNetV3(), None, measured_networks=("help_ofa",)),
)
CONTROLLERS: dict[str, ControllerEntry] = _named(
    ControllerEntry("autocomet", _autocomet, AutocometConfig, with_autocomets_max_cost),
    ControllerEntry("local_search", make_local_search, LocalSearchConfig),
    ControllerEntry("metaqnn", make_metaqnn, MetaqnnConfig),
    ControllerEntry("multi_agent", make_multi_agent, MultiAgentConfig),
    ControllerEntry("random_search", make_random_search, RandomSearchConfig),
    ControllerEntry(
        "regularized_evolution", make_regularized_evolution, RegularizedEvolutionConfig
    ),
    ControllerEntry("reinforce", make_reinforce, ReinforceConfig),
    ControllerEntry("trl_hpo", make_trl_hpo, TrlHpoConfig),
)
STUDIED = "table"  # the evaluator of a study that names none
EVALUATORS: dict[str, EvaluatorEntry] = _named(
    EvaluatorEntry(
        "surrogate",
        surrogate.evaluate_by_surrogates,
        surrogate.SurrogateConfig,
        with_digest=surrogate.with_digest,
    ),
    EvaluatorEntry(
        "table", table.evaluate_from_table, table.TableConfig, with_digest=table.with_digest
    ),
    EvaluatorEntry("trained", evaluate_by_training, TrainedConfig, trains=True),
)
REWARDS: dict[str, RewardEntry] = _named(
    RewardEntry("accuracy", make_accuracy, AccuracyConfig),
    RewardEntry("accuracy_gain", make_accuracy_gain, ProgressiveConfig),
    RewardEntry("final_accuracy", make_final_accuracy, ProgressiveConfig),
    RewardEntry(
        "weighted_product", make_weighted_product, WeightedProductConfig, True, with_max_cost
    ),
    RewardEntry("weighted_sum", make_weighted_sum, WeightedSumConfig, True, with_max_cost),
)
PREDICTORS: dict[str, PredictorEntry] = _named(
    PredictorEntry("bag_of_boosted_mlps", _any(make_bag_of_boosted_mlps), BagOfBoostedMlpsConfig),
    PredictorEntry(
        "bag_of_boosted_trees", _any(make_bag_of_boosted_trees), BagOfBoostedTreesConfig
    ),
    PredictorEntry("graph_convolution", _graph_convolution, GraphConvolutionConfig),
    PredictorEntry("random_forest", _any(make_random_forest), RandomForestConfig),
    PredictorEntry("support_vectors", _any(make_support_vectors), SupportVectorsConfig),
)
_KINDS: dict[str, tuple[type[Entry], Mapping[str, Entry]]] = {
    "space": (SpaceEntry, SPACES),
    "controller": (ControllerEntry, CONTROLLERS),
    "evaluator": (EvaluatorEntry, EVALUATORS),
    "reward": (RewardEntry, REWARDS),
    "predictor": (PredictorEntry, PREDICTORS),
}


class Member(NamedTuple):
    """A checked section: the name that it has in a config, its entry, its settings."""

    name: str
    entry: Any
    settings: Any


def find(section: str, name: Any) -> Any:
    """The entry that `config.SECTION.name` means: a name here, or one from outside, see above."""
    kind, known = _KINDS[section]
    key = f"config.{section}.name={name!r}"
    if isinstance(name, str) and ":" in name:
        return _imported(name, kind, key)
    if isinstance(name, kind):
        return name
    if not isinstance(name, str) or name not in known:
        raise UserError(unknown(key, str(name), list(known)) + ', or "package.module:ATTRIBUTE"')
    return known[name]


def _imported(name: str, kind: type, key: str) -> Any:
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:  # a module may raise anything when it is imported
        raise UserError(f"{key}: cannot import {module_name!r}: {error!r}") from error
    if not hasattr(module, attribute):
        raise UserError(f"{key}: {module_name!r} has no attribute {attribute!r}")
    found = getattr(module, attribute)
    if not isinstance(found, kind):
        is_of = type(found).__name__
        raise UserError(f"{key}: it is of type {is_of}; it must be a {kind.__name__}")
    return found


def parse_member(section: str, values: Any) -> Member:
    """A section `space`, `controller` and so on, checked; an entry means its default settings."""
    known = ", ".join(sorted(_KINDS[section][1]))
    if isinstance(values, Entry):
        values = {"name": values}
    if not isinstance(values, Mapping) or "name" not in values:
        raise UserError(f"config.{section}.name is missing; known: {known}")
    name, entry = values["name"], find(section, values["name"])
    rest = {key: value for key, value in values.items() if key != "name"}
    settings = parse_section(entry.settings, rest, section)
    return Member(name if isinstance(name, str) else entry.name, entry, settings)


def slot_space(name: str) -> SlotSpace:
    """A space whose architectures are not trained but looked up or predicted."""
    entry = find("space", name)
    is_trained = fitting_evaluator(name).trains
    check(not is_trained, "space.name", name, "a space whose results are looked up or predicted")
    found: SlotSpace = entry.make(entry.settings(), None)
    return found


def fitting_evaluator(name: Any) -> EvaluatorEntry:
    """The evaluator of a space."""
    evaluator = find("space", name).evaluator
    allowed = "a space that can be searched: its networks serve studies of predictors alone"
    check(evaluator is not None, "space.name", name, allowed)
    found: EvaluatorEntry = find("evaluator", evaluator)
    return found


TRANSFER = "transfer"  # method of a saved one; its settings are those of the known devices'


def make_predictor(values: Mapping[str, Any], space: Any) -> Predictor:
    """The predictor of a section with `name` and settings."""
    member = parse_member("predictor", values)
    made: Predictor = member.entry.make(member.settings, space)
    return made


def of_saved(saved: Saved, space: Any) -> Predictor:
    """The predictor that the params of a saved one are for."""
    if saved.method == TRANSFER:
        return make_transfer(make_predictor(saved.settings, space))
    predictor = make_predictor({"name": saved.method, **saved.settings}, space)
    return make_piecewise(predictor) if COST in saved.params else predictor
