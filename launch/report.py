"""Writes the report of a search, a study or a profile, while it is running or after.

    nasjax report runs/digits
    nasjax report studies/quick

It reads what the directory holds and writes the files that the command which filled it writes at
its end. For a search, --output names another file for the report, and --picture writes the
learning curve over the accuracies of all models as a PNG.
"""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

from absl import flags

from nasjax.errors import UserError
from nasjax.predictor_studies import report as predictor_studies
from nasjax.profiling import report as profiles
from nasjax.run_report import report
from nasjax.run_report.summary_text import summary_text
from nasjax.studies import report as studies

from . import command_line
from .flags import Command, Given


class Kind(NamedTuple):
    """A kind of directory that a command fills."""

    is_one: Callable[[pathlib.Path], bool]  # (directory) -> whether it holds one
    write_again: Callable[[pathlib.Path], list[pathlib.Path]]  # (directory) -> files written


# A directory that is none of these holds a search.
KINDS = (
    Kind(studies.is_one, studies.write_again),
    Kind(predictor_studies.is_one, predictor_studies.write_again),
    Kind(profiles.is_one, profiles.write_again),
)


def define(own: flags.FlagValues) -> None:
    """Adds the flags of this command."""
    flags.DEFINE_string("output", None, "The report of a search goes there.", flag_values=own)
    flags.DEFINE_string("picture", None, "A PNG of a search to write, too.", flag_values=own)


def run(given: Given) -> None:
    """Writes the report of what the directory holds."""
    directory, own = pathlib.Path(given.words[0]), given.own
    kind = next((each for each in KINDS if each.is_one(directory)), None)
    if kind is None:
        written = write_search(directory, own.output, own.picture)
    elif own.output or own.picture:
        raise UserError(f"--output and --picture are of a search; {directory} holds none")
    else:
        written = kind.write_again(directory)
    print("\n".join(f"wrote     {path}" for path in written))


def write_search(directory: pathlib.Path, output: str, picture: str) -> list[pathlib.Path]:
    """Writes the report of a search, and the picture if it is asked for; prints a summary."""
    run = report.collect(directory)
    written = [report.write_html(run, pathlib.Path(output))] if output else report.write(run)
    if picture:
        written.append(report.write_picture(run, pathlib.Path(picture)))
    print(summary_text(run))
    return written


COMMAND = Command("report", __doc__, run, define, word="DIR")

if __name__ == "__main__":
    command_line.start(COMMAND)
