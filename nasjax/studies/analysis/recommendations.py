"""The architecture that each setting recommends for a constraint: the one most seeds agree on."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nasjax.errors import UserError
from nasjax.registry import slot_space
from nasjax.studies.analysis.incumbents import best_row, incumbents
from nasjax.studies.problem import Problem
from nasjax.studies.results import Result
from nasjax.studies.simulate import NO_ROW

ABOUT = ("architecture", "cost_value", "keeps_target", "search_percent", "reported_percent")


def recommendations(results: Sequence[Result]) -> list[dict[str, Any]]:
    """The entries of picks.json, one for every result with a constraint, in their order.

    - space, data_set, budget, cost, quantile, target (the bound, in the cost's unit), label, seeds
    - architecture, its agreed_percent of all seeds, cost_value, keeps_target (False where predicted
      costs have misled), search_percent, reported_percent: of the incumbent that most seeds have;
      None where no seed has any
    - best_...: the same of the feasible row with the best search accuracy; None where none is
      feasible
    """
    return [_recommend(result) for result in results if result.problem.constraint is not None]


def agreed(result: Result) -> tuple[int, int]:
    """The incumbent that most seeds have, and their number; (NO_ROW, 0) if no seed has any.

    Of rows that as many seeds have, the one with the best search accuracy, then the first.
    """
    found = incumbents(result)
    rows, counts = np.unique(found[found >= 0], return_counts=True)
    if not len(rows):
        return NO_ROW, 0
    first = np.lexsort((rows, -result.problem.search_accuracy[rows], -counts))[0]
    return int(rows[first]), int(counts[first])


def _recommend(result: Result) -> dict[str, Any]:
    problem = result.problem
    assert problem.constraint is not None
    row, count = agreed(result)
    best = best_row(problem) if problem.is_feasible else NO_ROW
    to_text = _names(problem)
    return {
        "space": problem.space,
        "data_set": problem.data_set,
        "budget": result.budget,
        "cost": problem.constraint.cost,
        "quantile": problem.constraint.quantile,
        "target": problem.max_cost,
        "label": result.label,
        "seeds": len(result.seeds),
        "agreed_percent": 100 * count / len(result.seeds),
        **_about(problem, row, to_text),
        **{f"best_{name}": value for name, value in _about(problem, best, to_text).items()},
    }


def _about(problem: Problem, row: int, to_text: Callable[[int], str]) -> dict[str, Any]:
    if row < 0:
        return dict.fromkeys(ABOUT)
    assert problem.costs is not None
    reported = float(problem.reported_accuracy[row])
    return {
        "architecture": to_text(row),
        "cost_value": float(problem.costs[row]),
        "keeps_target": bool(problem.is_kept[row]),
        "search_percent": 100 * float(problem.search_accuracy[row]),
        "reported_percent": None if np.isnan(reported) else 100 * reported,
    }


def _names(problem: Problem) -> Callable[[int], str]:
    """Names of rows: their architectures, where the space is a known one."""
    try:
        space, ids = slot_space(problem.space), problem.ids
    except UserError:
        return lambda row: f"row {row}"
    return lambda row: space.to_text(space.from_index(row if ids is None else ids[row]))
