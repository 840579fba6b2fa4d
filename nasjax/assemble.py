"""Names in a config become parts. The one place that names concrete members."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from nasjax.config import check, parse_section, unknown
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
from nasjax.data.datasets import DataConfig, SearchData, Split, load_search, load_test
from nasjax.data.tables import load_table
from nasjax.errors import UserError
from nasjax.evaluation.table import Rows, TableConfig, in_order, make_table
from nasjax.evaluation.trained.evaluator import TrainedConfig, TrainedEvaluator
from nasjax.evaluation.trained.store import Result, ResultStore
from nasjax.rewards.accuracy import AccuracyConfig, make_accuracy
from nasjax.rewards.accuracy_gain import AccuracyGainConfig, make_accuracy_gain
from nasjax.rewards.final_accuracy import FinalAccuracyConfig, make_final_accuracy
from nasjax.rewards.weighted_product import WeightedProductConfig, make_weighted_product
from nasjax.search import SearchConfig
from nasjax.spaces.layer_chain import LayerChain, LayerChainConfig
from nasjax.spaces.nas_bench_201 import NasBench201
from nasjax.spaces.nas_bench_macro import NasBenchMacro
from nasjax.spaces.slots import SlotSpace
from nasjax.streams import stream
from nasjax.types import MEASURED, STATUSES, Controller, Evaluator, Reward

SECTIONS = ("seed", "space", "data", "controller", "evaluator", "reward", "search")


class Settings(NamedTuple):
    """A checked config: every section as its dataclass."""

    seed: int
    space: LayerChainConfig
    data: DataConfig
    controller: Any
    evaluator: TrainedConfig
    reward: Any
    search: SearchConfig
    names: dict[str, str]


class Parts(NamedTuple):
    """All that a search is made of."""

    settings: Settings
    root_key: jax.Array
    data: SearchData
    space: LayerChain
    controller: Controller
    evaluator: TrainedEvaluator
    reward: Reward
    load_test: Callable[[], Split]
    train_fn: Callable[[np.ndarray, Split, Split], float]


class _Request(NamedTuple):
    """What a controller may need to know of the other parts.

    Attributes:
      performance_size: P; counts_of: images per validation batch, None if accuracies are no counts.
      invalid_reward: what a row earns that cannot be built.
      rounds: of the search; queries: of its budget, at most.
    """

    space: Any
    performance_size: int
    counts_of: int | None
    invalid_reward: float
    rounds: int
    queries: int


def _trl_hpo(config: TrlHpoConfig, request: _Request) -> Controller:
    return make_trl_hpo(
        config,
        request.space,
        performance_size=request.performance_size,
        counts_of=request.counts_of,
        invalid_reward=request.invalid_reward,
        rounds=request.rounds,
    )


def _random_search(config: RandomSearchConfig, request: _Request) -> Controller:
    return make_random_search(config, request.space, performance_size=request.performance_size)


def _local_search(config: LocalSearchConfig, request: _Request) -> Controller:
    listed = isinstance(request.space, SlotSpace)
    allowed = "another one in this space: its neighbours cannot be listed"
    check(listed, "controller.name", "local_search", allowed)
    return make_local_search(config, request.space, performance_size=request.performance_size)


def _regularized_evolution(config: RegularizedEvolutionConfig, request: _Request) -> Controller:
    size = request.performance_size
    return make_regularized_evolution(config, request.space, performance_size=size)


def _reinforce(config: ReinforceConfig, request: _Request) -> Controller:
    return make_reinforce(config, request.space, performance_size=request.performance_size)


def _metaqnn(config: MetaqnnConfig, request: _Request) -> Controller:
    size, budget = request.performance_size, request.queries
    return make_metaqnn(config, request.space, performance_size=size, budget=budget)


def _multi_agent(config: MultiAgentConfig, request: _Request) -> Controller:
    size, budget = request.performance_size, request.queries
    return make_multi_agent(config, request.space, performance_size=size, budget=budget)


# Adding a member is one entry: its name -> its settings (and who builds it).
TABLE_SPACES: dict[str, Callable[[], SlotSpace]] = {
    "nas_bench_201": NasBench201,
    "nas_bench_macro": NasBenchMacro,
}
SPACES: dict[str, type] = {"layer_chain": LayerChainConfig}
CONTROLLERS: dict[str, tuple[type, Callable[[Any, _Request], Controller]]] = {
    "local_search": (LocalSearchConfig, _local_search),
    "metaqnn": (MetaqnnConfig, _metaqnn),
    "multi_agent": (MultiAgentConfig, _multi_agent),
    "random_search": (RandomSearchConfig, _random_search),
    "regularized_evolution": (RegularizedEvolutionConfig, _regularized_evolution),
    "reinforce": (ReinforceConfig, _reinforce),
    "trl_hpo": (TrlHpoConfig, _trl_hpo),
}
EVALUATORS: dict[str, type] = {"trained": TrainedConfig}
REWARDS: dict[str, tuple[type, Callable[[Any], Reward]]] = {
    "accuracy": (AccuracyConfig, make_accuracy),
    "accuracy_gain": (AccuracyGainConfig, make_accuracy_gain),
    "final_accuracy": (FinalAccuracyConfig, make_final_accuracy),
    "weighted_product": (WeightedProductConfig, make_weighted_product),
}


def parse(config: Mapping[str, Any]) -> Settings:
    """Checks a whole config.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed.
    """
    for key in config:
        if key not in SECTIONS:
            raise UserError(unknown(f"key config.{key}", key, list(SECTIONS)))
    for key in SECTIONS:
        if key not in config:
            raise UserError(f"config.{key} is missing; a config has {', '.join(SECTIONS)}")
    seed = config["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise UserError(f"config.seed={seed!r}; it must be a whole number from 0 to 2**32 - 1")
    members: dict[str, dict[str, type]] = {
        "space": SPACES,
        "controller": {name: cls for name, (cls, _) in CONTROLLERS.items()},
        "evaluator": EVALUATORS,
        "reward": {name: cls for name, (cls, _) in REWARDS.items()},
    }
    names, parsed = {}, {}
    for section, known in members.items():
        names[section], parsed[section] = _parse_member(section, config[section], known)
    return Settings(
        seed=seed,
        data=parse_section(DataConfig, config["data"], "data"),
        search=parse_section(SearchConfig, config["search"], "search"),
        names=names,
        **parsed,
    )


def assemble(
    settings: Settings,
    *,
    cache_dir: pathlib.Path,
    use_store: bool = True,
    on_result: Callable[[], None] = lambda: None,
) -> Parts:
    """Builds the parts of a search.

    Args:
      settings: from `parse`.
      cache_dir: holds decoded data sets and, if `use_store`, the results of all runs.
      on_result: called after every trained candidate.
    """
    data = load_search(settings.data, cache_dir)
    shape = data.train.images.shape[1:]
    space = LayerChain((shape[0], shape[1], shape[2]), data.num_classes, settings.space)
    evaluator_config, search = settings.evaluator, settings.search
    request = _Request(
        space=space,
        performance_size=evaluator_config.validation_batches,
        counts_of=evaluator_config.validation_batch_size,
        invalid_reward=settings.reward.invalid,
        rounds=search.rounds,
        queries=search.max_queries or search.rounds,
    )
    controller = CONTROLLERS[settings.names["controller"]][1](settings.controller, request)
    store = ResultStore(cache_dir / "results.sqlite") if use_store else None
    evaluator = TrainedEvaluator(settings.evaluator, space, data, store, on_result)
    root_key = jax.random.key(settings.seed)

    def train_fn(architecture: np.ndarray, train: Split, test: Split) -> float:
        return _train_once(settings, space, root_key, architecture, train, test)

    return Parts(
        settings=settings,
        root_key=root_key,
        data=data,
        space=space,
        controller=controller,
        evaluator=evaluator,
        reward=REWARDS[settings.names["reward"]][1](settings.reward),
        load_test=lambda: load_test(settings.data, cache_dir),
        train_fn=train_fn,
    )


class TableParts(NamedTuple):
    """All that a search on a table is made of."""

    space: SlotSpace
    rows: Rows
    controller: Controller
    evaluator: Evaluator
    reward: Reward


def resolve_table(config: Mapping[str, Any]) -> dict[str, Any]:
    """Sections `controller`, `evaluator` and `reward` with every default filled in, plain data.

    Raises:
      UserError: a key, name or value is unknown, missing or not allowed.
    """
    found = {"evaluator": parse_section(TableConfig, config["evaluator"], "evaluator")}
    names = {}
    for section, members in (("controller", CONTROLLERS), ("reward", REWARDS)):
        known = {name: member[0] for name, member in members.items()}
        names[section], found[section] = _parse_member(section, config[section], known)
    return {
        section: ({"name": names[section]} if section in names else {}) | dataclasses.asdict(values)
        for section, values in found.items()
    }


def assemble_table(config: Mapping[str, Any], queries: int) -> TableParts:
    """Builds the parts of a search that may be compiled whole.

    Args:
      config: sections `space`, `controller`, `evaluator` and `reward`, plain data.
      queries: its budget.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed; an accuracy is
        asked for that nothing in the table has.
    """
    check(queries >= 1, "study.budgets", queries, "1 or more")
    name, _ = _parse_member("space", config["space"], dict.fromkeys(TABLE_SPACES, _Nothing))
    space = TABLE_SPACES[name]()
    evaluator = parse_section(TableConfig, config["evaluator"], "evaluator")
    kinds = {key: cls for key, (cls, _) in CONTROLLERS.items()}
    controller_name, settings = _parse_member("controller", config["controller"], kinds)
    kinds = {key: cls for key, (cls, _) in REWARDS.items()}
    reward_name, reward = _parse_member("reward", config["reward"], kinds)
    rows = in_order(load_table(name, evaluator.data_set, evaluator.costs), space)
    top, least = float(np.nanmax(rows.search_accuracy)), getattr(settings, "min_accuracy", None)
    allowed = f"at most {top:.4f}, the best of {name}/{evaluator.data_set}, or None"
    check(least is None or least <= top, "controller.min_accuracy", least, allowed)
    priced = reward_name != "weighted_product" or evaluator.costs
    check(bool(priced), "evaluator.costs", evaluator.costs, "one name: reward.name asks for a cost")
    grown = getattr(settings, "models_per_episode", 1) * space.num_layers
    request = _Request(
        space=space,
        performance_size=evaluator.validation_batches,
        counts_of=evaluator.validation_batch_size if evaluator.noise else None,
        invalid_reward=reward.invalid,
        rounds=-(-queries // grown),
        queries=queries,
    )
    return TableParts(
        space=space,
        rows=rows,
        controller=CONTROLLERS[controller_name][1](settings, request),
        evaluator=make_table(rows, space, evaluator),
        reward=REWARDS[reward_name][1](reward),
    )


@dataclasses.dataclass(frozen=True)
class _Nothing:
    """A section with nothing but a name."""


def resolved(settings: Settings, space: LayerChain) -> dict[str, Any]:
    """The config with every default filled in, as plain data."""
    config: dict[str, Any] = {"seed": settings.seed}
    for section in SECTIONS[1:]:
        name = {"name": settings.names[section]} if section in settings.names else {}
        config[section] = {**name, **dataclasses.asdict(getattr(settings, section))}
    config["space"] |= {
        "input_shape": list(space.input_shape),
        "num_classes": space.num_classes,
    }
    return config


def remember_records(evaluator: TrainedEvaluator, rows: Any, images: int) -> None:
    """Gives a run's own records back to its evaluator, so that going on trains nothing twice.

    Args:
      rows: of `events.jsonl`, also those after the last checkpoint.
      images: of the search-validation split.
    """
    for row in rows:
        if row["event"] == "candidate" and row["status"] in (*MEASURED, "diverged"):
            counts = np.array(row["counts"], np.uint8)
            correct = round(row["accuracy"] * images)
            result = Result(STATUSES.index(row["status"]), counts, correct, 0.0)
            evaluator.remember(np.array(row["encoding"], np.int32), result)


def _parse_member(section: str, values: Any, known: dict[str, type]) -> tuple[str, Any]:
    if not isinstance(values, Mapping) or "name" not in values:
        raise UserError(f"config.{section}.name is missing; known: {', '.join(sorted(known))}")
    name = values["name"]
    if name not in known:
        raise UserError(unknown(f"config.{section}.name={name!r}", str(name), list(known)))
    rest = {key: value for key, value in values.items() if key != "name"}
    return name, parse_section(known[name], rest, section)


def _train_once(
    settings: Settings,
    space: LayerChain,
    root_key: jax.Array,
    architecture: np.ndarray,
    train: Split,
    test: Split,
) -> float:
    """Accuracy on `test` of one candidate trained on `train` by the search's recipe."""
    config = dataclasses.replace(
        settings.evaluator,
        lanes=1,
        conv_widths=(),
        fc_widths=(),
        stop_below=(),
        validation_batches=1,
        validation_batch_size=1,
    )
    data = SearchData(train, test, space.num_classes, fingerprint="final test")
    evaluator = TrainedEvaluator(config, space, data)
    result = evaluator.measure(stream(root_key, "final test"), np.asarray(architecture, np.int32))
    if STATUSES[result.status] != "ok":
        raise UserError(
            f"the final training of {space.to_text(architecture)} ended as "
            f"{STATUSES[result.status]}; try another seed"
        )
    return result.correct / len(test.labels)
