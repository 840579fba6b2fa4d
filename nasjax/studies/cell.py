"""One cell of a study: what all seeds of one setting asked of one table."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

NO_ROW, ENDED = -1, -2  # in `Cell.queries`


class Constraint(NamedTuple):
    """What an architecture must keep to be an answer: a device cost of at most so much."""

    cost: str  # its name, the unit ends it: "hw_nas_bench/pixel3_latency_ms"
    quantile: float  # of that cost over the table's architectures that the device can run
    target: float  # that quantile, in the cost's unit
    costs: np.ndarray  # [rows]; inf: the device cannot run it
    seen: np.ndarray | None = None  # [rows]: what was predicted instead, if searches saw that
    is_predicted: bool = False  # `costs` are a saved predictor's, of a table's rows: not measured

    @property
    def is_kept(self) -> np.ndarray:
        """[rows] bool."""
        return self.costs <= self.target

    @property
    def seems_kept(self) -> np.ndarray:
        """[rows] bool: what a search takes for kept."""
        return self.is_kept if self.seen is None else self.seen <= self.target


class Cell(NamedTuple):
    """N seeds of one setting on one data set of one space, with the same budget."""

    label: str  # the setting, e.g. "regularized_evolution" or "trl_hpo heads=8"
    space: str
    data_set: str
    budget: int  # queries per seed
    seeds: np.ndarray  # [N] int
    queries: np.ndarray  # [N, budget] int32: a row of the table, NO_ROW (invalid), or ENDED before
    updates: np.ndarray  # [N] int32: gradient or table updates that the learner made
    final: np.ndarray  # [N] int32: row of the learner's last noise-free architecture, or NO_ROW
    search_accuracy: np.ndarray  # [rows] in [0, 1]: what a search sees; NaN where missing
    reported_accuracy: np.ndarray  # [rows] in [0, 1]: what is reported (test); NaN where missing
    learns: bool  # a learner with few updates is marked untrained
    facts: dict[str, Any]  # shown as columns: parameter counts, flags ...
    constraint: Constraint | None = None  # rows that break it are no answers
    # [rows] each, shown of the answers: energy, size ...
    measures: Mapping[str, np.ndarray] = MappingProxyType({})
    run_seconds: float = np.nan  # that all its searches took, compiling left out
    # Of a space too large for a table, else None. Rows are what the searches compared asked for and
    # a random sample: [rows] int64, of each its index in the space; [K] int32, the sample's rows.
    ids: np.ndarray | None = None
    sample: np.ndarray | None = None

    @property
    def eligible_accuracy(self) -> np.ndarray:
        """[rows]: `search_accuracy`, NaN where the constraint is broken: what is to be found."""
        if self.constraint is None:
            return self.search_accuracy
        return np.where(self.constraint.is_kept, self.search_accuracy, np.nan)

    @property
    def answerable_accuracy(self) -> np.ndarray:
        """[rows]: the same by the costs that searches saw: it decides on their answers."""
        if self.constraint is None:
            return self.search_accuracy
        return np.where(self.constraint.seems_kept, self.search_accuracy, np.nan)

    @property
    def drawn(self) -> np.ndarray | slice:
        """What stands for uniform draws from the space: of a table all rows."""
        return slice(None) if self.sample is None else self.sample

    @property
    def is_feasible(self) -> bool:
        """Whether any row is an answer."""
        return bool(np.isfinite(self.eligible_accuracy).any())
