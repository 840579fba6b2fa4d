"""What each controller would pick for a device and a limit: the answer that most seeds agree on."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nasjax.registry import SPACES, slot_space
from nasjax.studies.answers import answers, best_row
from nasjax.studies.cell import NO_ROW, Cell


def picks(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """An entry for every cell with a constraint, in their order; plain data.

    - space, data_set, budget, cost, quantile, target (in the cost's unit), label, seeds
    - architecture, its agreed_percent of all seeds, cost_value, keeps_target (False where predicted
      costs have misled), search_percent, reported_percent: of the best feasible row that most seeds
      have; None where none has any
    - best_...: the same of the table's row with the best search accuracy that keeps the constraint;
      None where no row does
    """
    return [_pick(cell, _names(cell)) for cell in cells if cell.constraint is not None]


def agreed(cell: Cell) -> tuple[int, int]:
    """The row that most seeds have as their answer, and how many do; (NO_ROW, 0) if none has any.

    Of rows that as many seeds have, the one with the best search accuracy, then the first.
    """
    found = answers(cell)
    rows, counts = np.unique(found[found >= 0], return_counts=True)
    if not len(rows):
        return NO_ROW, 0
    first = np.lexsort((rows, -cell.search_accuracy[rows], -counts))[0]
    return int(rows[first]), int(counts[first])


def _pick(cell: Cell, to_text: Callable[[int], str]) -> dict[str, Any]:
    assert cell.constraint is not None
    row, count = agreed(cell)
    best = best_row(cell) if cell.is_feasible else NO_ROW
    limit = {name: getattr(cell.constraint, name) for name in ("cost", "quantile", "target")}
    return {
        **{name: getattr(cell, name) for name in ("space", "data_set", "budget")},
        **limit,
        "label": cell.label,
        "seeds": len(cell.seeds),
        "agreed_percent": 100 * count / len(cell.seeds),
        **_about(cell, row, to_text),
        **{f"best_{name}": value for name, value in _about(cell, best, to_text).items()},
    }


def _about(cell: Cell, row: int, to_text: Callable[[int], str]) -> dict[str, Any]:
    assert cell.constraint is not None
    if row < 0:
        names = ("architecture", "cost_value", "keeps_target", "search_percent", "reported_percent")
        return dict.fromkeys(names)
    reported = float(cell.reported_accuracy[row])
    return {
        "architecture": to_text(row),
        "cost_value": float(cell.constraint.costs[row]),
        "keeps_target": bool(cell.constraint.is_kept[row]),
        "search_percent": 100 * float(cell.search_accuracy[row]),
        "reported_percent": None if np.isnan(reported) else 100 * reported,
    }


def _names(cell: Cell) -> Callable[[int], str]:
    """How rows are called: as architectures, where the space is a known one."""
    if cell.space not in SPACES and ":" not in cell.space:
        return lambda row: f"row {row}"
    made, ids = slot_space(cell.space), cell.ids
    return lambda row: made.to_text(made.from_index(row if ids is None else ids[row]))
