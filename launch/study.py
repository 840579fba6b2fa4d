"""Runs a study on published tables, or goes on with one, and writes its report.

    nasjax study --config=studies/quick --directory=studies/quick
    nasjax study --config=studies/quick --directory=studies/few --config.study.seeds=50

Results are kept shard by shard: whatever stops it, the same command goes on. On several machines,
give each its --share (0/4 to 3/4) and copy their folders parts/ into one directory.
"""

import os

import jax
from absl import flags, logging

from nasjax import api
from nasjax.errors import UserError

from . import command_line
from .flags import Command, Given


def define(own: flags.FlagValues) -> None:
    """Adds the flags of this command."""
    flags.DEFINE_string(
        "share", "0/1", "I/N: only every N-th part from the I-th on.", flag_values=own
    )


def run(given: Given) -> None:
    """Runs what is missing, on all processors, and says what was written."""
    logging.set_verbosity(logging.WARNING)
    jax.config.update("jax_num_cpu_devices", len(os.sched_getaffinity(0)))
    result = api.study(
        given.config,
        given.directory,
        cache_dir=given.cache_dir,
        share=share(given.own.share),
        progress=True,
    )
    print("\n".join(f"wrote     {path}" for path in result.files))


def share(text: str) -> tuple[int, int]:
    """I and N of "I/N".

    Raises:
      UserError: it is not of that form, or I is not below N.
    """
    index, _, count = text.partition("/")
    good = index.isdecimal() and count.isdecimal() and int(index) < int(count)
    if not good:
        raise UserError(f"--share={text!r}; it must be I/N with I from 0 to N - 1")
    return int(index), int(count)


COMMAND = Command(
    "study",
    __doc__,
    run,
    define,
    config="studies/quick",
    directory="The study's directory, new or to go on in.",
    kept="finished parts are",
)

if __name__ == "__main__":
    command_line.start(COMMAND)
