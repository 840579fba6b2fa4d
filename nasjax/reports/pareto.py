"""The Pareto front of accuracy against a cost."""

import numpy as np


def pareto_front(cost: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """[N], [N] -> the rows that no other is as good as at no more cost, from cheapest to best.

    Rows that are not finite in either are left out; of rows alike in both the first is kept.
    """
    usable = np.flatnonzero(np.isfinite(accuracy) & np.isfinite(cost))
    order = usable[np.lexsort((-accuracy[usable], cost[usable]))]  # stable: the first of equals
    best = np.maximum.accumulate(accuracy[order])
    return order[np.diff(best, prepend=-np.inf) > 0]
