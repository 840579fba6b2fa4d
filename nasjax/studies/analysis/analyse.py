"""Analyses a study's results, once: all that study.json, picks.json and the report say."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from nasjax.studies.analysis.recommendations import recommendations
from nasjax.studies.analysis.summary import Row, summarize
from nasjax.studies.analysis.tradeoffs import Curve, Tradeoff, accuracy_curve, tradeoff
from nasjax.studies.results import Group, Result, grouped


class Comparison(NamedTuple):
    """The results of one group.

    Attributes:
      results: in the study's order.
      rows: theirs of the data frame, from the best mean reported accuracy to the worst.
      curves: label -> accuracy of the incumbent over queries, in the order of `rows`; empty under a
        constraint, where `Tradeoff` has them.
      recommendations: the entries of picks.json; empty without a constraint.
    """

    group: Group
    results: Sequence[Result]
    rows: Sequence[Row]
    curves: dict[str, Curve]
    recommendations: Sequence[dict[str, Any]]


class Contest(NamedTuple):
    """All constraints on one table with one budget.

    Attributes:
      comparisons: one for each constraint.
      tradeoffs: one for each cost that any architecture keeps.
    """

    comparisons: Sequence[Comparison]
    tradeoffs: Sequence[Tradeoff]


class Analysis(NamedTuple):
    """The numbers of a study and of its groups.

    Attributes:
      reference: label of the setting that all others are compared with.
      frame, ratios: see `summary.summarize`.
      recommendations: those of all groups, in the order of the results.
      comparisons: the groups without a constraint.
      contests: those with one, by table and budget.
    """

    results: Sequence[Result]
    reference: str
    frame: pd.DataFrame
    ratios: Sequence[dict[str, Any]]
    recommendations: Sequence[dict[str, Any]]
    comparisons: Sequence[Comparison]
    contests: Sequence[Contest]


def analyse(results: Sequence[Result], reference: str) -> Analysis:
    """Computes everything that is said of the results.

    Raises:
      UserError: there are no results, one is not usable, or none has the label `reference`.
    """
    frame, ratios = summarize(results, reference)
    recommended: list[dict[str, Any]] = []
    free: list[Comparison] = []
    constrained: dict[Group, list[Comparison]] = {}
    start = 0
    for group, members in grouped(results).items():  # as the frame has them
        rows = _from_best_to_worst(frame.iloc[start : start + len(members)])
        start += len(members)
        if group.constraint is None:
            curves = {result.label: accuracy_curve(result) for result in members}
            ordered = {row["label"]: curves[row["label"]] for row in rows}
            free.append(Comparison(group, members, rows, ordered, ()))
        else:
            comparison = Comparison(group, members, rows, {}, recommendations(members))
            recommended += comparison.recommendations
            constrained.setdefault(group._replace(constraint=None), []).append(comparison)
    contests = [Contest(compared, _tradeoffs(compared)) for compared in constrained.values()]
    return Analysis(results, reference, frame, ratios, recommended, free, contests)


def _from_best_to_worst(frame: pd.DataFrame) -> list[Row]:
    ordered = frame.sort_values("mean_percent", ascending=False, kind="stable", na_position="last")
    return ordered.to_dict("records")


def _tradeoffs(comparisons: Sequence[Comparison]) -> list[Tradeoff]:
    by_cost: dict[str, list[Result]] = {}
    for comparison in comparisons:
        constraint = comparison.group.constraint
        if constraint is not None and comparison.results[0].problem.is_feasible:
            by_cost.setdefault(constraint.cost, []).extend(comparison.results)
    return [tradeoff(of_cost) for of_cost in by_cost.values()]
