"""Runs a search, or goes on with one: the same command does both.

    nasjax search --config=trl_hpo/digits --directory=runs/digits
    nasjax search --config=trl_hpo/digits --directory=runs/heads8 --config.controller.num_heads=8
    nasjax search --config=trl_hpo/digits --directory=runs/digits --finish

Whatever stops it, even SIGKILL, the same command goes on to the same result, bit for bit.
"""

from absl import flags, logging

from nasjax import api
from nasjax.run_report import report
from nasjax.run_report.summary_text import summary_text

from . import command_line
from .flags import Command, Given


def define(own: flags.FlagValues) -> None:
    """Adds the flags of this command."""
    flags.DEFINE_bool(
        "store", True, "Share results of trained candidates between runs.", flag_values=own
    )
    flags.DEFINE_bool(
        "finish",
        False,
        "End a search that was stopped: test the best of its last whole round, and sum up.",
        flag_values=own,
    )


def run(given: Given) -> None:
    """Searches and prints what was found."""
    logging.set_verbosity(logging.WARNING)  # Orbax tells a screenful per checkpoint
    result = api.search(
        given.config,
        given.directory,
        cache_dir=given.cache_dir,
        use_store=given.own.store,
        progress=True,
        finish=given.own.finish,
    )
    assert result.workdir is not None  # a directory was given
    print(summary_text(report.collect(result.workdir)))
    print(f"report         {result.workdir / 'report.html'}")


COMMAND = Command(
    "search",
    __doc__,
    run,
    define,
    config="trl_hpo/digits",
    directory="The run's directory, new or to go on in.",
    aliases=("workdir",),
    kept="what was found is",
)

if __name__ == "__main__":
    command_line.start(COMMAND)
