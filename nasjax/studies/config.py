"""A study's config: settings x problems x budgets, and how many seeds of each."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nasjax import build, registry
from nasjax.config import (
    PositiveFloat,
    PositiveInt,
    check,
    check_label,
    check_sections,
    parse_section,
    settings,
)
from nasjax.errors import UserError

SECTIONS = ("study", "evaluator", "controllers")
SETTING_KEYS = ("controller", "reward", "predicted", "relative")


@settings("study")
class StudyConfig:
    """Section `study` of a config.

    For every table, cost and quantile q a study solves one problem: maximise accuracy subject to
    cost <= the q-quantile of that cost over the table, or over a fixed random sample of a space
    without a table. Controllers observe the constrained cost first; `evaluator.costs` follow.
    """

    tables: tuple[str, ...]  # the tables that are searched, each as "space/data_set"
    budgets: tuple[int, ...]  # queries of a search
    # Device costs to constrain, e.g. "hw_nas_bench/pixel3_latency_ms"; empty: no constraint. Also
    # the directory of a saved predictor that `evaluator.predicted` lists: nobody measured its cost.
    costs: tuple[str, ...] = ()
    quantiles: tuple[float, ...] = ()  # how tight the constraint is, above 0, at most 1
    measures: tuple[str, ...] = ()  # more costs to report of incumbents; also saved predictors
    seeds: PositiveInt = 500  # searches of each setting on each problem
    seeds_per_part: PositiveInt = 500  # at most so many run as one program, kept in one file
    memory_budget_gib: PositiveFloat = 4.0  # fewer run together where their states would take more
    reference: str = "random_search"  # label of the setting that all others are compared with
    # Names the predictors and files that `predicted` and `initial` read. It is filled in when a
    # study begins; the study goes on with no others.
    digest: str | None = None

    def __post_init__(self) -> None:
        check(bool(self.tables), "study.tables", self.tables, 'names like "nas_bench_201/cifar10"')
        for table in self.tables:
            check(table.count("/") == 1, "study.tables", table, '"space/data_set"')
        for quantile in self.quantiles:
            check(0 < quantile <= 1, "study.quantiles", quantile, "above 0, at most 1")
        both = bool(self.costs) == bool(self.quantiles)
        check(both, "study.quantiles", self.quantiles, "one or more where there are study.costs")
        good = bool(self.budgets) and min(self.budgets) >= 1
        check(good, "study.budgets", self.budgets, "one or more numbers of queries, each >= 1")


class Constraint(NamedTuple):
    """A device cost and its quantile, which bounds what a feasible architecture may cost."""

    cost: str
    quantile: float

    def __str__(self) -> str:
        return f"{self.cost.replace('/', '.')}@{self.quantile:g}"


class Setting(NamedTuple):
    """A labelled controller and its reward: sections of a config, with every default filled in."""

    label: str
    controller: dict[str, Any]
    reward: dict[str, Any]
    predicted: tuple[str, ...] = ()  # saved predictors; it observes their costs, not measured ones
    relative: bool = False  # its bound is the constraint's quantile of the costs that it observes

    @property
    def section(self) -> dict[str, Any]:
        """Its entry of `controllers`."""
        return {
            "controller": self.controller,
            "reward": self.reward,
            **({"predicted": self.predicted} if self.predicted else {}),
            **({"relative": True} if self.relative else {}),
        }


class ProblemConfig(NamedTuple):
    """A problem as its searches observe it."""

    space: str
    data_set: str
    evaluator: dict[str, Any]  # searches observe its `costs`, then its `predicted`
    constraint: Constraint | None = None
    measures: tuple[str, ...] = ()  # costs to report of the incumbents
    predictors: tuple[str, ...] = ()  # saved, which the study's costs and measures may name
    relative: bool = False  # see `Setting`

    @property
    def has_surrogates(self) -> bool:
        """Whether surrogates stand in for a table."""
        return registry.find("space", self.space).tables is None

    @property
    def observed(self) -> tuple[str, ...]:
        """The costs that searches observe, in order."""
        return (*self.evaluator["costs"], *self.evaluator.get("predicted", ()))

    @property
    def observes_another_cost(self) -> bool:
        """Whether searches observe a predicted cost in the place of the constrained one."""
        return self.constraint is not None and self.observed[:1] != (self.constraint.cost,)

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for equal problems of one study."""
        return self.space, self.data_set, self.constraint, self.observed, self.relative


class ArmConfig(NamedTuple):
    """An arm of a study: one setting on one problem with one budget, to be run with every seed."""

    setting: Setting
    problem: ProblemConfig
    budget: int

    @property
    def label(self) -> str:
        """The setting's."""
        return self.setting.label

    @property
    def name(self) -> str:
        """The arm's folder of shards."""
        name = f"{self.label}--{self.problem.space}--{self.problem.data_set}--{self.budget}"
        constraint = self.problem.constraint
        return f"{name}--{constraint}" if constraint else name

    @property
    def sections(self) -> dict[str, Any]:
        """The sections of a config that `build.assemble_table` takes."""
        return {
            "space": {"name": self.problem.space},
            "evaluator": self.problem.evaluator,
            "controller": self.setting.controller,
            "reward": self.setting.reward,
        }


