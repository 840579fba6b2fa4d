"""Runs a search, or goes on with one: the same command does both.

    nasjax search --config=trl_hpo/digits --directory=runs/digits
    nasjax search --config=trl_hpo/digits --directory=runs/heads8 --config.controller.num_heads=8

Whatever stops it, even SIGKILL, the same command goes on to the same result, bit for bit.
"""

import pathlib
from typing import Any

import jax
from absl import flags, logging

from nasjax import build, compile_cache, search
from nasjax.errors import UserError
from nasjax.run_report.report import write_report
from nasjax.runs import learned, records
from nasjax.runs.checkpoints import Checkpoints
from nasjax.runs.final_test import final_test
from nasjax.runs.observer import Keeper, SearchProgress
from nasjax.runs.summary import summary_text, write_summary
from nasjax.runs.workdir import Workdir
from nasjax.types import SearchState

from . import command_line
from .flags import Command, Given


def define(own: flags.FlagValues) -> None:
    """Adds the flags of this command."""
    flags.DEFINE_bool(
        "store", True, "Share results of trained candidates between runs.", flag_values=own
    )


def run(given: Given) -> None:
    """Checks the config, builds the parts, searches and sums up."""
    logging.set_verbosity(logging.WARNING)  # Orbax tells a screenful per checkpoint
    settings = build.parse(given.config)
    compile_cache.use(given.cache_dir / "xla")
    progress = SearchProgress(settings.search.rounds, shown=True)
    parts = build.assemble(
        settings,
        cache_dir=given.cache_dir,
        use_store=given.own.store,
        on_result=progress.on_result,
    )
    workdir = Workdir(given.directory, build.resolved(settings, parts.space), flag="directory")
    state = go_on(parts, given.directory, progress)
    finish(parts, given.directory, state)
    workdir.close()


def go_on(parts: build.Parts, path: pathlib.Path, progress: SearchProgress) -> SearchState:
    """Searches from the newest checkpoint, or from the start, until the budget is over."""
    config, controller = parts.settings.search, parts.controller
    state = search.init(controller, parts.space, parts.root_key)
    events = path / records.EVENTS
    parts.remember(records.read_rows(events))
    checkpoints = Checkpoints(path / "checkpoints", kept=config.checkpoints_kept)
    on_disk = events.stat().st_size if events.exists() else 0
    restored = checkpoints.restore(state, at_most=on_disk)
    position = 0
    if restored is not None:
        state, position = restored
    rows = records.Records(
        path,
        parts.space,
        provenance=parts.evaluator.provenance,
        counts_of=parts.counts_of,
        num_updates=controller.num_updates,
        cost_names=parts.evaluator.cost_names,
        position=position,
    )
    keeper = Keeper(rows, checkpoints, state, progress, checkpoint_every=config.checkpoint_every)
    before = int(state.round)
    try:
        state = search.run(
            controller=controller,
            evaluator=parts.evaluator,
            reward=parts.reward,
            root_key=parts.root_key,
            state=state,
            config=config,
            observer=keeper,
        )
        if int(state.round) % config.checkpoint_every and int(state.round) > before:
            keeper.save(state)
    finally:
        keeper.close()
    rows.close()
    checkpoints.close()
    return state


def finish(parts: build.Parts, path: pathlib.Path, state: SearchState) -> None:
    """Tests the best architecture once, writes summary and report, prints where they lie."""
    events = path / records.EVENTS
    tested: dict[str, Any] = {}
    if float(state.best.accuracy) > 0:
        best = jax.device_get(state.best.architecture)
        tested = final_test(path, best, parts.space, parts.test_fn)
    elif parts.settings.search.max_cost is None or not records.are_measured(events):
        raise UserError(f"no candidate could be trained or run; {events} says why for each")
    controller = parts.controller
    updates = controller.num_updates(state.controller)
    summary = write_summary(
        path, state, parts.space, tested, updates=updates, learns=controller.learns
    )
    learned.save(path, controller.params(state.controller))
    report = write_report(path)
    print(summary_text(summary))
    print(f"report         {report}")


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
