"""The studies of predictors that a config may describe, behind one interface."""

import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nasjax.errors import UserError
from nasjax.predictor_studies import (
    config,
    described,
    fits,
    further,
    html,
    summary,
    surrogates,
    unseen,
    unseen_kept,
    unseen_summary,
)
from nasjax.runs.workdir import versions, write_json

PAGE, REPORT, HTML = "predictors.json", "report.md", "report.html"


class Found(NamedTuple):
    """What a study found: plain data, the report as text, pictures that were written."""

    page: dict[str, Any]
    report: str
    pictures: list[pathlib.Path]


class Study(NamedTuple):
    """A checked config.

    Attributes:
      resolved: the whole config, plain data.
      missing: (directory) -> jobs that are still to be made; make: (directory, job), makes one and
        keeps it.
      sum_up: (directory) -> Found, of all that is there.
    """

    resolved: dict[str, Any]
    missing: Callable[[pathlib.Path], Sequence[Any]]
    make: Callable[[pathlib.Path, Any], None]
    sum_up: Callable[[pathlib.Path], Found]


def parse(settings: Mapping[str, Any]) -> Study:
    """Checks a config: of a comparison, or what `unseen`, `described` or `surrogates` says.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed.
    """
    if "unseen" in settings:
        return _unseen(settings)
    for section, kind in (("described", described), ("surrogates", surrogates)):
        if section in settings:
            return _plain(kind, settings)
    return _comparison(settings)


def _comparison(settings: Mapping[str, Any]) -> Study:
    study = config.parse(settings)
    data = fits.measured(study)

    def sum_up(directory: pathlib.Path) -> Found:
        page = summary.page(directory, study, further.further(directory, study, data))
        return Found(page, summary.markdown(page), summary.pngs(directory, study, page))

    return Study(
        study.resolved,
        lambda directory: fits.missing(directory, study),
        lambda directory, job: fits.make(directory, study, data, job),
        sum_up,
    )


def _unseen(settings: Mapping[str, Any]) -> Study:
    study = unseen.parse(settings)

    def sum_up(directory: pathlib.Path) -> Found:
        page = unseen_summary.page(directory, study) | {"saved": unseen_kept.keep(directory, study)}
        return Found(page, unseen_summary.markdown(page), [unseen_summary.png(directory, page)])

    return Study(
        study.resolved,
        lambda directory: unseen.missing(directory, study),
        lambda directory, job: unseen.make(directory, study, job),
        sum_up,
    )


def _plain(kind: Any, settings: Mapping[str, Any]) -> Study:
    """Of a module that has parse, missing, make, page and markdown, and draws no pictures."""
    study = kind.parse(settings)

    def sum_up(directory: pathlib.Path) -> Found:
        page = kind.page(directory, study)
        return Found(page, kind.markdown(page), [])

    return Study(
        study.resolved,
        lambda directory: kind.missing(directory, study),
        lambda directory, job: kind.make(directory, study, job),
        sum_up,
    )


def write(directory: pathlib.Path, study: Study) -> tuple[dict[str, Any], str, list[pathlib.Path]]:
    """Sums up and writes the page, the report and the pictures; returns them, and all paths.

    Raises:
      UserError: nothing is there yet, a file is damaged or cannot be written.
    """
    written = [directory / PAGE, directory / REPORT, directory / HTML]
    try:
        found = study.sum_up(directory)
        page = {**versions(), "written": time.strftime("%Y-%m-%d %H:%M"), **found.page}
        about = ", ".join(f"{key}: {page[key]}" for key in ("commit", "written") if key in page)
        report = f"{found.report}\n{about}\n"
        write_json(written[0], page)
        written[1].write_text(report, encoding="utf-8")
        written[2].write_text(html.page(directory.name, report, directory), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {directory}: {error.strerror}") from error
    return page, report, [*written, *found.pictures]
