"""A checked config becomes the parts of a search; `registry` has them by name.

Every function raises a UserError for a section, key, name or value that is unknown, missing or not
allowed, for parts that do not fit each other, and for a file that is missing or damaged.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from nasjax.config import check, parse_section, unknown
from nasjax.data.datasets import DataConfig, load_search, load_test
from nasjax.entries import Entry, EvaluatorEntry
from nasjax.errors import UserError
from nasjax.evaluation import predicted_costs
from nasjax.evaluation.evaluation import Evaluation, EvaluationRequest, Rows
from nasjax.loop import SearchConfig
from nasjax.registry import STUDIED, Member, find, fitting_evaluator, of_saved, parse_member
from nasjax.runs import learned
from nasjax.types import Controller, Evaluator, Request, Reward

SECTIONS = ("seed", "space", "data", "controller", "evaluator", "reward", "search")
MEMBERS = ("space", "controller", "evaluator", "reward")


class Settings(NamedTuple):
    """A checked config: every section as its dataclass.

    Attributes:
      data: None where no candidate is trained.
      members: sections `space`, `controller`, `evaluator` and `reward` with their registry entries.
    """

    seed: int
    space: Any
    data: DataConfig | None
    controller: Any
    evaluator: Any
    reward: Any
    search: SearchConfig
    members: dict[str, Member]


class Search(NamedTuple):
    """All that a search is made of."""

    settings: Settings
    root_key: jax.Array
    space: Any
    evaluation: Evaluation
    controller: Controller
    reward: Reward

    @property
    def evaluator(self) -> Evaluator:
        """The evaluator that reads the evaluation's own source."""
        return self.evaluation.evaluator_of(self.evaluation.source)

    @property
    def rows(self) -> Rows:
        """The rows of the table or the sample; none where candidates are trained."""
        return self.evaluation.rows


