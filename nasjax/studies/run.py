"""Runs what is missing of a study, and reads what is there."""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from nasjax import assemble
from nasjax.studies import compiled, parts
from nasjax.studies.cell import Cell
from nasjax.studies.config import CellConfig, Study
from nasjax.studies.parts import Part


class Job(NamedTuple):
    """A part that is still to be made."""

    cell: CellConfig
    seeds: np.ndarray


def missing(directory: pathlib.Path, study: Study) -> list[Job]:
    """What is not there yet, in the order of the study's cells."""
    jobs = []
    for cell in study.cells:
        kept = parts.read(directory, cell.name)
        done = set() if kept is None else set(kept.seeds.tolist())
        for first in range(0, study.config.seeds, study.config.seeds_per_part):
            last = min(first + study.config.seeds_per_part, study.config.seeds)
            seeds = [seed for seed in range(first, last) if seed not in done]
            if seeds:
                jobs.append(Job(cell, np.array(seeds)))
    return jobs


def check(study: Study) -> None:
    """Assembles every cell once, so that a mistake in the last one is found before the first runs.

    Raises:
      UserError: a cell's settings are not allowed; its label stands in front.
    """
    for cell in study.cells:
        assemble.assemble_table(cell.sections, cell.budget)


def run(
    directory: pathlib.Path, job: Job, on_queries: Callable[[int], None] = lambda queries: None
) -> Part:
    """Makes a part and keeps it."""
    made = assemble.assemble_table(job.cell.sections, job.cell.budget)
    found = compiled.run_seeds(made, job.seeds, job.cell.budget, on_queries)
    part = Part(job.seeds, found)
    parts.write(directory, job.cell.name, part)
    return part


def cells(directory: pathlib.Path, study: Study) -> Iterator[tuple[Cell, Part]]:
    """What is there of every cell; cells without any part are left out."""
    for config in study.cells:
        part = parts.read(directory, config.name)
        if part is None:
            continue
        made = assemble.assemble_table(config.sections, config.budget)
        yield (
            Cell(
                label=config.label,
                space=config.space,
                data_set=config.data_set,
                budget=config.budget,
                seeds=part.seeds,
                queries=part.found.queries,
                updates=part.found.updates,
                final=part.found.final,
                search_accuracy=made.rows.search_accuracy,
                reported_accuracy=made.rows.reported_accuracy,
                learns=made.controller.learns,
                facts={},
            ),
            part,
        )


def settings(study: Study) -> dict[str, Any]:
    """All that decides what is found, as plain data."""
    return {cell.name: cell.sections for cell in study.cells}
