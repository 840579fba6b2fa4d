"""Trade-offs of accuracy and a device cost: what a table has, and what searches found over time.

Three curves over queries: the reported accuracy of the incumbent; the hypervolume of the queries
(Zitzler and Thiele, 1999), as a part of the whole table's; and the return of the queries
(AUTOCoMET's Fig. 3). Methods are rewarded differently, so returns are measured by one yardstick,
MnasNet's hard constraint (Tan et al., 2019, eq. 2 with exponents 0 and -1).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasjax.reports.pareto import pareto_front
from nasjax.studies.analysis import statistics
from nasjax.studies.analysis.incumbents import best_reported, incumbents, kept_incumbents
from nasjax.studies.problem import Problem
from nasjax.studies.results import Result
from nasjax.studies.simulate import ENDED

CURVE_POINTS = 200
TRADEOFF_POINTS = 60  # of accuracy curves beside those of hypervolume and return
HYPERVOLUME_POINTS, RETURN_POINTS = 24, 25


class Curve(NamedTuple):
    """A mean over seeds after some numbers of queries, with its 95 % bootstrap band."""

    queries: np.ndarray  # [P] int, ascending
    mean: np.ndarray  # [P], NaN where a seed has no value yet
    low: np.ndarray  # [P], NaN for one seed
    high: np.ndarray  # [P]


class Quartiles(NamedTuple):
    """Quartiles over the seeds that have an incumbent, [3] each; NaN if none has."""

    costs: np.ndarray
    accuracy: np.ndarray  # reported


class Progress(NamedTuple):
    """The progress of searches under one constraint, by label."""

    quantile: float
    max_cost: float  # in the cost's unit
    best: float  # the greatest reported accuracy of the feasible rows
    incumbents: dict[str, Quartiles]
    accuracy: dict[str, Curve]  # reported, of the incumbent
    hypervolume: dict[str, Curve]
    returns: dict[str, Curve]


class Tradeoff(NamedTuple):
    """Accuracy against one cost on one table with one budget."""

    cost: str
    front_costs: np.ndarray  # [F] of the table's Pareto front by reported accuracy
    front_accuracy: np.ndarray  # [F]
    labels: Sequence[str]
    progress: Sequence[Progress]  # quantiles ascending


def tradeoff(results: Sequence[Result]) -> Tradeoff:
    """The trade-off of feasible results that share all but their label and their quantile."""
    problem = results[0].problem
    assert problem.constraint is not None and problem.costs is not None
    front = pareto_front(problem.costs, problem.reported_accuracy)
    by_quantile: dict[float, list[Result]] = {}
    for result in results:
        assert result.problem.constraint is not None
        by_quantile.setdefault(result.problem.constraint.quantile, []).append(result)
    return Tradeoff(
        cost=problem.constraint.cost,
        front_costs=problem.costs[front],
        front_accuracy=problem.reported_accuracy[front],
        labels=tuple(dict.fromkeys(result.label for result in results)),
        progress=[_progress(by_quantile[quantile]) for quantile in sorted(by_quantile)],
    )


def _progress(results: Sequence[Result]) -> Progress:
    problem = results[0].problem
    assert problem.constraint is not None and problem.max_cost is not None
    return Progress(
        quantile=problem.constraint.quantile,
        max_cost=problem.max_cost,
        best=best_reported(problem),
        incumbents={result.label: quartiles(result) for result in results},
        accuracy={
            result.label: accuracy_curve(result, points=TRADEOFF_POINTS) for result in results
        },
        hypervolume={result.label: hypervolume_curve(result) for result in results},
        returns={result.label: return_curve(result) for result in results},
    )


def quartiles(result: Result) -> Quartiles:
    """Costs and reported accuracies of the seeds' incumbents."""
    rows, problem = incumbents(result), result.problem
    assert problem.costs is not None
    return Quartiles(_quartiles(rows, problem.costs), _quartiles(rows, problem.reported_accuracy))


