"""Sums up what is there of a study: study.json and the report."""

import json
import pathlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from nasjax.errors import UserError
from nasjax.runs.workdir import versions, write_json
from nasjax.studies import config, constrained, run
from nasjax.studies.aggregate import aggregates, grouped, plain, records
from nasjax.studies.cell import ENDED, Cell
from nasjax.studies.config import Study
from nasjax.studies.picks import picks
from nasjax.studies.report import write_report

CONFIG, VERSIONS = "config.json", "versions.json"


def is_study(directory: pathlib.Path) -> bool:
    """Whether a study was run, or begun, there."""
    try:
        return "study" in json.loads((directory / CONFIG).read_text())
    except (OSError, ValueError, TypeError):
        return False


def write_again(directory: pathlib.Path) -> list[pathlib.Path]:
    """`write` for the study that was begun in that directory."""
    kept = json.loads((directory / CONFIG).read_text())
    return write(directory, config.parse(kept))


def write(directory: pathlib.Path, study: Study) -> list[pathlib.Path]:
    """Writes study.json, report.html, report.md and figures, of whatever is there.

    study.json: versions, commit and machine, seconds, a row a cell with its own, and `aggregates`;
    of cells with a constraint also `constrained.ratios` of each group, and picks.json.

    Raises:
      UserError: nothing is there yet, a part is damaged, a file cannot be written.
    """
    found = list(run.cells(directory, study))
    if not found:
        raise UserError(f"{directory} holds no finished part of a study yet")
    cells, reference = [cell for cell, _ in found], study.config.reference
    rows: list[dict[str, Any]] = [
        {
            **{name: getattr(cell, name) for name in ("label", "space", "data_set", "budget")},
            "seeds": len(cell.seeds),
            "compile_seconds": part.found.compile_seconds,
            "run_seconds": part.found.run_seconds,
            "queries_per_second": float(np.sum(cell.queries != ENDED) / part.found.run_seconds),
        }
        for cell, part in found
    ]
    seconds = {
        name: round(sum(row[f"{name}_seconds"] for row in rows), 1) for name in ("compile", "run")
    }
    about = {**versions(), "written": time.strftime("%Y-%m-%d %H:%M"), "seconds": seconds}
    kept = {**about, "cells": rows, "aggregates": records(aggregates(cells, reference))}
    written = [directory / "study.json"]
    if any(cell.constraint for cell in cells):
        kept["ratios"] = _ratios(cells)
        written.append(directory / "picks.json")
        write_json(written[-1], plain(picks(cells)))
    write_json(written[0], kept)
    reports = write_report(directory, cells, title=directory.name, reference=reference, study=about)
    return [*written, *reports]


def _ratios(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """How many times the queries of every other cell of its group each cell with a limit needs."""
    return plain(
        dict(zip(("space", "data_set", "budget"), group, strict=False))
        | group.limit._asdict()
        | row
        for group, members in grouped(cells).items()
        if group.limit is not None
        for row in constrained.ratios(members)
    )
