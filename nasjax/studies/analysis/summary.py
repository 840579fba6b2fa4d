"""Sums up results as a table of numbers, one row a result, and compares them.

Two architectures are reported of each search under a constraint: its incumbent, and its final
greedy one, which is the controller's last validated row, whether it keeps the constraint or not.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nasjax.errors import UserError
from nasjax.studies.analysis import statistics
from nasjax.studies.analysis.incumbents import (
    best_reported,
    incumbents,
    kept_incumbents,
    queries_to_goal,
)
from nasjax.studies.analysis.statistics import Medians, Ratio
from nasjax.studies.results import Group, Result, grouped
from nasjax.studies.simulate import ENDED
from nasjax.types import UNTRAINED_BELOW_UPDATES

FACT = "facts."  # prefix of the columns that hold a result's facts
MEASURE = "measures."  # prefix of the columns that hold means of a problem's measures
AUTOCOMET = "autocomet"  # the first label that begins so is compared with, beside the reference
BASES = ("reference", "autocomet")  # prefixes of the columns of ratios

Row = dict[str, Any]  # column -> value


def summarize(results: Sequence[Result], reference: str) -> tuple[pd.DataFrame, list[Row]]:
    """A data frame with one row a result, and the ratios of the queries that settings need.

    Rows come group after group (one space, data set, budget and constraint). Their columns, which
    say their unit, are those of `_summary` and `_compare`; under a constraint also those of
    `_under_constraint` and `compare_medians`, and only rows that keep it count, everywhere but in
    queries_mean, distinct_rows_mean and final_*.

    The ratios are those of every two results of a group with a constraint: space, data_set, budget,
    cost, quantile, label, other, and the fields of `statistics.Ratio`.

    Raises:
      UserError: there are no results, one is not usable, or none has the label `reference`.
    """
    check(results, reference)
    rows: list[Row] = []
    ratios: list[Row] = []
    for group, members in grouped(results).items():
        in_group = zip(members, _compare(members, reference), strict=True)
        if group.constraint is None:
            rows += [_summary(result) | tests for result, tests in in_group]
            continue
        medians = medians_to_goal(members)
        rows += [
            _summary(result) | _under_constraint(result) | tests | ratio
            for (result, tests), ratio in zip(
                in_group, compare_medians(medians, reference), strict=True
            )
        ]
        where = {"space": group.space, "data_set": group.data_set, "budget": group.budget}
        where |= group.constraint._asdict()
        ratios += [where | pair for pair in ratios_of_pairs(medians)]
    frame = pd.DataFrame(rows)
    for name in (name for name in frame if name.startswith(FACT)):
        # as objects: where some results lack a fact, the others' integers stay integers
        frame[name] = pd.Series([row.get(name) for row in rows], dtype=object)
    return frame, ratios


def plain(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as values for JSON: NaN becomes None; infinities the strings "inf" and "-inf"."""
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value


def check(results: Sequence[Result], reference: str) -> None:
    """Raises a `UserError` unless results can be summed up and one has the label `reference`."""
    if not results:
        raise UserError("results=[]: a report needs at least one")
    labels = sorted({result.label for result in results})
    if reference not in labels:
        raise UserError(f"reference={reference!r} is no label; known: {', '.join(labels)}")
    tables: dict[Group, tuple[np.ndarray, np.ndarray]] = {}
    seen = set()
    for result in results:
        group, problem = result.group, result.problem
        name = f"result of {result.label!r} on {group.space}, {group.data_set}, "
        name += f"budget={group.budget}"
        name += f", {group.constraint}" if group.constraint else ""
        if (result.label, group) in seen:
            raise UserError(f"{name} is there twice; give its settings another label")
        seen.add((result.label, group))
        shape = (len(result.seeds), result.budget)
        if min(shape) < 1 or result.queries.shape != shape:
            shapes = f"queries of shape {result.queries.shape} for {shape[0]} seeds"
            raise UserError(f"{name} has {shapes}; needed: [seeds, budget], both at least 1")
        for column in ("search_accuracy", "reported_accuracy"):
            if not np.isfinite(getattr(problem, column)).any():
                raise UserError(f"{name} has no known value in {column}")
        reported, eligible = tables.setdefault(
            group, (problem.reported_accuracy, problem.eligible_accuracy)
        )
        same = _same(problem.reported_accuracy, reported)
        if not (same and _same(problem.eligible_accuracy, eligible)):
            raise UserError(f"{name} reports from another table than the results beside it")


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return np.array_equal(a, b, equal_nan=True)


