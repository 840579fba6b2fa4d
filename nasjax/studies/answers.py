"""What the searches of a cell found: their answers, and how many queries it took.

A search's answer is, of the rows that it asked for and that may be answers (those that keep the
constraint, if there is one, by the costs that the search saw), the one of the best search accuracy.
Its reported accuracy decides on nothing.
"""

import numpy as np

from nasjax.studies import statistics
from nasjax.studies.cell import NO_ROW, Cell

AIM = 0.99  # of the best search accuracy of the table's rows that may be answers
AIM_UNDER_CONSTRAINT = 0.995


def answers(cell: Cell) -> np.ndarray:
    """The answer of each seed when its budget is spent: [N] int32 rows, NO_ROW where there is none.

    Where rows are equally good, the first that was asked for.
    """
    return statistics.last_incumbents(cell.queries, cell.answerable_accuracy)


def kept_answers(cell: Cell) -> np.ndarray:
    """Those answers that keep the constraint as measured: [N] int32 rows, NO_ROW elsewhere.

    All, unless the searches saw predicted costs.
    """
    rows = answers(cell)
    if cell.constraint is None:
        return rows
    return np.where((rows >= 0) & cell.constraint.is_kept[rows], rows, NO_ROW)


def reached(cell: Cell) -> np.ndarray:
    """Queries to 99 % of the table's best answer, under a constraint 99.5 %; [N], inf: never.

    What a search that sees predicted costs does not take for feasible, it has not found.
    """
    eligible = cell.eligible_accuracy
    part = AIM if cell.constraint is None else AIM_UNDER_CONSTRAINT
    target = part * greatest(eligible)
    taken = np.where(np.isnan(cell.answerable_accuracy), np.nan, eligible)
    return statistics.queries_to_reach(cell.queries, taken, target)


def best_row(cell: Cell) -> int:
    """The row of the table that is its best answer, the first of equals.

    Raises:
      ValueError: there is none, see `Cell.is_feasible`.
    """
    return int(np.nanargmax(cell.eligible_accuracy))


def best_reported(cell: Cell) -> float:
    """The greatest reported accuracy of the table's rows that may be answers; NaN of none."""
    values = cell.reported_accuracy
    return greatest(values if cell.constraint is None else values[cell.constraint.is_kept])


def greatest(values: np.ndarray) -> float:
    """The greatest of what is known (not NaN) of [N]; NaN of nothing."""
    known = values[~np.isnan(values)]
    return float(known.max()) if len(known) else np.nan
