"""Cells of three seeds and four queries on a table of six rows, to count by hand."""

from typing import Any

import numpy as np

from nasjax.studies.cell import ENDED, NO_ROW, Cell, Constraint

NAN = np.nan
SEARCH = np.array([0.5, 0.6, 0.7, 0.7, NAN, 0.9])  # row 4 was never measured in the search
REPORTED = np.array([0.50, 0.58, 0.71, 0.69, 0.80, 0.88])
# What the three seeds end with: rows 2, 5 and 1, so .71, .88 and .58 are reported.
QUERIES = np.array([[0, 2, 3, 1], [NO_ROW, 4, 1, 5], [1, 0, ENDED, ENDED]], np.int32)


def cell(label: str = "learner", **other: Any) -> Cell:
    """The cell of QUERIES, with what `other` replaces."""
    queries = np.asarray(other.get("queries", QUERIES), np.int32)
    defaults = {
        "space": "toy",
        "data_set": "digits",
        "budget": queries.shape[1],
        "seeds": np.arange(len(queries)),
        "updates": np.zeros(len(queries), np.int32),
        "final": np.full(len(queries), NO_ROW, np.int32),
        "search_accuracy": SEARCH,
        "reported_accuracy": REPORTED,
        "learns": False,
        "facts": {},
    }
    return Cell(label, **(defaults | other | {"queries": queries}))


def reference(label: str = "random", **other: Any) -> Cell:
    """Three seeds that end with rows 0, 1 and 3: .50, .58 and .69."""
    return cell(label, **({"queries": [[0, 0, 0, 0], [0, 1, 1, 1], [3, 1, 0, 0]]} | other))


COSTS = np.array([1.0, 2.0, 4.0, 3.0, np.inf, 8.0])
LATENCY = "phone/latency_ms"


def limited(label: str = "learner", target: float = 3.0, **other: Any) -> Cell:
    """The cell of QUERIES where rows 0, 1 and 3 keep the constraint: answers are rows 3, 1, 1."""
    quantile = other.pop("quantile", 0.5)
    constraint = Constraint(other.pop("cost", LATENCY), quantile, target, other.pop("costs", COSTS))
    return cell(label, **({"constraint": constraint} | other))


def limited_reference(label: str = "random", **other: Any) -> Cell:
    """Three seeds that answer with rows 0, 1 and 3."""
    return limited(label, **({"queries": reference().queries} | other))
