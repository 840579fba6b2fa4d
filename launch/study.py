"""Runs a study on published tables, or goes on with one, and writes its report.

    nasjax study --config=studies/quick --directory=studies/quick
    nasjax study --config=studies/quick --directory=studies/few --config.study.seeds=50

Results are kept part by part: whatever stops it, the same command goes on. On several machines,
give each its --share (0/4 to 3/4) and copy their folders parts/ into one directory.
"""

import os
import pathlib

import jax
from absl import flags, logging

from nasjax import compile_cache
from nasjax.errors import UserError
from nasjax.progress import Progress
from nasjax.runs.workdir import Workdir
from nasjax.studies import config, run, summary

from . import command_line
from .flags import Command, Given


def define(own: flags.FlagValues) -> None:
    """Adds the flags of this command."""
    flags.DEFINE_string(
        "share", "0/1", "I/N: only every N-th part from the I-th on.", flag_values=own
    )


def make_study(given: Given) -> None:
    """Checks the config, runs what is missing, sums up."""
    logging.set_verbosity(logging.WARNING)
    index, count = share(given.own.share)
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    study = config.parse(given.config)
    compile_cache.use(given.cache_dir / "xla")
    workdir = Workdir(given.directory, study.resolved, flag="directory")
    make(given.directory, study, index, count)
    print("\n".join(f"wrote     {path}" for path in summary.write(given.directory, study)))
    workdir.close()


def make(directory: pathlib.Path, study: config.Study, index: int, count: int) -> None:
    """Runs the missing parts of this machine's share."""
    jobs = run.missing(directory, study, index, count)
    runner = run.Runner(directory)
    total = sum(job.cell.budget * len(job.seeds) for job in jobs)
    with Progress(total, "queries") as progress:
        for job in jobs:
            progress.describe(job.cell.name)
            before = progress.count
            size = len(job.seeds)

            def show(queries: int, before: int = before, size: int = size) -> None:
                progress.update(before + queries * size - progress.count)

            runner.run(job, show)
            progress.update(before + job.cell.budget * size - progress.count)


def share(text: str) -> tuple[int, int]:
    """I and N of "I/N".

    Raises:
      UserError: it is not of that form, or I is not below N.
    """
    index, _, count = text.partition("/")
    good = index.isdigit() and count.isdigit() and int(index) < int(count)
    if not good:
        raise UserError(f"--share={text!r}; it must be I/N with I from 0 to N - 1")
    return int(index), int(count)


COMMAND = Command(
    "study",
    __doc__,
    make_study,
    define,
    config="studies/quick",
    directory="The study's directory, new or to go on in.",
    kept="finished parts are",
)

if __name__ == "__main__":
    command_line.start(COMMAND)
