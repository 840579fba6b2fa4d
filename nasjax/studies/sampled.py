"""Cells in a space too large for a table: their rows are what was asked for, and a random sample.

The searches that are compared share their rows: all architectures that any of them asked for, and
the sample (`evaluation.surrogate.drawn_from`), in the order of the space's index. Surrogates
predict these once. The sample stands for the space where a table would be counted: quantiles of a
cost, and what random draws find.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.evaluation import surrogate
from nasjax.evaluation.evaluation import Rows as Predicted
from nasjax.evaluation.surrogate import SAMPLE_SEED, SAMPLED, SurrogateConfig, drawn_from
from nasjax.registry import of_saved, parse_member, slot_space
from nasjax.spaces.slots import SlotSpace
from nasjax.studies.cell import Cell
from nasjax.studies.config import CellConfig
from nasjax.studies.parts import Part

_AT_ONCE = 2**18  # architectures whose slots are held at a time

NOTE = (
    "There is no table of this space: {size:,} networks. Below, the table is all that the searches "
    f"compared asked for and {SAMPLED:,} random networks (uniform, seed {SAMPLE_SEED}); its best "
    "is the best of these. Accuracies and costs are predicted by surrogates, search and reported "
    "accuracy by two that were fitted on different networks. Quantiles of a cost, and what uniform "
    "draws find, are those of the random networks."
)


class Rows(NamedTuple):
    """What the searches of a group share.

    Attributes:
      ids: [rows] int64, ascending; sample: [SAMPLED] int32, rows.
      names: of the columns of `predicted.costs`.
    """

    ids: np.ndarray
    sample: np.ndarray
    names: tuple[str, ...]
    predicted: Predicted


def note(cell: Cell) -> list[str]:
    """What a report must say where there is no table."""
    return [] if cell.ids is None else [NOTE.format(size=slot_space(cell.space).size)]


def costs_of_sample(cell: CellConfig, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns [SAMPLED] of what is predicted of the sample."""
    space = slot_space(cell.space)
    config = _config(cell, tuple(names))
    rows = _predict(space, config, drawn_from(space))
    return dict(zip(names, rows.costs.T, strict=True))


def rows_of(found: Sequence[tuple[CellConfig, Part]]) -> Rows:
    """What these cells, all of one group, asked for; and what is predicted of it."""
    first = found[0][0]
    space = slot_space(first.space)
    sample = _sample_ids(space)
    ids = np.unique(sample)
    for _, part in found:  # one by one: most rows of a search of few queries are its own
        for rows in (part.found.queries, part.found.final):
            ids = np.union1d(ids, rows[rows >= 0])
    limit = () if first.limit is None else (first.limit.cost,)
    names = tuple(dict.fromkeys((*limit, *first.measures)))
    config = _config(first, names)
    chunks = [
        _predict(space, config, space.from_index(ids[start : start + _AT_ONCE]))
        for start in range(0, len(ids), _AT_ONCE)
    ]
    columns = (np.concatenate(of) for of in zip(*chunks, strict=True))
    return Rows(ids, _places(ids, sample), names, Predicted(*columns))


def in_rows(cell: Cell, rows: Rows) -> Cell:
    """The cell, whose rows are indices of the space, in these rows."""
    costs = dict(zip(rows.names, rows.predicted.costs.T, strict=True))
    constraint = cell.constraint
    if constraint is not None:
        constraint = constraint._replace(costs=costs[constraint.cost])
    return cell._replace(
        queries=_places(rows.ids, cell.queries),
        final=_places(rows.ids, cell.final),
        search_accuracy=rows.predicted.search_accuracy,
        reported_accuracy=rows.predicted.reported_accuracy,
        constraint=constraint,
        measures={name: costs[name] for name in cell.measures},
        ids=rows.ids,
        sample=rows.sample,
    )


def _config(cell: CellConfig, costs: tuple[str, ...]) -> SurrogateConfig:
    config = parse_member("evaluator", cell.sections["evaluator"]).settings
    return dataclasses.replace(config, costs=costs)


def _predict(space: SlotSpace, config: SurrogateConfig, architectures: np.ndarray) -> Predicted:
    """What surrogates predict of architectures [N, L, 1], in their order."""
    read = surrogate.load(config, space, of_saved)
    return surrogate.predict_rows(read, space, architectures)


def _sample_ids(space: SlotSpace) -> np.ndarray:
    words = jax.jit(jax.vmap(space.index_words))(jnp.asarray(drawn_from(space)))
    return space.index_from_words(words)


def _places(ids: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Indices of the space as rows, int32; negative ones stay."""
    return np.where(rows < 0, rows, np.searchsorted(ids, rows)).astype(np.int32)
