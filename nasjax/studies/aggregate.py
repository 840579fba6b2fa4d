"""From cells to a table of numbers, one row a cell, and to curves over queries."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nasjax.errors import UserError
from nasjax.studies import constrained, statistics
from nasjax.studies.answers import best_reported, kept_answers, reached
from nasjax.studies.cell import ENDED, Cell
from nasjax.studies.config import Limit
from nasjax.types import UNTRAINED_BELOW_UPDATES

CURVE_POINTS = 200
FACT = "facts."  # prefix of the columns that hold a cell's facts


class Group(NamedTuple):
    """What may be compared: the cells of one space, data set, budget and constraint."""

    space: str
    data_set: str
    budget: int
    limit: Limit | None = None


class Curve(NamedTuple):
    """The mean reported accuracy of the incumbent over queries, with its 95 % bootstrap band.

    NaN where a seed has no architecture yet. Seeds that end without an answer that keeps the
    constraint are left out.
    """

    queries: np.ndarray  # [P] int, ascending
    mean: np.ndarray  # [P]
    low: np.ndarray  # [P], NaN for one seed
    high: np.ndarray  # [P]


def aggregates(cells: Sequence[Cell], reference: str) -> pd.DataFrame:
    """One row a cell, group after group; the columns say their unit.

    - label, space, data_set, budget, learns, seeds (N); queries_mean (made), distinct_rows_mean
    - reported accuracy of the incumbent when the budget is spent: mean_percent, sd_points (N - 1),
      iqm_percent, iqm_low_percent and iqm_high_percent (95 % bootstrap), median_regret_points
      (below the table's best); its search_mean_percent beside random_search_percent (closed form)
    - unknown_seeds found nothing whose reported accuracy is known: means leave them out; the median
      regret and the rank test count them as the worst
    - reached_percent of the seeds came to 99 % of the best search accuracy; queries_to_target is
      their censored median (infinite where half never did)
    - updates_mean, untrained_seeds (a learner's with fewer than 100 updates); final_mean_percent of
      the last noise-free architecture over final_seeds, those that have one
    - against `reference` in the same space, data set and budget: difference_points of the means,
      welch_t, welch_p, mann_whitney_u, mann_whitney_p, and both p with "_holm", corrected over them
    - facts.NAME, a column each

    Of cells with a constraint only rows that keep it count, everywhere but in queries_mean,
    distinct_rows_mean and final_*; the aim is 99.5 % of the best of them, the random search is one
    that found any. An answer that searches take for feasible by predicted costs, and that breaks
    the constraint, counts as unknown. They are compared under the same constraint, and have further
    columns, see `constrained.summary` and `constrained.compare`.

    Raises `UserError` if there are no cells, one is not usable, or none has the label `reference`.
    """
    check(cells, reference)
    rows = []
    for group in grouped(cells).values():
        compared, under_limit = _compare(group, reference), constrained.compare(group, reference)
        rows += [
            _summarize(cell) | constrained.summary(cell) | tests | further
            for cell, tests, further in zip(group, compared, under_limit, strict=True)
        ]
    frame = pd.DataFrame(rows)
    for name in (name for name in frame if name.startswith(FACT)):
        # as objects: where some cells lack a fact, the others' integers stay integers
        frame[name] = pd.Series([row.get(name) for row in rows], dtype=object)
    return frame


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of `aggregates`, see `plain`."""
    return plain(frame.to_dict("records"))


def plain(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as values for JSON: NaN becomes None; infinities the strings "inf" and "-inf"."""

    def of(value: Any) -> Any:
        value = value.item() if isinstance(value, np.generic) else value
        if isinstance(value, float) and not math.isfinite(value):
            return None if math.isnan(value) else str(value)
        return value

    return [{name: of(value) for name, value in row.items()} for row in rows]


def grouped(cells: Iterable[Cell]) -> dict[Group, list[Cell]]:
    """The cells of each group, in order of first appearance."""
    groups: dict[Group, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(group_of(cell), []).append(cell)
    return groups


def group_of(cell: Cell) -> Group:
    """The group that a cell belongs to."""
    limit = cell.constraint and Limit(cell.constraint.cost, cell.constraint.quantile)
    return Group(cell.space, cell.data_set, cell.budget, limit)


def curve(cell: Cell, *, points: int = CURVE_POINTS) -> Curve:
    """The cell's anytime curve at up to `points` query counts, evenly spread on a log axis."""
    counts = np.unique(np.geomspace(1, cell.budget, points).round().astype(int))
    ends_kept = kept_answers(cell) >= 0
    reported = _reported(cell)[ends_kept][:, counts - 1]
    known = reported[np.isfinite(reported[:, -1])]
    if not len(known):
        nothing = np.full(len(counts), np.nan)
        return Curve(counts, nothing, nothing, nothing)
    return Curve(counts, known.mean(0), *statistics.mean_band(known))


def check(cells: Sequence[Cell], reference: str) -> None:
    """Raise `UserError` unless every cell can be summarized and one has the label `reference`."""
    if not cells:
        raise UserError("cells=[]: a report needs at least one")
    labels = sorted({cell.label for cell in cells})
    if reference not in labels:
        raise UserError(f"reference={reference!r} is no label; known: {', '.join(labels)}")
    tables: dict[Group, tuple[np.ndarray, ...]] = {}
    seen = set()
    for cell in cells:
        key = (cell.label, *group_of(cell))
        name = f"cell {cell.label!r} on {cell.space}, {cell.data_set}, budget={cell.budget}"
        name += f", {key[-1]}" if cell.constraint else ""
        if key in seen:
            raise UserError(f"{name} is there twice; give its settings another label")
        seen.add(key)
        shape = (len(cell.seeds), cell.budget)
        if min(shape) < 1 or cell.queries.shape != shape:
            shapes = f"queries of shape {cell.queries.shape} for {shape[0]} seeds"
            raise UserError(f"{name} has {shapes}; needed: [seeds, budget], both at least 1")
        for column in ("search_accuracy", "reported_accuracy"):
            if not np.isfinite(getattr(cell, column)).any():
                raise UserError(f"{name} has no known value in {column}")
        table = (cell.reported_accuracy, cell.eligible_accuracy)
        beside = tables.setdefault(group_of(cell), table)
        if not all(map(_same, table, beside)):
            raise UserError(f"{name} reports from another table than the cells beside it")


# --- one row ------------------------------------------------------------------------------------


def _reported(cell: Cell) -> np.ndarray:
    """The incumbent's reported accuracy after each query, [N, budget]; NaN where not known."""
    rows = statistics.incumbents(cell.queries, cell.answerable_accuracy)
    return statistics.look_up(rows, cell.reported_accuracy)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=True)


def _known(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def _or_worst(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=-np.inf)


def _summarize(cell: Cell) -> dict[str, Any]:
    eligible = cell.eligible_accuracy
    best = kept_answers(cell)
    search = _known(statistics.look_up(best, eligible))
    reported = statistics.look_up(best, cell.reported_accuracy)
    known = _known(reported)
    regret = best_reported(cell) - _or_worst(reported)
    queries = reached(cell)
    drawn = eligible[cell.drawn]
    broken = np.isfinite(cell.search_accuracy[cell.drawn]).sum() - np.isfinite(drawn).sum()
    final = _known(statistics.look_up(cell.final, cell.reported_accuracy))
    low, high = statistics.interquartile_interval(known)
    return {
        "label": cell.label,
        "space": cell.space,
        "data_set": cell.data_set,
        "budget": cell.budget,
        "learns": cell.learns,
        "seeds": len(cell.seeds),
        "unknown_seeds": len(reported) - len(known),
        "queries_mean": float((cell.queries != ENDED).sum(1).mean()),
        "distinct_rows_mean": float(statistics.distinct_rows(cell.queries).mean()),
        "mean_percent": 100 * statistics.mean(known),
        "sd_points": 100 * statistics.deviation(known),
        "iqm_percent": 100 * statistics.interquartile_mean(known),
        "iqm_low_percent": 100 * low,
        "iqm_high_percent": 100 * high,
        "median_regret_points": 100 * float(np.median(regret)),
        "search_mean_percent": 100 * statistics.mean(search),
        "random_search_percent": 100 * statistics.expected_best(drawn, cell.budget, int(broken)),
        "reached_percent": 100 * float(np.isfinite(queries).mean()),
        "queries_to_target": float(np.median(queries)),
        "updates_mean": float(cell.updates.mean()),
        "untrained_seeds": int((cell.updates < UNTRAINED_BELOW_UPDATES).sum())
        if cell.learns
        else 0,
        "final_seeds": len(final),
        "final_mean_percent": 100 * statistics.mean(final),
    } | {f"{FACT}{name}": value for name, value in cell.facts.items()}


def _compare(group: Sequence[Cell], reference: str) -> list[dict[str, float]]:
    """Each cell of the group against the reference; NaN for itself, or where there is none."""
    values = {
        cell.label: statistics.look_up(kept_answers(cell), cell.reported_accuracy) for cell in group
    }
    base = values.get(reference, np.array([]))
    rows = []
    for label, mine in values.items():
        other = np.array([]) if label == reference else base
        t = statistics.welch(_known(mine), _known(other))
        u = statistics.mann_whitney(_or_worst(mine), _or_worst(other))
        difference = statistics.mean(_known(mine)) - statistics.mean(_known(other))
        rows.append(
            {
                "difference_points": 100 * difference,
                "welch_t": t.statistic,
                "welch_p": t.p,
                "mann_whitney_u": u.statistic,
                "mann_whitney_p": u.p,
            }
        )
    for test in ("welch_p", "mann_whitney_p"):
        corrected = statistics.holm(np.array([row[test] for row in rows]))
        for row, p in zip(rows, corrected, strict=True):
            row[f"{test}_holm"] = float(p)
    return rows
