"""What a study says of searches under a constraint, beside what it says of all: pure functions.

Two answers are reported of each search: the best feasible (see `answers`), and the final greedy,
which is the learner's last noise-free row, whether it keeps the constraint or not.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from nasjax.studies import statistics
from nasjax.studies.answers import answers, reached
from nasjax.studies.cell import ENDED, Cell
from nasjax.studies.statistics import Medians, Ratio

MEASURE = "measures."  # prefix of the columns that hold means of a cell's measures
AUTOCOMET = "autocomet"  # the first label that begins so is compared with, beside the reference
BASES = ("reference", "autocomet")  # prefixes of the columns that `compare` adds
_ENDS = Ratio._fields


def summary(cell: Cell) -> dict[str, Any]:
    """Columns of a cell with a constraint; of one without, none.

    - cost (its name), cost_is_predicted (by a saved predictor, not measured), quantile, target
      (that of the cost, in its unit); feasible: whether any row of the table keeps it
    - answered_percent of the seeds have a best feasible row; answered_kept_percent of these keep
      the constraint, all unless searches saw predicted costs; cost_mean of those rows, in the
      cost's unit, cost_percent of the target, measures.NAME means (of what is known)
    - random_answered_percent: the share of random searches that have one (closed form)
    - final_percent of the seeds have a final greedy row, final_kept_percent of these keep the
      constraint; final_cost_mean of those that the device can run, final_unable_seeds of the others
    - seconds_per_1000_queries of all seeds together, NaN where unknown
    """
    if cell.constraint is None:
        return {}
    cost, quantile, target, costs = cell.constraint[:4]
    rows, final = answers(cell), cell.final[cell.final >= 0]
    found = rows[rows >= 0]
    known = np.isfinite(cell.search_accuracy[cell.drawn])
    feasible = int(np.isfinite(cell.eligible_accuracy[cell.drawn]).sum())
    answered = statistics.chance_of_any(feasible, cell.budget, int(known.sum()) - feasible)
    mean_cost = _mean_of(rows, costs)
    return {
        "cost": cost,
        "cost_is_predicted": cell.constraint.is_predicted,
        "quantile": quantile,
        "target": target,
        "feasible": cell.is_feasible,
        "answered_percent": 100 * float((rows >= 0).mean()),
        "answered_kept_percent": _percent_of(cell.constraint.is_kept[found]),
        "cost_mean": mean_cost,
        "cost_percent": 100 * mean_cost / target,
        **{f"{MEASURE}{name}": _mean_of(rows, values) for name, values in cell.measures.items()},
        "random_answered_percent": 100 * answered,
        "final_percent": 100 * len(final) / len(cell.final),
        "final_kept_percent": _percent_of(cell.constraint.is_kept[final]),
        "final_cost_mean": _mean_of(final, costs),
        "final_unable_seeds": int(np.isinf(costs[final]).sum()),
        "seconds_per_1000_queries": 1000 * cell.run_seconds / int((cell.queries != ENDED).sum()),
    }


def compare(group: Sequence[Cell], reference: str) -> list[dict[str, float]]:
    """How many times the queries of others each cell of a group needs, where it has a constraint.

    BASE_ratio_least, _most, _low, _high (see `statistics.Ratio`): the cell's censored median of
    `reached` over that of the base, which is `reference` or the first cell whose label begins with
    "autocomet". NaN for the base itself, or where there is none.
    """
    if group[0].constraint is None:
        return [{} for _ in group]
    drawn = _drawn(group)
    first = next((label for label in drawn if label.startswith(AUTOCOMET)), "")
    rows = []
    for label, mine in drawn.items():
        row: dict[str, float] = {}
        for name, base in zip(BASES, (reference, first), strict=True):
            known = base in drawn and base != label
            found = statistics.ratio(mine, drawn[base]) if known else (np.nan,) * len(_ENDS)
            row |= {f"{name}_ratio_{end}": x for end, x in zip(_ENDS, found, strict=True)}
        rows.append(row)
    return rows


def ratios(group: Sequence[Cell]) -> list[dict[str, Any]]:
    """Every cell's censored median of `reached` over every other's: label, other, and the ratio."""
    drawn = _drawn(group)
    return [
        {"label": label, "other": other} | statistics.ratio(mine, theirs)._asdict()
        for label, mine in drawn.items()
        for other, theirs in drawn.items()
        if label != other
    ]


def _drawn(group: Sequence[Cell]) -> dict[str, Medians]:
    return {
        cell.label: statistics.medians(reached(cell), cell.budget, stream=i)
        for i, cell in enumerate(group)
    }


def _percent_of(flags: np.ndarray) -> float:
    return 100 * float(flags.mean()) if len(flags) else np.nan


def _mean_of(rows: np.ndarray, values: np.ndarray) -> float:
    """The mean of the finite `values` [table's rows] at `rows`."""
    found = statistics.look_up(rows, values)
    return statistics.mean(found[np.isfinite(found)])