def _known(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)]


def _or_worst(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values, nan=-np.inf)


# --- one row ------------------------------------------------------------------------------------


def _summary(result: Result) -> dict[str, Any]:
    """The columns of any result.

    - label, space, data_set, budget, learns, seeds (N); queries_mean (made), distinct_rows_mean
    - reported accuracy of the incumbent when the budget is spent: mean_percent, sd_points (N - 1),
      iqm_percent, iqm_low_percent and iqm_high_percent (95 % bootstrap), median_regret_points
      (below the table's best); its search_mean_percent beside random_search_percent (closed form;
      under a constraint, of random searches that found any row that keeps it)
    - unknown_seeds found nothing whose reported accuracy is known, or a row that keeps the
      constraint by predicted costs only: means leave them out; the median regret and the rank test
      count them as the worst
    - reached_percent of the seeds came to the goal, queries_to_target is their censored median
      (infinite where half never did), see `incumbents.queries_to_goal`
    - updates_mean, untrained_seeds (a learner's with few updates); final_mean_percent of the last
      validated architecture over final_seeds, those that have one; facts.NAME
    """
    problem, rows = result.problem, kept_incumbents(result)
    eligible = problem.eligible_accuracy
    search = _known(statistics.look_up(rows, eligible))
    reported = statistics.look_up(rows, problem.reported_accuracy)
    known = _known(reported)
    regret = best_reported(problem) - _or_worst(reported)
    queries = queries_to_goal(result)
    drawn = eligible[problem.drawn]
    broken = np.isfinite(problem.search_accuracy[problem.drawn]).sum() - np.isfinite(drawn).sum()
    final = _known(statistics.look_up(result.final, problem.reported_accuracy))
    low, high = statistics.interquartile_interval(known)
    untrained = (result.updates < UNTRAINED_BELOW_UPDATES) & result.learns
    return {
        "label": result.label,
        "space": problem.space,
        "data_set": problem.data_set,
        "budget": result.budget,
        "learns": result.learns,
        "seeds": len(result.seeds),
        "unknown_seeds": len(reported) - len(known),
        "queries_mean": float((result.queries != ENDED).sum(1).mean()),
        "distinct_rows_mean": float(statistics.distinct_rows(result.queries).mean()),
        "mean_percent": 100 * statistics.mean(known),
        "sd_points": 100 * statistics.deviation(known),
        "iqm_percent": 100 * statistics.interquartile_mean(known),
        "iqm_low_percent": 100 * low,
        "iqm_high_percent": 100 * high,
        "median_regret_points": 100 * float(np.median(regret)),
        "search_mean_percent": 100 * statistics.mean(search),
        "random_search_percent": 100 * statistics.expected_best(drawn, result.budget, int(broken)),
        "reached_percent": 100 * float(np.isfinite(queries).mean()),
        "queries_to_target": float(np.median(queries)),
        "updates_mean": float(result.updates.mean()),
        "untrained_seeds": int(untrained.sum()),
        "final_seeds": len(final),
        "final_mean_percent": 100 * statistics.mean(final),
    } | {f"{FACT}{name}": value for name, value in result.facts.items()}


