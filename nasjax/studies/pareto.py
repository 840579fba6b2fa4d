"""How much a search has of a table's best trade-offs of accuracy and a device cost.

The hypervolume (Zitzler and Thiele, 1999) of some rows is the area of (cost, search accuracy) that
they dominate, up to the table's largest finite cost and down to accuracy 0; here as a part of what
all rows of the table dominate.
"""

import numpy as np

from nasjax.studies import statistics
from nasjax.studies.aggregate import Curve
from nasjax.studies.cell import Cell

POINTS = 24


def hypervolumes(
    queries: np.ndarray, accuracy: np.ndarray, costs: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """The hypervolume of each seed's first queries, as a part of the whole table's.

    queries [N, T] int, negative where no row was asked for; accuracy, costs [rows], not finite
    where missing or where the device cannot run the row; counts [P] int, at least 1 -> [N, P] in
    [0, 1].
    NaN where the table has no area: all its costs are equal, or nothing is known.
    """
    usable = np.isfinite(accuracy) & np.isfinite(costs)
    if not usable.any():
        return np.full((len(queries), len(counts)), np.nan)
    limit = costs[np.isfinite(costs)].max()
    # One more row, for what dominates nothing.
    heights = np.append(np.where(usable, accuracy, 0.0), 0.0).astype(float)
    prices = np.append(np.where(usable, costs, limit), limit).astype(float)
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


def hypervolume_curve(cell: Cell, *, points: int = POINTS) -> Curve:
    """The mean hypervolume over queries, with its 95 % bootstrap band, of a cell with a constraint.

    Up to `points` query counts, evenly spread on a log axis. The target of the constraint plays no
    part: all rows that the device can run count.
    """
    assert cell.constraint is not None
    counts = np.unique(np.geomspace(1, cell.budget, points).round().astype(int))
    found = hypervolumes(cell.queries, cell.search_accuracy, cell.constraint.costs, counts)
    return Curve(counts, found.mean(0), *statistics.mean_band(found))