class Study(NamedTuple):
    """A checked config."""

    config: StudyConfig
    arms: tuple[ArmConfig, ...]  # in the order in which they run
    resolved: dict[str, Any]  # the whole config with every default filled in, plain data


def parse(config: Mapping[str, Any]) -> Study:
    """Checks a study's config, all that can be checked before tables are read.

    Raises:
      UserError: a section, key or value is unknown, missing or not allowed.
    """
    check_sections(config, SECTIONS, "a study")
    study = parse_section(StudyConfig, config["study"], "study")
    controllers = config["controllers"]
    check(bool(controllers), "controllers", {}, "one controller or more")
    known = f"one of {', '.join(map(str, controllers))}"
    check(study.reference in controllers, "study.reference", study.reference, known)
    evaluator: dict[str, Any] = {}
    compared = []
    for label, sections in controllers.items():
        setting, evaluator = _setting(label, sections, config["evaluator"])
        fits, where = bool(study.costs) or not setting.relative, f"controllers.{label}.relative"
        check(fits, where, True, "False: there are no study.costs")
        compared.append(setting)
    evaluator = build.with_digest_of(evaluator, (*study.costs, *study.measures))
    constraints: list[Constraint | None] = [
        Constraint(cost, quantile) for cost in study.costs for quantile in study.quantiles
    ]
    arms = [
        ArmConfig(setting, _problem(setting, table, evaluator, constraint, study.measures), budget)
        for table in study.tables
        for constraint in constraints or [None]
        for budget in study.budgets
        for setting in compared
    ]
    study = dataclasses.replace(study, digest=_digest(study.digest, arms))
    resolved = {
        "study": dataclasses.asdict(study),
        "evaluator": evaluator,
        "controllers": {setting.label: setting.section for setting in compared},
    }
    return Study(study, tuple(arms), resolved)


def _digest(given: str | None, arms: Sequence[ArmConfig]) -> str | None:
    predicted = (
        path
        for arm in arms
        for path in (*arm.problem.predictors, *arm.problem.evaluator.get("predicted", ()))
    )
    initial = (path for arm in arms for path in arm.setting.controller.get("initial", ()))
    found = build.digest_of(predicted, initial)
    allowed = f"{found!r}, as the files that controllers name are now, or left out"
    check(given in (None, found), "study.digest", given, allowed)
    return found


def _problem(
    setting: Setting,
    table: str,
    evaluator: dict[str, Any],
    constraint: Constraint | None,
    measures: tuple[str, ...],
) -> ProblemConfig:
    space, data_set = table.split("/")
    predictors = tuple(evaluator.get("predicted", ()))
    observed: dict[str, Any] = {"costs": tuple(evaluator["costs"])}
    if setting.predicted:
        device = constraint.cost.rpartition("/")[2] if constraint else ""
        paths = tuple(path.format(cost=device) for path in setting.predicted)
        observed = {"costs": (), "predicted": paths}
    elif constraint is not None:
        cost, kind = constraint.cost, "costs"
        if cost in predictors:
            allowed = f"(): study.costs has {cost!r}, predicted, and a constrained cost comes first"
            check(not observed["costs"], "evaluator.costs", observed["costs"], allowed)
            observed["predicted"], kind = predictors, "predicted"
        observed[kind] = (cost, *(other for other in observed[kind] if other != cost))
    section = {**evaluator, "data_set": data_set, **observed}
    return ProblemConfig(
        space, data_set, section, constraint, measures, predictors, setting.relative
    )


def _setting(
    label: str, sections: Mapping[str, Any], evaluator: Mapping[str, Any]
) -> tuple[Setting, dict[str, Any]]:
    """An entry of `controllers` and the section `evaluator`, with every default filled in.

    `predicted` lists directories of saved predictors, the constrained cost's first; "{cost}" in
    them becomes the last part of that cost's name. With `relative`, the bound is the quantile of
    the predicted cost instead of the measured one: of a device that was never measured only the
    order of architectures is known.
    """
    where = f"controllers.{label}"
    check_label("controllers", label)
    check(isinstance(sections, Mapping), where, sections, "a section of keys and values")
    for key in sections:
        known = key in SETTING_KEYS
        check(known, where, key, "sections controller and reward, or predicted and relative")
    check("data_set" not in evaluator, "evaluator", "data_set", "in study.tables instead")
    try:
        resolved = build.resolve_table(
            {
                "evaluator": {**evaluator, "data_set": ""},
                "controller": sections.get("controller", {}),
                "reward": sections.get("reward", {"name": "accuracy"}),
            }
        )
    except UserError as error:
        raise UserError(f"config.{where}: {error}") from None
    predicted = sections.get("predicted", ())
    good = isinstance(predicted, (tuple, list)) and all(isinstance(p, str) for p in predicted)
    good = good and (bool(predicted) or "predicted" not in sections)
    check(good, f"{where}.predicted", predicted, "one directory or more")
    relative = sections.get("relative", False)
    good = isinstance(relative, bool) and (not relative or bool(predicted))
    check(good, f"{where}.relative", relative, "True or False, and without `predicted` False")
    del resolved["evaluator"]["data_set"]
    setting = Setting(label, resolved["controller"], resolved["reward"], tuple(predicted), relative)
    return setting, resolved["evaluator"]
