"""A study's config: controllers x tables x budgets, and how many seeds of each."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from nasjax.config import check, parse_section
from nasjax.errors import UserError

SECTIONS = ("study", "evaluator", "controllers")


@dataclasses.dataclass(frozen=True)
class StudyConfig:
    """Section `study` of a config.

    Attributes:
      tables: "space/data_set" each.
      budgets: queries of a search.
      seeds: searches per cell, seeds 0 to seeds - 1.
      seeds_per_part: so many run as one program and are kept as one file.
      reference: label of the controller that others are compared with.
    """

    tables: tuple[str, ...]
    budgets: tuple[int, ...]
    seeds: int = 500
    seeds_per_part: int = 500
    reference: str = "random_search"

    def __post_init__(self) -> None:
        check(bool(self.tables), "study.tables", self.tables, 'names like "nas_bench_201/cifar10"')
        for table in self.tables:
            check(table.count("/") == 1, "study.tables", table, '"space/data_set"')
        for name in ("seeds", "seeds_per_part"):
            check(getattr(self, name) >= 1, f"study.{name}", getattr(self, name), ">= 1")
        good = bool(self.budgets) and min(self.budgets) >= 1
        check(good, "study.budgets", self.budgets, "one or more numbers of queries, each >= 1")


class CellConfig(NamedTuple):
    """What one cell of a study is about; `sections` are those of `assemble.assemble_table`."""

    label: str
    space: str
    data_set: str
    budget: int
    sections: dict[str, Any]

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.label}--{self.space}--{self.data_set}--{self.budget}"


class Study(NamedTuple):
    """A checked config: its section `study`, and its cells in the order in which they run."""

    config: StudyConfig
    cells: tuple[CellConfig, ...]


def parse(config: Mapping[str, Any]) -> Study:
    """Checks a study's config; the settings of each cell are checked when it is assembled.

    Raises:
      UserError: a section, key or value is unknown, missing or not allowed.
    """
    for key in (*config, *SECTIONS):
        if key not in SECTIONS or key not in config:
            what = "is missing" if key in SECTIONS else "is unknown"
            raise UserError(f"config.{key} {what}; a study has {', '.join(SECTIONS)}")
    study = parse_section(StudyConfig, config["study"], "study")
    controllers = config["controllers"]
    known = ", ".join(controllers)
    check(bool(controllers), "controllers", {}, "one controller or more")
    reference = study.reference
    check(reference in controllers, "study.reference", reference, f"one of {known}")
    cells = [
        _cell(label, parts, table, budget, config["evaluator"])
        for table in study.tables
        for budget in study.budgets
        for label, parts in controllers.items()
    ]
    return Study(study, tuple(cells))


def _cell(
    label: str, parts: Mapping[str, Any], table: str, budget: int, evaluator: Mapping[str, Any]
) -> CellConfig:
    plain = re.fullmatch(r"[\w.,=+-]+", label) is not None
    check(plain, "controllers", label, "labels of letters, digits and _ . , = + -")
    for key in parts:
        allowed = "sections controller and reward"
        check(key in ("controller", "reward"), f"controllers.{label}", key, allowed)
    space, data_set = table.split("/")
    sections = {
        "space": {"name": space},
        "evaluator": {**evaluator, "data_set": data_set},
        "controller": dict(parts.get("controller", {})),
        "reward": dict(parts.get("reward", {"name": "accuracy"})),
    }
    return CellConfig(label, space, data_set, budget, sections)
