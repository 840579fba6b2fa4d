"""Runs a study on published tables, or goes on with one, and writes its report.

python -m launch.study --config=configs/studies/quick.py --directory=studies/quick
python -m launch.study --config=configs/studies/quick.py --directory=studies/few \\
    --config.study.seeds=50

Results are kept part by part: whatever stops it, the same command goes on. On several machines,
give each its --share (0/4 to 3/4) and copy their folders parts/ into one directory.
"""

import os
import pathlib
from collections.abc import Sequence

import jax
from absl import flags, logging
from ml_collections import config_flags
from tqdm import tqdm

from launch import command_line
from nasjax import compile_cache
from nasjax.errors import UserError
from nasjax.runs.workdir import Workdir
from nasjax.studies import config, problem, report, run

CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "What to compare, e.g. configs/studies/quick.py; --config.KEY=VALUE changes it.",
    lock_config=False,
    accept_new_attributes=True,
)
DIRECTORY = flags.DEFINE_string("directory", None, "The study's directory, new or to go on in.")
SHARE = flags.DEFINE_string("share", "0/1", "I/N: only every N-th part from the I-th on.")
CACHE_DIR = flags.DEFINE_string(
    "cache_dir", os.environ.get("NASJAX_CACHE_DIR", "~/.cache/nasjax"), "Compiled programs."
)


def main() -> None:
    """Checks the config, runs what is missing, sums up."""
    if CONFIG.value is None or not DIRECTORY.value or not CACHE_DIR.value:
        raise UserError(
            "--config=configs/studies/NAME.py and --directory=DIRECTORY are needed; see --help"
        )
    logging.set_verbosity(logging.WARNING)
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    study = config.parse(CONFIG.value.to_dict())
    compile_cache.use(pathlib.Path(CACHE_DIR.value).expanduser() / "xla")
    directory = pathlib.Path(DIRECTORY.value)
    workdir = Workdir(directory, study.resolved, flag="directory")
    try:
        arms = problem.make_arms(study)
        make(directory, study, arms)
    except command_line.Interrupted:
        command_line.end(
            f"stopped; finished parts are kept in {directory}, the same command goes on",
            command_line.INTERRUPTED,
        )
    print("\n".join(f"wrote     {path}" for path in report.write(directory, study, arms)))
    workdir.close()


def make(directory: pathlib.Path, study: config.Study, arms: Sequence[problem.Arm]) -> None:
    """Runs the missing parts of this machine's share."""
    index, count = _share(SHARE.value)
    jobs = run.missing(directory, study.config, arms, index, count)
    total = sum(job.queries for job in jobs)
    with tqdm(total=total, unit="query", unit_scale=True, dynamic_ncols=True) as bar:

        def show(arm: str, queries: int) -> None:
            bar.set_description(arm, refresh=False)
            bar.update(queries)

        run.run(directory, study.config, jobs, show)


def _share(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    good = index.isdigit() and count.isdigit() and int(index) < int(count)
    if not good:
        raise UserError(f"--share={text!r}; it must be I/N with I from 0 to N - 1")
    return int(index), int(count)


if __name__ == "__main__":
    command_line.start(main)
