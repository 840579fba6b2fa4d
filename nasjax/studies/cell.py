"""One cell of a study: what all seeds of one setting asked of one table."""

from typing import Any, NamedTuple

import numpy as np

NO_ROW, ENDED = -1, -2  # in `Cell.queries`


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
