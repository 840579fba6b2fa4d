"""Experiments on predictors: jobs that leave files, and an analysis of these files.

    DIRECTORY/fits/NAME.json     scores of a fit
    DIRECTORY/saved/NAME/        a fitted predictor for searches, see `predictors/saved.py`
    DIRECTORY/NAME.json          one further measurement, e.g. executability.json

Every file is written whole or not at all, so that a study that was stopped goes on with what is
missing.
"""

import functools
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol

import jax

from nasjax import files
from nasjax.errors import UserError
from nasjax.predictors import saved
from nasjax.predictors.predictor import Predictor
from nasjax.predictors.saved import Saved
from nasjax.reports.render import Picture
from nasjax.runs.workdir import versions

FITS, SAVED, SUMMARY = "fits", "saved", "predictors.json"


class Job(NamedTuple):
    """One computation of an experiment."""

    name: str  # shown while it runs
    outputs: tuple[str, ...]  # files in the experiment's directory; it is done when all are there
    run: Callable[[pathlib.Path], object]  # (directory), computes and writes them


class Experiment(Protocol):
    """A study of predictors.

    Measurements are read by `check_measurements`, `resolved` and jobs only, so that a report can be
    written where they are not.
    """

    template: ClassVar[str]  # of its report, see `reports/render.py`

    @property
    def resolved(self) -> dict[str, Any]:
        """The whole config, defaults filled in; folders of measurements have their digest."""

    def check_measurements(self) -> None:
        """Raises a UserError unless the measurements are there and are as the config says."""

    def all_jobs(self) -> list[Job]:
        """All jobs, in the order in which to run them."""

    def analyse(self, directory: pathlib.Path) -> dict[str, Any]:
        """Plain data, from the files that are there; a UserError if nothing is there yet."""

    def pictures(self, directory: pathlib.Path, found: Mapping[str, Any]) -> Sequence[Picture]:
        """Pictures of the report on what `analyse` found; none, unless an experiment has some."""
        return ()

    def jobs(self, directory: pathlib.Path) -> list[Job]:
        """The jobs that are not done yet."""
        earlier = _last_summary(directory)
        return [
            job
            for job in self.all_jobs()
            if not all((directory / output).exists() for output in job.outputs)
            and not earlier.get(job.name)
        ]


def json_job(
    path: str, compute: Callable[[pathlib.Path], dict[str, Any]], saves: Iterable[str] = ()
) -> Job:
    """A job that keeps as JSON what `compute(directory)` returns; `saves` names what it saves."""

    def run(directory: pathlib.Path) -> None:
        files.write_json(directory / path, compute(directory))

    return Job(pathlib.Path(path).stem, (path, *map(saved_header, saves)), run)


def read_fits(directory: pathlib.Path) -> list[dict[str, Any]]:
    """The scores of the fits that are there, by file name; a UserError if there are none yet."""
    found = [files.read_json(path) for path in sorted((directory / FITS).glob("*.json"))]
    if not found:
        raise UserError(f"{directory} holds no finished fit yet")
    return found


def read_measurement(directory: pathlib.Path, name: str) -> dict[str, Any]:
    """Reads `NAME.json`; empty if its job is not done."""
    return read_if_there(directory / f"{name}.json") or _last_summary(directory).get(name, {})


def _last_summary(directory: pathlib.Path) -> dict[str, Any]:
    # Studies that were finished before measurements were jobs kept their results only here.
    return read_if_there(directory / SUMMARY)


def read_if_there(path: pathlib.Path) -> dict[str, Any]:
    """Reads a JSON object; empty if there is no such file."""
    return files.read_json(path) if path.exists() else {}


def save(directory: pathlib.Path, name: str, predictor: Saved) -> None:
    """Saves a fitted predictor as `saved/NAME`; the versions that made it join its facts."""
    facts = {**predictor.facts, **versions()}
    saved.save(directory / SAVED / name, predictor._replace(facts=facts))


def saved_header(name: str) -> str:
    """The file of a saved predictor that is written last."""
    return f"{SAVED}/{name}/{saved.HEADER}"


def saved_paths(directory: pathlib.Path) -> dict[str, str]:
    """Folders of the saved predictors that are there, by name."""
    folders = (header.parent for header in sorted(directory.glob(saved_header("*"))))
    return {folder.name: str(folder) for folder in folders}


@functools.cache
def compiled(function: Callable[..., Any], *first: Predictor) -> Callable[..., Any]:
    """Jitted once, its first arguments given, so that fits of the same shapes share a program."""
    return jax.jit(functools.partial(function, *first))
