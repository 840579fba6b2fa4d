"""A study's config: controllers x tables x budgets, and how many seeds of each."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nasjax import build
from nasjax.config import check, check_label, check_sections, parse_section
from nasjax.errors import UserError

SECTIONS = ("study", "evaluator", "controllers")


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """Section `study` of a config.

    Attributes:
      tables: "space/data_set" each.
      budgets: queries of a search.
      costs: names of device costs, and quantiles: of each over a table's architectures (without a
        table, over a random sample of the space). Every table is searched once for every cost and
        quantile; answers must not cost more than that, as if it were `search.max_cost`. The search
        sees that cost first, before `evaluator.costs`. Without costs, nothing is asked for. One may
        be a directory that `evaluator.predicted` names, of a predictor: all is then of the cost
        that it predicts, which nobody measured.
      measures: costs of which the answers' are reported besides; these directories too.
      seeds: searches per cell, seeds 0 to seeds - 1.
      seeds_per_part: so many at most run as one program and are kept as one file.
      memory_budget_gib: fewer run together where their states would take more.
      reference: label of the controller that others are compared with.
      digest: of the predictors and files that `predicted` and `initial` name, filled in when a
        study begins, which goes on with no others.
    """

    tables: tuple[str, ...]
    budgets: tuple[int, ...]
    costs: tuple[str, ...] = ()
    quantiles: tuple[float, ...] = ()
    measures: tuple[str, ...] = ()
    seeds: int = 500
    seeds_per_part: int = 500
    memory_budget_gib: float = 4.0
    reference: str = "random_search"
    digest: str | None = None

    def __post_init__(self) -> None:
        check(bool(self.tables), "study.tables", self.tables, 'names like "nas_bench_201/cifar10"')
        for table in self.tables:
            check(table.count("/") == 1, "study.tables", table, '"space/data_set"')
        for quantile in self.quantiles:
            check(0 < quantile <= 1, "study.quantiles", quantile, "above 0, at most 1")
        both = bool(self.costs) == bool(self.quantiles)
        check(both, "study.quantiles", self.quantiles, "one or more where there are study.costs")
        for name in ("seeds", "seeds_per_part"):
            check(getattr(self, name) >= 1, f"study.{name}", getattr(self, name), ">= 1")
        budget = self.memory_budget_gib
        check(budget > 0, "study.memory_budget_gib", budget, "> 0")
        good = bool(self.budgets) and min(self.budgets) >= 1
        check(good, "study.budgets", self.budgets, "one or more numbers of queries, each >= 1")


class Limit(NamedTuple):
    """A quantile of a cost, the most that an answer may cost."""

    cost: str
    quantile: float

    def __str__(self) -> str:
        return f"{self.cost.replace('/', '.')}@{self.quantile:g}"


class CellConfig(NamedTuple):
    """What one cell of a study is about.

    Attributes:
      sections: those of `build.assemble_table`; targets that the limit gives are None.
      measures: names of costs to report.
      relative: the target that its searches see is the limit's quantile of what they see.
      predictors: directories of saved predictors, which costs and measures may name.
    """

    label: str
    space: str
    data_set: str
    budget: int
    sections: dict[str, Any]
    limit: Limit | None = None
    measures: tuple[str, ...] = ()
    relative: bool = False
    predictors: tuple[str, ...] = ()

    @property
    def is_predicted(self) -> bool:
        """Whether surrogates stand for a table."""
        return self.sections["evaluator"].get("name") == "surrogate"

    @property
    def sees_predicted(self) -> bool:
        """Whether searches see a predicted cost in the place of the limited one."""
        evaluator = self.sections["evaluator"]
        first = (*evaluator["costs"], *evaluator.get("predicted", ()))[:1]
        return self.limit is not None and first != (self.limit.cost,)

    @property
    def group(self) -> tuple[Any, ...]:
        """Equal in cells that are compared."""
        return self.space, self.data_set, self.budget, self.limit

    @property
    def name(self) -> str:
        """Of its folder."""
        name = f"{self.label}--{self.space}--{self.data_set}--{self.budget}"
        return f"{name}--{self.limit}" if self.limit else name


class Study(NamedTuple):
    """A checked config.

    Attributes:
      config: its section `study`.
      cells: in the order in which they run.
      resolved: the whole config with every default filled in, plain data.
    """

    config: StudyConfig
    cells: tuple[CellConfig, ...]
    resolved: dict[str, Any]


def parse(config: Mapping[str, Any]) -> Study:
    """Checks a study's config; what depends on a table is checked when its cells are assembled.

    Raises:
      UserError: a section, key or value is unknown, missing or not allowed.
    """
    check_sections(config, SECTIONS, "a study")
    study = parse_section(StudyConfig, config["study"], "study")
    controllers = config["controllers"]
    check(bool(controllers), "controllers", {}, "one controller or more")
    known = f"one of {', '.join(controllers)}"
    check(study.reference in controllers, "study.reference", study.reference, known)
    evaluator: dict[str, Any] = {}
    settings = {}
    for label, parts in controllers.items():
        resolved = _resolve(label, parts, config["evaluator"])
        evaluator = resolved.pop("evaluator")
        del evaluator["data_set"]
        settings[label] = resolved
    evaluator = build.with_digest_of(evaluator, (*study.costs, *study.measures))
    asked = [Limit(cost, quantile) for cost in study.costs for quantile in study.quantiles]
    limits: list[Limit | None] = [*asked] or [None]
    for label, sections in settings.items():
        is_relative = sections.get("relative", False)
        allowed = "False: there are no study.costs"
        check(bool(asked) or not is_relative, f"controllers.{label}.relative", True, allowed)
    cells = [
        _cell(label, sections, table, budget, evaluator, limit, study.measures)
        for table in study.tables
        for limit in limits
        for budget in study.budgets
        for label, sections in settings.items()
    ]
    study = dataclasses.replace(study, digest=_digest(study.digest, cells))
    resolved = {
        "study": dataclasses.asdict(study),
        "evaluator": evaluator,
        "controllers": settings,
    }
    return Study(study, tuple(cells), resolved)


def _digest(known: str | None, cells: Sequence[CellConfig]) -> str | None:
    predicted = (
        path
        for cell in cells
        for path in (*cell.predictors, *cell.sections["evaluator"].get("predicted", ()))
    )
    initial = (path for cell in cells for path in cell.sections["controller"].get("initial", ()))
    found = build.digest_of(predicted, initial)
    allowed = f"{found!r}, as the files that controllers name are now, or left out"
    check(known in (None, found), "study.digest", known, allowed)
    return found


def _cell(
    label: str,
    sections: dict[str, Any],
    table: str,
    budget: int,
    evaluator: dict[str, Any],
    limit: Limit | None,
    measures: tuple[str, ...],
) -> CellConfig:
    space, data_set = table.split("/")
    predictors = tuple(evaluator.get("predicted", ()))
    seen: dict[str, Any] = {"costs": tuple(evaluator["costs"])}
    if "predicted" in sections:
        device = limit.cost.rpartition("/")[2] if limit else ""
        seen = {
            "costs": (),
            "predicted": tuple(p.format(cost=device) for p in sections["predicted"]),
        }
    elif limit is not None and limit.cost in predictors:
        allowed = f"(): study.costs has {limit.cost!r}, predicted, and a limited cost comes first"
        check(not seen["costs"], "evaluator.costs", seen["costs"], allowed)
        seen["predicted"] = (limit.cost, *(path for path in predictors if path != limit.cost))
    elif limit is not None:
        seen["costs"] = (limit.cost, *(cost for cost in seen["costs"] if cost != limit.cost))
    relative = sections.get("relative", False)
    sections = {
        "space": {"name": space},
        "evaluator": {**evaluator, "data_set": data_set, **seen},
        "controller": sections["controller"],
        "reward": sections["reward"],
    }
    asked = limit, measures, relative, predictors
    return CellConfig(label, space, data_set, budget, sections, *asked)


def _resolve(label: str, parts: Mapping[str, Any], evaluator: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of a controller's entry with every default filled in.

    Besides them it may have `predicted`: directories of saved predictors, the limited cost's first,
    whose costs that controller sees instead of the measured ones; "{cost}" in them becomes the
    last part of the limited cost's name. With `relative`, it is asked to keep the quantile of what
    is predicted, not of what was measured: of a device that was never measured only the order is
    known.
    """
    where = f"controllers.{label}"
    check_label("controllers", label)
    for key in parts:
        known = key in ("controller", "reward", "predicted", "relative")
        check(known, where, key, "sections controller and reward, or predicted and relative")
    check("data_set" not in evaluator, "evaluator", "data_set", "in study.tables instead")
    sections = {
        "evaluator": {**evaluator, "data_set": ""},
        "controller": parts.get("controller", {}),
        "reward": parts.get("reward", {"name": "accuracy"}),
    }
    try:
        resolved = build.resolve_table(sections)
    except UserError as error:
        raise UserError(f"config.{where}: {error}") from None
    if "predicted" in parts:
        predicted = parts["predicted"]
        good = isinstance(predicted, (tuple, list)) and all(isinstance(p, str) for p in predicted)
        check(good and bool(predicted), f"{where}.predicted", predicted, "one directory or more")
        resolved["predicted"] = tuple(predicted)
    relative = parts.get("relative", False)
    allowed = "True or False, and without `predicted` False"
    good = isinstance(relative, bool) and (not relative or "predicted" in parts)
    check(good, f"{where}.relative", relative, allowed)
    if relative:
        resolved["relative"] = True
    return resolved
