"""Fits predictors of device behaviour to measurements, compares them, and writes a report.

    nasjax predictor --config=predictors/table2 --directory=predictors/table2
    nasjax predictor --config=predictors/unseen_devices --directory=... --json=FILE
    nasjax predictor --config=predictors/profiled_device --directory=... \\
        --config.splits.profiled.folder=measurements/my_laptop

Every fit is kept as soon as it is there: whatever stops it, the same command goes on.
"""

import pathlib

from absl import flags, logging

from nasjax import compile_cache, files
from nasjax.predictor_studies import config, experiment, report
from nasjax.progress import Progress
from nasjax.reports import render
from nasjax.runs.workdir import Workdir

from . import command_line
from .flags import Command, Given


def define(own: flags.FlagValues) -> None:
    """Adds the flags of this command."""
    flags.DEFINE_string("json", None, "A file to write every figure to as well.", flag_values=own)


def run(given: Given) -> None:
    """Checks the config, makes what is missing, sums up."""
    logging.set_verbosity(logging.WARNING)
    compile_cache.use(given.cache_dir / "xla")
    study = config.parse(given.config)
    workdir = Workdir(given.directory, study.resolved, flag="directory")
    jobs = study.jobs(given.directory)
    with Progress(len(jobs), "jobs") as progress:
        for job in jobs:
            progress.describe(job.name)
            job.run(given.directory)
            progress.update()
    written = report.write(given.directory, study)
    if given.own.json:
        figures = (given.directory / experiment.SUMMARY).read_text(encoding="utf-8")
        written.append(files.write_text(pathlib.Path(given.own.json), figures))
    print((given.directory / render.MARKDOWN).read_text(encoding="utf-8"))
    print("\n".join(f"wrote     {path}" for path in written))
    workdir.close()


COMMAND = Command(
    "predictor",
    __doc__,
    run,
    define,
    config="predictors/table2",
    directory="The study's directory, new or to go on in.",
    kept="finished fits are",
)

if __name__ == "__main__":
    command_line.start(COMMAND)
