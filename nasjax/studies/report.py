"""Write the report of a study: report.html, report.md and figures/*.png in one directory."""

import pathlib
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

from nasjax.errors import UserError
from nasjax.studies import blocks, constrained_page, page, plots, sampled
from nasjax.studies.aggregate import Group, aggregates, curve, grouped
from nasjax.studies.answers import best_reported, best_row
from nasjax.studies.cell import Cell
from nasjax.studies.columns import Row
from nasjax.studies.picks import picks
from nasjax.studies.tradeoffs import tradeoff

FIGURES = "figures"


def write_report(
    directory: pathlib.Path,
    cells: Sequence[Cell],
    *,
    title: str,
    reference: str,
    study: dict[str, Any],
) -> list[pathlib.Path]:
    """Write what the cells say, and how it was made, and return the files written.

    reference: the label that all others of the same space, data set, budget and constraint are
    compared with.
    study: nested plain values that name the run, printed as they are: seconds, commit, machine ...

    Raises `UserError` if there are no cells, one is not usable (see `aggregates`), `reference` is
    no label, or a file cannot be written.
    """
    frame = aggregates(cells, reference)
    chapters = [
        *page.chapters(_sections(cells, frame, reference)),
        *constrained_page.chapters(_tables(cells, frame, reference)),
    ]
    tiles = page.tiles(frame.to_dict("records"))
    path = directory
    try:
        (directory / FIGURES).mkdir(parents=True, exist_ok=True)
        written = []
        for name, render in (("report.html", blocks.html), ("report.md", blocks.markdown)):
            path = directory / name
            path.write_text(render(title, tiles, chapters, study), encoding="utf-8")
            written.append(path)
        for picture in blocks.pictures(chapters):
            path = directory / picture.file_name
            picture.png(path)
            written.append(path)
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be written: {error.strerror}") from error
    return written


def _rows(cells: Sequence[Cell], frame: pd.DataFrame) -> dict[Group, list[Row]]:
    """The rows of each group, its settings from the best mean to the worst."""
    rows, start = {}, 0
    for group, members in grouped(cells).items():  # as `aggregates` has them
        of_group = frame.iloc[start : start + len(members)]
        ordered = of_group.sort_values(
            "mean_percent", ascending=False, kind="stable", na_position="last"
        )
        rows[group] = ordered.to_dict("records")
        start += len(members)
    return rows


def _sections(cells: Sequence[Cell], frame: pd.DataFrame, reference: str) -> list[page.Section]:
    """A section for every group without a constraint."""
    rows, sections = _rows(cells, frame), []
    for group, members in grouped(cells).items():
        if group.limit is None:
            curves = {cell.label: curve(cell) for cell in members}
            ordered = {row["label"]: curves[row["label"]] for row in rows[group]}
            picture = plots.Picture(ordered, reference, best_reported(members[0]))
            name = _file_name(*group[:3])
            notes = sampled.note(members[0])
            sections.append(page.Section(group, rows[group], picture, name, notes))
    return sections


def _tables(
    cells: Sequence[Cell], frame: pd.DataFrame, reference: str
) -> list[constrained_page.OfTable]:
    """All constraints of each table and budget together."""
    rows = _rows(cells, frame)
    of_table: dict[Group, dict[Group, list[Cell]]] = {}
    for group, members in grouped(cells).items():
        if group.limit is not None:
            of_table.setdefault(group._replace(limit=None), {})[group] = members
    return [
        _table({group: rows[group] for group in groups}, groups, reference)
        for groups in of_table.values()
    ]


def _table(
    rows: dict[Group, list[Row]], groups: dict[Group, list[Cell]], reference: str
) -> constrained_page.OfTable:
    limits = []
    by_cost: dict[str, list[Cell]] = {}
    for group, members in groups.items():
        first = members[0]
        feasible = first.is_feasible
        best = float(first.reported_accuracy[best_row(first)]) if feasible else float("nan")
        limits.append(constrained_page.Limited(group, rows[group], best))
        if feasible and group.limit is not None:
            by_cost.setdefault(group.limit.cost, []).extend(members)
    every = [cell for members in groups.values() for cell in members]
    first = every[0]
    where = (first.space, first.data_set, first.budget)
    names = [
        (_file_name(*where, cost, "front"), _file_name(*where, cost, "progress"))
        for cost in by_cost
    ]
    return constrained_page.OfTable(
        limits,
        tuple(dict.fromkeys(cell.label for cell in every)),
        reference,
        [tradeoff(of_cost, reference) for of_cost in by_cost.values()],
        names,
        picks(every),
        [*sampled.note(first), *constrained_page.predicted_notes(every)],
    )


def _file_name(*parts: Any) -> str:
    name = re.sub(r"[^\w.=-]+", "_", "-".join(map(str, parts)))
    return f"{FIGURES}/{name}.png"
