"""A checked config becomes the parts of a search; `members` has them by name."""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from nasjax import known
from nasjax.config import check, parse_section, unknown
from nasjax.controllers.autocomet.config import AutocometConfig
from nasjax.controllers.autocomet.rewards import Costs, limited_cost
from nasjax.data.datasets import DataConfig, SearchData, Split, load_search, load_test
from nasjax.data.tables import load_table
from nasjax.errors import UserError
from nasjax.evaluation import surrogate
from nasjax.evaluation.table import Rows, TableConfig, make_table
from nasjax.evaluation.trained.evaluator import TrainedEvaluator
from nasjax.evaluation.trained.store import Result, ResultStore
from nasjax.registry import (
    CONTROLLERS,
    REWARDS,
    SURROGATE_SPACES,
    TABLE_SPACES,
    Request,
    fitting_evaluator,
    of_saved,
    parse_member,
)
from nasjax.runs.final_test import TestFn, retrained
from nasjax.search import SearchConfig
from nasjax.spaces.layer_chain import LayerChain
from nasjax.spaces.slots import SlotSpace
from nasjax.streams import stream
from nasjax.types import MEASURED, STATUSES, Controller, Evaluator, Reward

SECTIONS = ("seed", "space", "data", "controller", "evaluator", "reward", "search")
MEMBERS = ("space", "controller", "evaluator", "reward")


class Settings(NamedTuple):
    """A checked config: every section as its dataclass; no data where results are looked up."""

    seed: int
    space: Any
    data: DataConfig | None
    controller: Any
    evaluator: Any
    reward: Any
    search: SearchConfig
    names: dict[str, str]


class Parts(NamedTuple):
    """All that a search is made of.

    Attributes:
      counts_of: images per validation batch if accuracies are counts of so many, else None.
      remember: gives a run's own records back to its evaluator, also those after the last
        checkpoint, so that going on trains nothing twice.
      test_fn: of the final test.
    """

    settings: Settings
    root_key: jax.Array
    space: Any
    controller: Controller
    evaluator: Evaluator
    reward: Reward
    counts_of: int | None
    remember: Callable[[Iterable[Any]], None]
    test_fn: TestFn


class TableParts(NamedTuple):
    """All that a search is made of that may be compiled whole: on a table, or on surrogates.

    Attributes:
      rows: the table; where there is none, what surrogates predict of a sample of the space.
      evaluator_of: the evaluator that looks up in these or other rows of that shape; may be traced,
        so that tables can share a program. Of surrogates, the same of `seen`.
      seen: what surrogates predict from, instead of rows.
    """

    space: SlotSpace
    rows: Rows
    controller: Controller
    evaluator_of: Callable[[Any], Evaluator]
    reward: Reward
    seen: Any = None

    @property
    def read(self) -> Any:
        """What `evaluator_of` reads."""
        return self.rows if self.seen is None else self.seen

    @property
    def evaluator(self) -> Evaluator:
        """Of what it reads itself."""
        return self.evaluator_of(self.read)


