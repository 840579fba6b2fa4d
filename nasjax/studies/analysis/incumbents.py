"""Incumbents of searches, and the queries that it took to reach a goal.

A search's incumbent is, of the rows that it asked for and that keep the constraint by the costs
that it observed, the one of the best search accuracy. Its reported accuracy decides on nothing.
"""

import numpy as np

from nasjax.studies.analysis import statistics
from nasjax.studies.problem import Problem
from nasjax.studies.results import Result
from nasjax.studies.simulate import NO_ROW

GOAL = 0.99  # of the best search accuracy among the feasible rows
GOAL_UNDER_CONSTRAINT = 0.995


def incumbents(result: Result) -> np.ndarray:
    """Each seed's incumbent when its budget is spent: [N] int32 rows, NO_ROW where it has none."""
    return statistics.last_incumbents(result.queries, result.problem.observed_accuracy)


def kept_incumbents(result: Result) -> np.ndarray:
    """The incumbents that keep the constraint as measured, not only as predicted; else NO_ROW."""
    rows = incumbents(result)
    return np.where((rows >= 0) & result.problem.is_kept[rows], rows, NO_ROW)


def queries_to_goal(result: Result) -> np.ndarray:
    """Queries to 99 % of the best feasible search accuracy, 99.5 % under a constraint.

    [N] float, infinite where a search never came there. A row that a search took for infeasible, by
    predicted costs, it has not found.
    """
    problem = result.problem
    share = GOAL if problem.constraint is None else GOAL_UNDER_CONSTRAINT
    goal = share * greatest(problem.eligible_accuracy)
    found = np.where(np.isnan(problem.observed_accuracy), np.nan, problem.eligible_accuracy)
    return statistics.queries_to_reach(result.queries, found, goal)


def best_row(problem: Problem) -> int:
    """The row of the best search accuracy, the first of equals, of a problem that is feasible."""
    return int(np.nanargmax(problem.eligible_accuracy))


def best_reported(problem: Problem) -> float:
    """The greatest reported accuracy of the feasible rows; NaN if there are none."""
    return greatest(problem.reported_accuracy[problem.is_kept])


def greatest(values: np.ndarray) -> float:
    """The greatest of the known values (not NaN) of [N]; NaN if there are none."""
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else np.nan
