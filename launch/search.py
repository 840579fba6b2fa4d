"""Runs a search, or goes on with one: the same command does both.

python -m launch.search --config=configs/trl_hpo/digits.py --workdir=runs/digits
python -m launch.search --config=configs/trl_hpo/digits.py --workdir=runs/heads8 \\
    --config.controller.num_heads=8
"""

import os

from absl import flags, logging
from ml_collections import config_flags

from launch import command_line
from nasjax import api
from nasjax.errors import UserError
from nasjax.runs.summary import summary_text

CONFIG = config_flags.DEFINE_config_file(
    "config",
    None,
    "What to search, e.g. configs/trl_hpo/digits.py; --config.KEY=VALUE changes it.",
    lock_config=False,
    accept_new_attributes=True,
)
WORKDIR = flags.DEFINE_string("workdir", None, "The run's directory, new or to go on in.")
CACHE_DIR = flags.DEFINE_string(
    "cache_dir",
    os.environ.get("NASJAX_CACHE_DIR", "~/.cache/nasjax"),
    "Decoded data sets, compiled programs and the results of all runs.",
)
STORE = flags.DEFINE_bool("store", True, "Share results of trained candidates between runs.")


def main() -> None:
    """Searches and prints what was found."""
    if CONFIG.value is None or not WORKDIR.value or not CACHE_DIR.value:
        raise UserError("--config=configs/NAME.py and --workdir=DIRECTORY are needed; see --help")
    logging.set_verbosity(logging.WARNING)  # Orbax tells a screenful per checkpoint
    try:
        result = api.search(
            CONFIG.value.to_dict(),
            WORKDIR.value,
            cache_dir=CACHE_DIR.value,
            use_store=STORE.value,
            progress=True,
        )
    except command_line.Interrupted:
        command_line.end(
            f"stopped; what was found is kept in {WORKDIR.value}, the same command goes on",
            command_line.INTERRUPTED,
        )
    assert result.summary is not None
    print(summary_text(result.summary))
    print(f"report         {result.workdir}/report.html")


if __name__ == "__main__":
    command_line.start(main)
