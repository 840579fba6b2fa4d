"""Jobs of an experiment: computations that are done once their files are there.

    DIRECTORY/fits/*.json      a fit each, its scores
    DIRECTORY/saved/NAME/      a fitted predictor, see `predictors/saved.py`
    DIRECTORY/NAME.json        what one further measurement found

Every file is written whole or not at all, so whatever stops a study, it goes on with what is
missing.
"""

import functools
import json
import pathlib
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax

from nasjax import files
from nasjax.errors import UserError
from nasjax.predictors import saved
from nasjax.predictors.predictor import Predictor
from nasjax.predictors.saved import Saved
from nasjax.runs.workdir import versions

FITS, SAVED = "fits", "saved"
SUMMARY = "predictors.json"


class Job(NamedTuple):
    """One computation of an experiment.

    Attributes:
      name: shown while it runs.
      outputs: files relative to the experiment's directory; when all are there, the job is done.
      run: (directory) -> None, computes and writes them.
    """

    name: str
    outputs: tuple[str, ...]
    run: Callable[[pathlib.Path], object]


def fit_job(
    name: str, fit: Callable[[pathlib.Path], dict[str, Any]], saves: Iterable[str] = ()
) -> Job:
    """A job that keeps the scores of a fit, `fits/NAME.json`.

    Args:
      fit: (directory) -> scores, plain data; what else it keeps it writes itself.
      saves: names of the predictors that it saves.
    """
    path = f"{FITS}/{name}.json"
    outputs = (path, *map(_saved_page, saves))
    return Job(name, outputs, lambda folder: files.write_json(folder / path, fit(folder)))


def measurement_job(name: str, measure: Callable[[], dict[str, Any]]) -> Job:
    """A job that keeps what `measure` finds, `NAME.json`; `read_measurement` reads it."""
    path = f"{name}.json"
    return Job(name, (path,), lambda folder: files.write_json(folder / path, measure()))


def save_job(name: str, fit: Callable[[], Saved]) -> Job:
    """A job that fits a predictor and saves it for searches, `saved/NAME/`."""
    return Job(f"saved {name}", (_saved_page(name),), lambda folder: save(folder, name, fit()))


def missing(directory: pathlib.Path, jobs: Iterable[Job]) -> list[Job]:
    """The jobs that are not done yet, in their order."""
    earlier = _earlier(directory)
    return [
        job
        for job in jobs
        if not all((directory / output).exists() for output in job.outputs)
        and not earlier.get(job.name)
    ]


def read_fits(directory: pathlib.Path) -> list[dict[str, Any]]:
    """The scores of the fits that are there, in the order of their files' names.

    Raises:
      UserError: there are none yet, or a file is damaged.
    """
    found = [_read(path) for path in sorted((directory / FITS).glob("*.json"))]
    if not found:
        raise UserError(f"{directory} holds no finished fit yet")
    return found


def read_measurement(directory: pathlib.Path, name: str) -> dict[str, Any]:
    """What a `measurement_job` found; empty if it is not done.

    Raises:
      UserError: the file is damaged.
    """
    path = directory / f"{name}.json"
    return _read(path) if path.exists() else _earlier(directory).get(name, {})


def _earlier(directory: pathlib.Path) -> dict[str, Any]:
    """The summary that was written last.

    Studies that were finished before measurements were jobs of their own kept them here only.
    """
    path = directory / SUMMARY
    return _read(path) if path.exists() else {}


def _read(path: pathlib.Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path} is damaged; remove it, and it is made again") from error


def save(directory: pathlib.Path, name: str, predictor: Saved) -> None:
    """Saves a fitted predictor for searches, `saved/NAME`; its facts are joined by the versions."""
    facts = {**predictor.facts, **versions()}
    saved.save(directory / SAVED / name, predictor._replace(facts=facts))


def _saved_page(name: str) -> str:
    return f"{SAVED}/{name}/{saved.PAGE}"


def saved_paths(directory: pathlib.Path) -> dict[str, pathlib.Path]:
    """Folders of the saved predictors that are there, by name."""
    pages = sorted((directory / SAVED).glob(f"*/{saved.PAGE}"))
    return {page.parent.name: page.parent for page in pages}


@functools.cache
def compiled(function: Callable[..., Any], *first: Predictor) -> Callable[..., Any]:
    """Jitted once, its first arguments given, so that fits of the same shapes share a program."""
    return jax.jit(functools.partial(function, *first))
