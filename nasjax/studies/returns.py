"""The return of what a search asks for, over its queries: AUTOCoMET's Fig. 3.

Methods are rewarded differently, so they are measured by one yardstick: MnasNet's hard constraint
(Tan et al., 2019, eq. 2 with exponents 0 and -1), as a share of the table's best.
"""

import numpy as np

from nasjax.studies import statistics
from nasjax.studies.aggregate import Curve
from nasjax.studies.cell import ENDED, Cell

POINTS = 25


def worths(cell: Cell) -> np.ndarray:
    """[rows]: search accuracy * min(1, target / cost), over its greatest; 0 if it cannot be run."""
    assert cell.constraint is not None
    costs, target = cell.constraint.costs, cell.constraint.target
    price = np.where(costs > target, target / np.maximum(costs, target), 1.0)
    worth = np.nan_to_num(cell.search_accuracy * np.nan_to_num(price))
    return worth / worth.max()


def return_curve(cell: Cell, *, points: int = POINTS) -> Curve:
    """The mean worth of the queries since the point before, with its 95 % bootstrap band.

    Up to `points` query counts, evenly spread on a log axis; invalid queries are worth 0, a search
    that has ended keeps its last return.
    """
    counts = np.unique(np.geomspace(1, cell.budget, points).round().astype(int))
    earned = np.nan_to_num(statistics.look_up(cell.queries, worths(cell)))
    earned[cell.queries == ENDED] = np.nan
    windows = np.split(earned, counts[:-1], axis=1)
    means = np.zeros((len(cell.queries), len(windows)))
    for i, window in enumerate(windows):
        made = np.isfinite(window).sum(1)
        means[:, i] = np.where(
            made, np.nansum(window, axis=1) / np.maximum(made, 1), means[:, i - 1]
        )
    return Curve(counts, means.mean(0), *statistics.mean_band(means))