def parse(config: Mapping[str, Any]) -> Settings:
    """Checks a whole config."""
    config = {
        key: {"name": section} if isinstance(section, Entry) else section
        for key, section in config.items()
    }
    for key in config:
        if key not in SECTIONS:
            raise UserError(unknown(f"key config.{key}", key, list(SECTIONS)))
    section = config.get("space")
    name = section.get("name") if isinstance(section, Mapping) else None
    fitting = None if name is None else fitting_evaluator(name)
    trains = fitting is None or fitting.trains
    wanted = [key for key in SECTIONS if key != "data" or trains]
    for key in wanted:
        if key not in config:
            raise UserError(f"config.{key} is missing; a config has {', '.join(wanted)}")
    if "data" in config and not trains:
        raise UserError(
            f"config.data is of no use: results of config.space.name={name!r} are known"
        )
    seed = config["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**32:
        raise UserError(f"config.seed={seed!r}; it must be a whole number from 0 to 2**32 - 1")
    members = {}
    for key in MEMBERS:
        section = config[key]
        if key == "evaluator" and isinstance(section, Mapping) and "name" in section:
            section = {**section, "name": _the_evaluator(section["name"], fitting, name)}
        members[key] = parse_member(key, section)
    return Settings(
        seed=seed,
        data=parse_section(DataConfig, config["data"], "data") if trains else None,
        search=parse_section(SearchConfig, config["search"], "search"),
        members=members,
        **{key: member.settings for key, member in members.items()},
    )


def _the_evaluator(given: Any, fitting: EvaluatorEntry | None, space: Any) -> Any:
    """The evaluator that the space has, which `given` must mean."""
    if fitting is None or given == fitting.name:
        return fitting or given
    allowed = f"{fitting.name!r}, for space.name={space!r}"
    check(find("evaluator", given) is fitting, "evaluator.name", given, allowed)
    return fitting


def assemble(
    settings: Settings,
    *,
    cache_dir: pathlib.Path | None = None,
    use_store: bool = True,
    unit: float = 1.0,
    like: Search | None = None,
) -> Search:
    """Builds the parts of a search.

    Args:
      settings: from `parse`.
      cache_dir: holds decoded data sets and, if `use_store`, the results of all runs; may be left
        out where no candidate is trained.
      unit: the first cost is counted in multiples of it.
      like: a search with the same space, evaluator and unit, whose evaluation this one shares.
    """
    root_key = jax.random.key(settings.seed)
    if like is None:
        space, evaluation = _evaluation(settings, root_key, cache_dir, use_store, unit)
    else:
        space, evaluation = like.space, like.evaluation
    costs = evaluation.costs
    _check_costs(settings, evaluation)
    configs = {"controller": settings.controller, "reward": settings.reward}
    if settings.search.max_cost is not None:
        for key, config in configs.items():
            fill_in = settings.members[key].entry.with_max_cost
            configs[key] = fill_in(config, settings.search.max_cost, costs)
    request = Request(
        space=space,
        performance_size=evaluation.validation_batches,
        counts_of=evaluation.counts_of,
        invalid_reward=getattr(settings.reward, "invalid", 0.0),
        rounds=settings.search.rounds,
        max_queries=settings.search.max_queries,
        costs=costs,
        best_accuracy=evaluation.best_accuracy,
    )
    return Search(
        settings=settings,
        root_key=root_key,
        space=space,
        evaluation=evaluation,
        controller=settings.members["controller"].entry.make(configs["controller"], request),
        reward=settings.members["reward"].entry.make(configs["reward"]),
    )


def _evaluation(
    settings: Settings,
    root_key: jax.Array,
    cache_dir: pathlib.Path | None,
    use_store: bool,
    unit: float,
) -> tuple[Any, Evaluation]:
    """The space, for the data's images where there are any, and its evaluator."""
    entry = settings.members["space"].entry
    images, data, read_test = None, None, None
    if settings.data is not None:
        assert cache_dir is not None
        data = load_search(settings.data, cache_dir)
        images = data.train.images.shape[1:], data.num_classes
        read_test = functools.partial(load_test, settings.data, cache_dir, data.scaling)
    space = entry.make(settings.space, images)
    request = EvaluationRequest(
        space=space,
        tables=entry.tables,
        root_key=root_key,
        unit=unit,
        predictor_of=of_saved,
        data=data,
        load_test=read_test,
        store=cache_dir / "results.sqlite" if use_store and cache_dir else None,
    )
    return space, settings.members["evaluator"].entry.make(settings.evaluator, request)


def _check_costs(settings: Settings, evaluation: Evaluation) -> None:
    names, most, rows = evaluation.costs.names, settings.search.max_cost, evaluation.rows
    if len(rows.search_accuracy):
        can_run = np.isfinite(rows.costs).all(1) & ~np.isnan(rows.search_accuracy)
        allowed = "costs that are finite, all of them, for one architecture at least"
        check(bool(can_run.any()), "evaluator.costs", names, allowed)
    priced = bool(names) or not settings.members["reward"].entry.needs_cost
    check(priced, "evaluator.costs", names, "one name: reward.name asks for a cost")
    allowed = "None: config.evaluator.costs and .predicted name no cost"
    check(most is None or bool(names), "search.max_cost", most, allowed)


def assemble_table(
    config: Mapping[str, Any],
    queries: int,
    max_cost: float | None = None,
    like: Search | None = None,
) -> Search:
    """Builds the parts of a search that may be compiled whole.

    Args:
      config: sections `space`, `controller`, `evaluator` and `reward`, plain data.
      queries: its budget.
      max_cost: as `search.max_cost`; the first cost is counted in it, so that searches which differ
        in it have one program.
      like: see `assemble`.
    """
    check(queries >= 1, "study.budgets", queries, "1 or more")
    name = config["space"]["name"]
    pure = not fitting_evaluator(name).trains
    check(pure, "space.name", name, "a space whose results are looked up or predicted")
    config = {**config, "evaluator": {"name": STUDIED, **config["evaluator"]}}
    # The budget decides; a round makes a query at least.
    search = {"rounds": queries, "max_queries": queries, "max_cost": max_cost and 1}
    settings = parse({"seed": 0, "search": search, **config})
    return assemble(settings, unit=max_cost or 1.0, like=like)


def resolve_table(config: Mapping[str, Any]) -> dict[str, Any]:
    """Sections `controller`, `evaluator` and `reward` with every default filled in, plain data."""
    config = {**config, "evaluator": {"name": STUDIED, **config["evaluator"]}}
    sections = ("controller", "reward", "evaluator")
    found = {section: plain(parse_member(section, config[section])) for section in sections}
    if found["evaluator"]["name"] == STUDIED:
        del found["evaluator"]["name"]
    return found


def plain(member: Member) -> dict[str, Any]:
    """A section with its name and every default filled in, plain data."""
    return {"name": member.name, **dataclasses.asdict(member.settings)}


def resolved(settings: Settings, space: Any) -> dict[str, Any]:
    """The config with every default filled in, as plain data."""
    config: dict[str, Any] = {"seed": settings.seed}
    for key in SECTIONS[1:]:
        if key in settings.members:
            section = settings.members[key]._replace(settings=getattr(settings, key))
            config[key] = plain(section)
        elif key != "data" or settings.data:
            config[key] = dataclasses.asdict(getattr(settings, key))
    read = settings.members["evaluator"].entry.with_digest(settings.evaluator, ())
    config["evaluator"] |= dataclasses.asdict(read)
    if settings.data is not None:
        config["space"]["input_shape"] = list(space.input_shape)
        config["space"]["num_classes"] = space.num_classes
    return config


def with_digest_of(evaluator: dict[str, Any], costs: Sequence[str]) -> dict[str, Any]:
    """A study's section `evaluator` with the digest of the predictors it reads, if it reads any.

    Args:
      evaluator: from `resolve_table`, without its data set.
      costs: names of costs that are read besides its own.
    """
    if "name" not in evaluator:
        given = evaluator.get("digest")
        check(given is None, "evaluator.digest", given, "left out: study.digest is of what is read")
        return evaluator
    member = parse_member("evaluator", {**evaluator, "data_set": ""})
    found = dataclasses.asdict(member.entry.with_digest(member.settings, costs))
    return {**evaluator, **({"digest": found["digest"]} if "digest" in found else {})}


def digest_of(predicted: Iterable[str], initial: Iterable[str]) -> str | None:
    """A digest of saved predictors and of what other searches have learned; None without any."""
    found = {path: learned.fingerprint(path) for path in initial}
    return predicted_costs.digest(predicted, found)
