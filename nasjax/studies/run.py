"""Runs what is missing of a study, and reads what is there."""

import itertools
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from nasjax import build
from nasjax.config import check, unknown
from nasjax.errors import UserError
from nasjax.evaluation import predicted_costs
from nasjax.registry import STUDIED, find, fitting_evaluator, of_saved, slot_space
from nasjax.studies import compiled, parts, sampled
from nasjax.studies.cell import Cell, Constraint
from nasjax.studies.config import CellConfig, Study
from nasjax.studies.parts import Part


class Job(NamedTuple):
    """A part that is still to be made."""

    cell: CellConfig
    seeds: np.ndarray


def missing(directory: pathlib.Path, study: Study, index: int = 0, count: int = 1) -> list[Job]:
    """What is not there yet, in the order of the study's cells.

    Args:
      index, count: only every count-th part from the index-th on, counted over all parts, those
        that are there included: so a machine that goes on keeps its share.

    Raises:
      UserError: a cell's settings are not allowed, a kept file is damaged.
    """
    jobs, number = [], 0
    for cell in study.cells:
        kept = parts.read(directory, cell.name)
        done = np.array([], int) if kept is None else kept.seeds
        at_once = _seeds_at_once(cell, study)
        for first in range(0, study.config.seeds, at_once):
            seeds = np.arange(first, min(first + at_once, study.config.seeds))
            seeds = np.setdiff1d(seeds, done)
            if number % count == index and len(seeds):
                jobs.append(Job(cell, seeds))
            number += 1
    return jobs


def _seeds_at_once(cell: CellConfig, study: Study) -> int:
    """As many as are asked for and fit into the memory budget."""
    made = assemble_cell(cell)
    needed = compiled.seed_bytes(made, cell.budget)
    fitting = max(1, int(study.config.memory_budget_gib * 2**30 // needed))
    return min(study.config.seeds_per_part, fitting)


def assemble_cell(cell: CellConfig) -> build.Search:
    """The parts of a cell's searches.

    Raises:
      UserError: its settings are not allowed; its name stands in front.
    """
    try:
        _check_evaluator(cell)
        _costs(cell, cell.measures)
        most = constraint_of(cell).target if cell.limit else None
        made = build.assemble_table(cell.sections, cell.budget, most)
        if cell.limit is None or most is None or not cell.relative:
            return made
        seen = made.rows.costs[:, 0]  # counted in the measured target
        most *= float(np.quantile(seen[np.isfinite(seen)], cell.limit.quantile))
        return build.assemble_table(cell.sections, cell.budget, most)
    except UserError as error:
        raise UserError(f"{cell.name}: {error}") from None


def _check_evaluator(cell: CellConfig) -> None:
    given = cell.sections["evaluator"].get("name", STUDIED)
    fitting = fitting_evaluator(cell.space)
    known = fitting.trains or fitting is find("evaluator", given)
    check(known, "evaluator.name", given, f"{fitting.name!r}, for {cell.space} in study.tables")


def constraint_of(cell: CellConfig) -> Constraint:
    """What the cell's limit comes to in its table, or in the random sample.

    Raises:
      UserError: the table does not have that cost, or it is never finite.
    """
    assert cell.limit is not None
    cost, quantile = cell.limit
    costs = _costs(cell, [cost])[cost]
    runs = "a cost that is finite for some architecture: the device can run none"
    check(bool(np.isfinite(costs).any()), "study.costs", cost, runs)
    target = float(np.quantile(costs[np.isfinite(costs)], quantile))
    return Constraint(cost, quantile, target, costs, is_predicted=cost in cell.predictors)


def _costs(cell: CellConfig, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns of the cell's table, in the order of its space's index; or of the random sample.

    Or what the study's predictors predict of the table's architectures.

    Raises:
      UserError: a name is neither a cost of the table nor one of these predictors.
    """
    if cell.is_predicted:
        return sampled.costs_of_sample(cell, names)
    tables = find("space", cell.space).tables
    has = [*tables.cost_names(cell.data_set), *cell.predictors]
    for name in names:
        if name not in has:
            what = f"cost {name!r} of config.study.costs or .measures"
            more = "evaluator.predicted may name directories of saved predictors too"
            raise UserError(f"{unknown(what, name, has)}; {more}")
    measured = [name for name in names if name not in cell.predictors]
    predicted = tuple(name for name in names if name in cell.predictors)
    rows = tables.load(cell.data_set, measured)
    space = slot_space(cell.space)
    rows = predicted_costs.append(rows, space, predicted, cell.data_set, of_saved)
    return dict(zip((*measured, *predicted), rows.costs.T, strict=True))


class Runner:
    """Makes parts and keeps them; the program of one serves the next of the same cell."""

    def __init__(self, directory: pathlib.Path):
        self._directory = directory
        self._latest: tuple[tuple[str, int], compiled.Searches] | None = None

    def run(self, job: Job, on_queries: Callable[[int], None] = lambda queries: None) -> Part:
        """Makes a part. See `compiled.Searches.run`.

        Raises:
          UserError: the cell's settings are not allowed, the part cannot be written.
        """
        name = (job.cell.name, len(job.seeds))
        known = self._latest is not None and self._latest[0] == name
        if self._latest is None or not known:
            made = assemble_cell(job.cell)
            self._latest = name, compiled.Searches(made, len(job.seeds), job.cell.budget)
        found = self._latest[1].run(job.seeds, on_queries)
        part = Part(job.seeds, found._replace(compile_seconds=0.0) if known else found)
        parts.write(self._directory, job.cell.name, part)
        return part


def cells(directory: pathlib.Path, study: Study) -> Iterator[tuple[Cell, Part]]:
    """What is there of every cell; cells without any part are left out.

    Raises:
      UserError: a part is damaged.
    """
    for _, group in itertools.groupby(study.cells, key=lambda config: config.group):
        read = [(config, parts.read(directory, config.name)) for config in group]
        found = [(config, part) for config, part in read if part is not None]
        rows = sampled.rows_of(found) if found and found[0][0].is_predicted else None
        for config, part in found:
            yield _cell(config, part, rows), part


def _cell(config: CellConfig, part: Part, rows: sampled.Rows | None) -> Cell:
    """A cell of a table; of `rows`, where there is no table."""
    made = assemble_cell(config)
    constraint = constraint_of(config) if config.limit else None
    if constraint is not None and config.sees_predicted:
        seen = np.asarray(made.rows.costs[:, 0]) * constraint.target  # counted in targets
        constraint = constraint._replace(seen=seen)
    cell = Cell(
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
        facts={
            f"{name}_params": count
            for name, count in compiled.param_counts(made.controller).items()
        },
        constraint=constraint,
        measures=_costs(config, config.measures),
        run_seconds=part.found.run_seconds,
    )
    return cell if rows is None else sampled.in_rows(cell, rows)
