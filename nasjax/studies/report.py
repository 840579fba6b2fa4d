"""Write the report of a study: report.html, report.md and figures/*.png in one directory."""

import pathlib
import re
from collections.abc import Sequence
from typing import Any

from nasjax.errors import UserError
from nasjax.studies import page, plots
from nasjax.studies.aggregate import aggregates, curve, grouped
from nasjax.studies.answers import best_reported
from nasjax.studies.cell import Cell

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

    reference: the label that all others of the same space, data set and budget are compared with.
    study: nested plain values that name the run, printed as they are: seconds, commit, machine ...

    Raises `UserError` if there are no cells, one is not usable (see `aggregates`), `reference` is
    no label, or a file cannot be written.
    """
    sections = _sections(cells, reference)
    path = directory
    try:
        (directory / FIGURES).mkdir(parents=True, exist_ok=True)
        written = []
        for name, render in (("report.html", page.html), ("report.md", page.markdown)):
            path = directory / name
            path.write_text(render(title, sections, study), encoding="utf-8")
            written.append(path)
        for section in sections:
            path = directory / section.file_name
            plots.anytime_png(section.picture, path)
            written.append(path)
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be written: {error.strerror}") from error
    return written


def _sections(cells: Sequence[Cell], reference: str) -> list[page.Section]:
    """A section for every group, its settings from the best mean to the worst."""
    frame, start = aggregates(cells, reference), 0
    sections = []
    for group, members in grouped(cells).items():
        of_group = frame.iloc[start : start + len(members)].sort_values(
            "mean_percent", ascending=False, kind="stable", na_position="last"
        )
        start += len(members)
        rows = of_group.to_dict("records")
        curves = {cell.label: curve(cell) for cell in members}
        ordered = {row["label"]: curves[row["label"]] for row in rows}
        picture = plots.Picture(ordered, reference, best_reported(members[0]))
        name = re.sub(r"[^\w.=-]+", "_", "-".join(str(part) for part in group if part is not None))
        sections.append(page.Section(group, rows, picture, f"{FIGURES}/{name}.png"))
    return sections