def _under_constraint(result: Result) -> dict[str, Any]:
    """The columns that a constraint adds.

    - cost (its name), cost_is_predicted (by a saved predictor, not measured), quantile, target (the
      bound, in the cost's unit); feasible: whether any row of the table keeps it
    - answered_percent of the seeds have an incumbent; answered_kept_percent of these keep the
      constraint, all unless searches observed predicted costs; cost_mean of the incumbents, in the
      cost's unit, cost_percent of the bound, measures.NAME means (of what is known)
    - random_answered_percent: the share of random searches that have one (closed form)
    - final_percent of the seeds have a final greedy row, final_kept_percent of these keep the
      constraint; final_cost_mean of those that the device can run, final_unable_seeds of the others
    - seconds_per_1000_queries of all seeds together, NaN where unknown
    """
    problem, rows = result.problem, incumbents(result)
    assert problem.constraint is not None
    assert problem.costs is not None and problem.max_cost is not None
    final, found = result.final[result.final >= 0], rows[rows >= 0]
    known = int(np.isfinite(problem.search_accuracy[problem.drawn]).sum())
    feasible = int(np.isfinite(problem.eligible_accuracy[problem.drawn]).sum())
    answered = statistics.chance_of_any(feasible, result.budget, known - feasible)
    mean_cost, made = _mean_of(rows, problem.costs), int((result.queries != ENDED).sum())
    measures = {
        f"{MEASURE}{name}": _mean_of(rows, values) for name, values in problem.measures.items()
    }
    return {
        "cost": problem.constraint.cost,
        "cost_is_predicted": problem.is_predicted,
        "quantile": problem.constraint.quantile,
        "target": problem.max_cost,
        "feasible": problem.is_feasible,
        "answered_percent": 100 * float((rows >= 0).mean()),
        "answered_kept_percent": _percent_of(problem.is_kept[found]),
        "cost_mean": mean_cost,
        "cost_percent": 100 * mean_cost / problem.max_cost,
        **measures,
        "random_answered_percent": 100 * answered,
        "final_percent": 100 * len(final) / len(result.final),
        "final_kept_percent": _percent_of(problem.is_kept[final]),
        "final_cost_mean": _mean_of(final, problem.costs),
        "final_unable_seeds": int(np.isinf(problem.costs[final]).sum()),
        "seconds_per_1000_queries": 1000 * result.run_seconds / made,
    }


def _percent_of(flags: np.ndarray) -> float:
    return 100 * float(flags.mean()) if len(flags) else np.nan


def _mean_of(rows: np.ndarray, values: np.ndarray) -> float:
    """The mean of the finite `values` [table's rows] at `rows`."""
    return statistics.mean(_known(statistics.look_up(rows, values)))


# --- comparisons in a group ---------------------------------------------------------------------


def _compare(group: Sequence[Result], reference: str) -> list[dict[str, float]]:
    """Each result against the reference; NaN for the reference itself, or where there is none.

    Columns: difference_points of the means, welch_t, welch_p, mann_whitney_u, mann_whitney_p, and
    both p with "_holm", corrected over the group.
    """
    values = {
        result.label: statistics.look_up(kept_incumbents(result), result.problem.reported_accuracy)
        for result in group
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


def medians_to_goal(group: Sequence[Result]) -> dict[str, Medians]:
    """Each label's censored median of queries to the goal, with bootstrap resamples."""
    return {
        result.label: statistics.medians(queries_to_goal(result), result.budget, stream=i)
        for i, result in enumerate(group)
    }


def compare_medians(medians: Mapping[str, Medians], reference: str) -> list[dict[str, float]]:
    """BASE_ratio_least, _most, _low, _high (see `statistics.Ratio`), a row for each label.

    The median of queries to the goal over that of the base, which is the reference or the first
    setting whose label begins with "autocomet"; NaN for the base itself, or where there is none.
    """
    autocomet = next((label for label in medians if label.startswith(AUTOCOMET)), "")
    rows = []
    for label, mine in medians.items():
        row: dict[str, float] = {}
        for name, base in zip(BASES, (reference, autocomet), strict=True):
            known = base in medians and base != label
            found = statistics.ratio(mine, medians[base]) if known else Ratio(*[np.nan] * 4)
            row |= {f"{name}_ratio_{end}": value for end, value in found._asdict().items()}
        rows.append(row)
    return rows


def ratios_of_pairs(medians: Mapping[str, Medians]) -> list[dict[str, Any]]:
    """Every label's median over every other's: label, other, and the ratio."""
    return [
        {"label": label, "other": other} | statistics.ratio(mine, theirs)._asdict()
        for label, mine in medians.items()
        for other, theirs in medians.items()
        if label != other
    ]
