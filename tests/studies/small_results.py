"""Results of three seeds and four queries on a table of six rows, to count by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from nasjax.studies.analysis.summary import summarize
from nasjax.studies.config import Constraint
from nasjax.studies.problem import Problem
from nasjax.studies.results import Result
from nasjax.studies.simulate import ENDED, NO_ROW

NAN = np.nan
SEARCH = np.array([0.5, 0.6, 0.7, 0.7, NAN, 0.9])  # row 4 was never measured in the search
REPORTED = np.array([0.50, 0.58, 0.71, 0.69, 0.80, 0.88])
# What the three seeds end with: rows 2, 5 and 1, so .71, .88 and .58 are reported.
QUERIES = np.array([[0, 2, 3, 1], [NO_ROW, 4, 1, 5], [1, 0, ENDED, ENDED]], np.int32)
COSTS = np.array([1.0, 2.0, 4.0, 3.0, np.inf, 8.0])
LATENCY = "phone/latency_ms"


def result(label: str = "learner", **other: Any) -> Result:
    """The result of QUERIES; `other` replaces fields of it and of its problem."""
    queries = np.asarray(other.pop("queries", QUERIES), np.int32)
    of_problem = {name: other.pop(name) for name in Problem._fields if name in other}
    problem = Problem("toy", "digits", SEARCH, REPORTED)._replace(**of_problem)
    made = Result(
        label=label,
        problem=problem,
        budget=queries.shape[1],
        seeds=np.arange(len(queries)),
        queries=queries,
        updates=np.zeros(len(queries), np.int32),
        final=np.full(len(queries), NO_ROW, np.int32),
        learns=False,
        facts={},
    )
    return made._replace(**other)


def on(result: Result, **other: Any) -> Result:
    """The result on a problem with other fields."""
    return result._replace(problem=result.problem._replace(**other))


def reference(label: str = "random", **other: Any) -> Result:
    """Three seeds that end with rows 0, 1 and 3: .50, .58 and .69."""
    return result(label, **({"queries": [[0, 0, 0, 0], [0, 1, 1, 1], [3, 1, 0, 0]]} | other))


def constrained(label: str = "learner", max_cost: float = 3.0, **other: Any) -> Result:
    """The result of QUERIES where rows 0, 1 and 3 are feasible: incumbents are rows 3, 1, 1."""
    constraint = Constraint(other.pop("cost", LATENCY), other.pop("quantile", 0.5))
    fields = {"constraint": constraint, "max_cost": max_cost, "costs": COSTS}
    return result(label, **(fields | other))


def constrained_reference(label: str = "random", **other: Any) -> Result:
    """Three seeds whose incumbents are rows 0, 1 and 3."""
    return constrained(label, **({"queries": reference().queries} | other))


def frame(results: Sequence[Result], reference: str) -> pd.DataFrame:
    """The numbers of these results, a row each."""
    return summarize(results, reference)[0]