def parse(config: Mapping[str, Any]) -> Settings:
    """Checks a whole config.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed.
    """
    for key in config:
        if key not in SECTIONS:
            raise UserError(unknown(f"key config.{key}", key, list(SECTIONS)))
    space = config["space"].get("name") if isinstance(config.get("space"), Mapping) else None
    fitting = fitting_evaluator(space)
    wanted = [key for key in SECTIONS if key != "data" or fitting == "trained"]
    for key in wanted:
        if key not in config:
            raise UserError(f"config.{key} is missing; a config has {', '.join(wanted)}")
    if "data" in config and "data" not in wanted:
        raise UserError(
            f"config.data is of no use: results of config.space.name={space!r} are known"
        )
    seed = config["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise UserError(f"config.seed={seed!r}; it must be a whole number from 0 to 2**32 - 1")
    names, parsed = {}, {}
    for section in MEMBERS:
        names[section], parsed[section] = parse_member(section, config[section])
    allowed = f"{fitting!r}, for space.name={space!r}"
    check(names["evaluator"] == fitting, "evaluator.name", names["evaluator"], allowed)
    return Settings(
        seed=seed,
        data=parse_section(DataConfig, config["data"], "data") if "data" in wanted else None,
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
    if settings.data is None:
        return _assemble_look_up(settings)
    _check_max_cost(settings, ())
    data_config = settings.data
    data = load_search(data_config, cache_dir)
    shape = data.train.images.shape[1:]
    space = LayerChain((shape[0], shape[1], shape[2]), data.num_classes, settings.space)
    store = ResultStore(cache_dir / "results.sqlite") if use_store else None
    evaluator = TrainedEvaluator(settings.evaluator, space, data, store, on_result)
    counts_of = settings.evaluator.validation_batch_size
    root_key = jax.random.key(settings.seed)

    def train_fn(architecture: np.ndarray, train: Split, test: Split) -> float:
        return _train_once(settings, space, root_key, architecture, train, test)

    return Parts(
        settings=settings,
        root_key=root_key,
        space=space,
        controller=_controller(settings, space, counts_of, Costs()),
        evaluator=evaluator.evaluator(),
        reward=REWARDS[settings.names["reward"]][1](settings.reward),
        counts_of=counts_of,
        remember=lambda rows: remember_records(evaluator, rows, len(data.validation.labels)),
        test_fn=retrained(train_fn, data, lambda: load_test(data_config, cache_dir)),
    )


def _assemble_look_up(settings: Settings) -> Parts:
    """The parts of a search whose outcomes are known; the final test reads the other accuracy."""
    predicted = settings.names["evaluator"] == "surrogate"
    made = _surrogate_parts(settings) if predicted else _table_parts(settings)

    def test_fn(architecture: np.ndarray) -> dict[str, Any]:
        if predicted:
            rows = known.rows_of_surrogates(made.space, settings.evaluator, architecture[None])
            reported = rows.reported_accuracy[0]
        else:
            index = int(made.space.index(jax.numpy.asarray(architecture)))
            reported = made.rows.reported_accuracy[index]
        return {"test_accuracy": float(reported)}

    return Parts(
        settings=settings,
        root_key=jax.random.key(settings.seed),
        space=made.space,
        controller=made.controller,
        evaluator=made.evaluator,
        reward=made.reward,
        counts_of=_counts_of(settings.evaluator),
        remember=lambda rows: None,
        test_fn=test_fn,
    )


def assemble_table(
    config: Mapping[str, Any], queries: int, max_cost: float | None = None
) -> TableParts:
    """Builds the parts of a search that may be compiled whole.

    Args:
      config: sections `space`, `controller`, `evaluator` and `reward`, plain data.
      queries: its budget.
      max_cost: as `search.max_cost`; the first cost is counted in it, so that searches which differ
        in it have one program.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed; an accuracy is
        asked for that nothing in the table has.
    """
    check(queries >= 1, "study.budgets", queries, "1 or more")
    name = config["space"]["name"]
    spaces = [*TABLE_SPACES, *SURROGATE_SPACES]
    if name not in spaces:
        raise UserError(unknown(f"config.space.name={name!r}", name, spaces))
    config = {**config, "evaluator": {"name": "table", **config["evaluator"]}}
    # The budget decides; a round makes a query at least.
    search = {"rounds": queries, "max_queries": queries, "max_cost": max_cost and 1}
    settings = parse({"seed": 0, "search": search, **config})
    make = _surrogate_parts if name in SURROGATE_SPACES else _table_parts
    return make(settings, max_cost or 1.0)


def resolve_table(config: Mapping[str, Any]) -> dict[str, Any]:
    """Sections `controller`, `evaluator` and `reward` with every default filled in, plain data.

    Raises:
      UserError: a key, name or value is unknown, missing or not allowed.
    """
    found: dict[str, Any] = {}
    for section in ("controller", "reward"):
        name, values = parse_member(section, config[section])
        found[section] = {"name": name, **dataclasses.asdict(values)}
    name, evaluator = parse_member("evaluator", {"name": "table", **config["evaluator"]})
    named = {} if name == "table" else {"name": name}
    return {"evaluator": {**named, **dataclasses.asdict(evaluator)}, **found}


def resolved(settings: Settings, space: Any) -> dict[str, Any]:
    """The config with every default filled in, as plain data."""
    config: dict[str, Any] = {"seed": settings.seed}
    for section in SECTIONS[1:]:
        if section != "data" or settings.data:
            name = {"name": settings.names[section]} if section in settings.names else {}
            config[section] = {**name, **dataclasses.asdict(getattr(settings, section))}
    if isinstance(settings.evaluator, surrogate.SurrogateConfig):
        evaluator = surrogate.with_digest(settings.evaluator, settings.evaluator.costs)
        config["evaluator"]["digest"] = evaluator.digest
    if isinstance(settings.evaluator, TableConfig):
        config["evaluator"]["digest"] = known.digest_of_predicted(settings.evaluator)
    if isinstance(space, LayerChain):
        shape = {"input_shape": list(space.input_shape), "num_classes": space.num_classes}
        config["space"] |= shape
    return config


def _table_parts(settings: Settings, unit: float = 1.0) -> TableParts:
    name, evaluator = settings.names["space"], settings.evaluator
    space = TABLE_SPACES[name]()
    rows = known.rows_of(load_table(name, evaluator.data_set, evaluator.costs), name)
    rows = known.in_units(known.with_predicted(rows, space, evaluator), unit)
    top = float(np.nanmax(rows.search_accuracy))
    least = getattr(settings.controller, "min_accuracy", None)
    allowed = f"at most {top:.4f}, the best of {name}/{evaluator.data_set}, or None"
    check(least is None or least <= top, "controller.min_accuracy", least, allowed)
    make = functools.partial(make_table, space=space, config=evaluator)
    return _known_parts(settings, space, rows, (*evaluator.costs, *evaluator.predicted), make)


def _surrogate_parts(settings: Settings, unit: float = 1.0) -> TableParts:
    evaluator = settings.evaluator
    space = SURROGATE_SPACES[settings.names["space"]]()
    surrogates = surrogate.load(evaluator, space, of_saved)
    rows = known.in_units(
        surrogate.predict_rows(surrogates, space, surrogate.drawn_from(space)), unit
    )
    predictors = tuple(each.predictor for each in (surrogates.accuracy, *surrogates.costs))
    make = functools.partial(
        surrogate.make_surrogate, predictors=predictors, space=space, config=evaluator
    )
    seen = surrogate.seen_of(surrogates, unit)
    return _known_parts(settings, space, rows, evaluator.costs, make, seen)


def _known_parts(
    settings: Settings,
    space: SlotSpace,
    rows: Rows,
    asked: tuple[str, ...],
    evaluator_of: Callable[[Any], Evaluator],
    seen: Any = None,
) -> TableParts:
    """See `TableParts`; `asked`: names of the rows' costs."""
    can_run = np.isfinite(rows.costs).all(1) & ~np.isnan(rows.search_accuracy)
    allowed = "costs that are finite, all of them, for one architecture at least"
    check(bool(can_run.any()), "evaluator.costs", asked, allowed)
    costs = known.costs_of(rows, asked)
    priced = settings.names["reward"] not in ("weighted_product", "weighted_sum") or costs.names
    of = settings.evaluator.costs
    check(bool(priced), "evaluator.costs", of, "one name: reward.name asks for a cost")
    _check_max_cost(settings, costs.names)
    settings = _with_targets(settings, costs)
    return TableParts(
        space=space,
        rows=rows,
        controller=_controller(settings, space, _counts_of(settings.evaluator), costs),
        evaluator_of=evaluator_of,
        reward=REWARDS[settings.names["reward"]][1](settings.reward),
        seen=seen,
    )


def _check_max_cost(settings: Settings, costs: tuple[str, ...]) -> None:
    most = settings.search.max_cost
    allowed = "None: config.evaluator.costs and .predicted name no cost"
    check(most is None or bool(costs), "search.max_cost", most, allowed)


def _with_targets(settings: Settings, costs: Costs) -> Settings:
    """Targets of the first cost that are None become `search.max_cost`."""
    most, controller, reward = settings.search.max_cost, settings.controller, settings.reward
    if most is None:
        return settings
    is_open = isinstance(controller, AutocometConfig) and controller.target is None
    if is_open and limited_cost(controller, costs) == costs.names[0]:
        controller = dataclasses.replace(controller, target=most)
    if hasattr(reward, "target") and reward.target is None:
        reward = dataclasses.replace(reward, target=most)
    return settings._replace(controller=controller, reward=reward)


def _controller(settings: Settings, space: Any, counts_of: int | None, costs: Costs) -> Controller:
    request = Request(
        space=space,
        performance_size=settings.evaluator.validation_batches,
        counts_of=counts_of,
        invalid_reward=settings.reward.invalid,
        rounds=settings.search.rounds,
        max_queries=settings.search.max_queries,
        costs=costs,
    )
    return CONTROLLERS[settings.names["controller"]][1](settings.controller, request)


def _counts_of(evaluator: TableConfig | surrogate.SurrogateConfig) -> int | None:
    return evaluator.validation_batch_size if evaluator.noise else None


def remember_records(evaluator: TrainedEvaluator, rows: Iterable[Any], images: int) -> None:
    """Takes what was measured from rows of `events.jsonl`; `images`: of the validation split."""
    for row in rows:
        if row.status in (*MEASURED, "diverged"):
            counts = np.array(row.counts, np.uint8)
            correct = round(row.accuracy * images)
            result = Result(STATUSES.index(row.status), counts, correct, 0.0)
            evaluator.remember(np.array(row.encoding, np.int32), result)


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
