"""Fits predictors of device behaviour to measurements, compares them, and writes a report.

python -m launch.predictor --config=configs/predictors/table2.py --directory=predictors/table2
python -m launch.predictor --config=configs/predictors/unseen_devices.py --directory=... --json=FILE
python -m launch.predictor --config=configs/predictors/profiled_device.py --directory=... \\
    --config.splits.profiled.folder=measurements/my_laptop
python -m launch.predictor --config=configs/predictors/profiled_space.py --directory=... \\
    --config.comparison.folder=measurements/macro

Every fit is kept as soon as it is there: whatever stops it, the same command goes on.
"""

import os
import pathlib

from absl import flags, logging
from ml_collections import config_flags
from tqdm import tqdm

from launch import command_line
from nasjax import compile_cache, files
from nasjax.errors import UserError
from nasjax.predictor_studies import config, experiment, report
from nasjax.reports import render
from nasjax.runs.workdir import Workdir

CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "What to compare, e.g. configs/predictors/table2.py; --config.KEY=VALUE changes it.",
    lock_config=False,
    accept_new_attributes=True,
)
DIRECTORY = flags.DEFINE_string("directory", None, "The study's directory, new or to go on in.")
JSON = flags.DEFINE_string("json", None, "A file to write every figure to as well.")
CACHE_DIR = flags.DEFINE_string(
    "cache_dir", os.environ.get("NASJAX_CACHE_DIR", "~/.cache/nasjax"), "Compiled programs."
)


def main() -> None:
    """Checks the config, makes what is missing, sums up."""
    if CONFIG.value is None or not DIRECTORY.value:
        raise UserError(
            "--config=configs/predictors/NAME.py and --directory=DIRECTORY are needed; see --help"
        )
    logging.set_verbosity(logging.WARNING)
    compile_cache.use(pathlib.Path(CACHE_DIR.value).expanduser() / "xla")
    study = config.parse(CONFIG.value.to_dict())
    directory = pathlib.Path(DIRECTORY.value)
    workdir = Workdir(directory, study.resolved, flag="directory")
    try:
        with tqdm(study.jobs(directory), unit="job", dynamic_ncols=True) as bar:
            for job in bar:
                bar.set_description(job.name)
                job.run(directory)
        written = report.write(directory, study)
    except command_line.Interrupted:
        command_line.end(
            f"stopped; finished fits are kept in {directory}, the same command goes on",
            command_line.INTERRUPTED,
        )
    if JSON.value:
        figures = (directory / experiment.SUMMARY).read_text(encoding="utf-8")
        written.append(files.write_text(pathlib.Path(JSON.value), figures))
    print((directory / render.MARKDOWN).read_text(encoding="utf-8"))
    print("\n".join(f"wrote     {path}" for path in written))
    workdir.close()


if __name__ == "__main__":
    command_line.start(main)