def _quartiles(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    found = statistics.look_up(rows, values)
    known = found[np.isfinite(found)]
    return np.quantile(known, (0.25, 0.5, 0.75)) if len(known) else np.full(3, np.nan)


def _counts(budget: int, points: int) -> np.ndarray:
    """Up to `points` numbers of queries, evenly spread on a log axis."""
    return np.unique(np.geomspace(1, budget, points).round().astype(int))


# --- curves -------------------------------------------------------------------------------------


def _curve(counts: np.ndarray, values: np.ndarray) -> Curve:
    """The mean and the band of values [N, P]; NaN without any seed."""
    if not len(values):
        values = np.full((1, len(counts)), np.nan)
    return Curve(counts, values.mean(0), *statistics.mean_band(values))


def accuracy_curve(result: Result, *, points: int = CURVE_POINTS) -> Curve:
    """The incumbent's reported accuracy.

    Seeds that end without an incumbent that keeps the constraint are left out.
    """
    counts = _counts(result.budget, points)
    rows = statistics.incumbents(result.queries, result.problem.observed_accuracy)
    reported = statistics.look_up(rows, result.problem.reported_accuracy)
    reported = reported[kept_incumbents(result) >= 0][:, counts - 1]
    return _curve(counts, reported[np.isfinite(reported[:, -1])])


def hypervolume_curve(result: Result, *, points: int = HYPERVOLUME_POINTS) -> Curve:
    """The hypervolume of the queries so far, whatever the constraint's bound."""
    problem, counts = result.problem, _counts(result.budget, points)
    assert problem.costs is not None
    accuracy, costs = problem.search_accuracy, problem.costs
    return _curve(counts, hypervolumes(result.queries, accuracy, costs, counts))


def hypervolumes(
    queries: np.ndarray, accuracy: np.ndarray, costs: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """The hypervolume of each seed's first queries, as a part of the whole table's.

    The hypervolume of some rows is the area of (cost, search accuracy) that they dominate, up to
    the table's largest finite cost and down to accuracy 0.

    queries [N, T] int, negative where no row was asked for; accuracy, costs [rows], not finite
    where missing or where the device cannot run the row; counts [P] int, at least 1 -> [N, P] in
    [0, 1]; NaN where the table has no area: all its costs are equal, or nothing is known.
    """
    usable = np.isfinite(accuracy) & np.isfinite(costs)
    largest = costs[np.isfinite(costs)].max(initial=0.0)
    # One more row, for what dominates nothing.
    heights = np.append(np.where(usable, accuracy, 0.0), 0.0).astype(float)
    prices = np.append(np.where(usable, costs, largest), largest).astype(float)
    order = np.argsort(prices, kind="stable")
    heights, prices = heights[order], prices[order]
    small = np.uint16 if len(order) <= 2**16 else np.int64  # 16 bits are sorted by radix: faster
    places = np.empty(len(order), small)
    places[order] = np.arange(len(order))
    asked = places[np.where(queries < 0, len(costs), queries)]

    def areas(asked: np.ndarray) -> np.ndarray:
        ascending = np.sort(asked, axis=1, kind="stable")
        best = np.maximum.accumulate(heights[ascending], axis=1)
        return (best * np.diff(prices[ascending], axis=1, append=prices[-1])).sum(1)

    whole = areas(np.arange(len(order))[None])[0]
    if not whole > 0:
        return np.full((len(queries), len(counts)), np.nan)
    found = np.stack([areas(asked[:, :count]) for count in counts], axis=1) / whole
    return np.minimum(found, 1.0)  # sums in another order differ in the last bits


def return_curve(result: Result, *, points: int = RETURN_POINTS) -> Curve:
    """The mean worth of the queries since the point before.

    Invalid queries are worth 0; a search that has ended keeps its last return.
    """
    counts = _counts(result.budget, points)
    earned = np.nan_to_num(statistics.look_up(result.queries, worths(result.problem)))
    earned[result.queries == ENDED] = np.nan
    windows = np.split(earned, counts[:-1], axis=1)
    means = np.zeros((len(result.queries), len(windows)))
    for i, window in enumerate(windows):
        made = np.isfinite(window).sum(1)
        means[:, i] = np.where(
            made, np.nansum(window, axis=1) / np.maximum(made, 1), means[:, i - 1]
        )
    return _curve(counts, means)


def worths(problem: Problem) -> np.ndarray:
    """[rows]: search accuracy * min(1, bound / cost), over its greatest; 0 if it cannot be run."""
    assert problem.costs is not None and problem.max_cost is not None
    costs, bound = problem.costs, problem.max_cost
    price = np.where(costs > bound, bound / np.maximum(costs, bound), 1.0)
    worth = np.nan_to_num(problem.search_accuracy * np.nan_to_num(price))
    return worth / worth.max()
