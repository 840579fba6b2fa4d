"""Runs a search, or goes on with one: the same command does both.

python -m launch.search --config=configs/trl_hpo/digits.py --workdir=runs/digits
python -m launch.search --config=configs/trl_hpo/digits.py --workdir=runs/heads8 \\
    --config.controller.num_heads=8
"""

import os
import pathlib
from typing import Any

import jax
import numpy as np
from absl import flags, logging
from ml_collections import config_flags
from tqdm import tqdm

from launch import command_line
from nasjax import build, compile_cache, search
from nasjax.errors import UserError
from nasjax.run_report import report
from nasjax.run_report.summary_text import summary_text
from nasjax.runs import learned, records
from nasjax.runs.checkpoints import Checkpoints
from nasjax.runs.final_test import final_test
from nasjax.runs.summary import write_summary
from nasjax.runs.workdir import Workdir
from nasjax.types import Exchange, SearchState

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


class Keeper:
    """Writes records and checkpoints and shows progress. See `nasjax.types.Observer`."""

    def __init__(
        self,
        config: search.SearchConfig,
        rows: records.Records,
        checkpoints: Checkpoints,
        state: SearchState,
    ):
        self._config, self._rows, self._checkpoints = config, rows, checkpoints
        done = int(state.round)
        self._bar = tqdm(total=config.rounds, initial=done, unit="round", dynamic_ncols=True)
        self._best = float(state.best.accuracy)
        self._best_costs = rows.costs(state.best.architecture) if self._best > 0 else {}
        self._in_training = 0
        self._show()

    def on_result(self) -> None:
        """A candidate of the exchange under way was trained or found too large."""
        self._in_training += 1
        self._show()

    def on_exchange(self, exchange: Exchange) -> None:
        """Writes its candidates."""
        self._rows.on_exchange(exchange)
        self._in_training = 0
        proposal, outcome = exchange.proposal, exchange.outcome
        eligible = search.is_eligible(proposal, outcome, self._config.max_cost)
        accuracy = np.asarray(outcome.accuracy * eligible)
        top = int(accuracy.argmax())
        if accuracy[top] > self._best:
            self._best = float(accuracy[top])
            self._best_costs = self._rows.costs(proposal.architecture[top])
        self._show()

    def on_round(self, state: SearchState) -> None:
        """Writes the round, then the checkpoint that remembers how far the records went."""
        self._rows.on_round(state)
        if int(state.round) % self._config.checkpoint_every == 0:
            self.save(state)
        self._bar.update()

    def save(self, state: SearchState) -> None:
        """Keeps the state; what was written so far belongs to it."""
        self._checkpoints.save(int(state.round), state, self._rows.position)

    def close(self) -> None:
        """Leaves the progress bar as it stands."""
        self._bar.close()

    def _show(self) -> None:
        counts = dict(self._rows.counts)
        counts["trained"] += self._in_training
        costs = {name.split("/")[-1]: f"{cost:.4g}" for name, cost in self._best_costs.items()}
        shown = {"best": f"{self._best:.2%}", **costs, **dict(sorted(counts.items()))}
        self._bar.set_postfix(shown)


def main() -> None:
    """Checks the config, builds the parts, searches and sums up."""
    if CONFIG.value is None or not WORKDIR.value or not CACHE_DIR.value:
        raise UserError("--config=configs/NAME.py and --workdir=DIRECTORY are needed; see --help")
    logging.set_verbosity(logging.WARNING)  # Orbax tells a screenful per checkpoint
    settings = build.parse(CONFIG.value.to_dict())
    cache_dir = pathlib.Path(CACHE_DIR.value).expanduser()
    compile_cache.use(cache_dir / "xla")
    keepers: list[Keeper] = []
    parts = build.assemble(
        settings,
        cache_dir=cache_dir,
        use_store=STORE.value,
        on_result=lambda: keepers[0].on_result(),
    )
    path = pathlib.Path(WORKDIR.value)
    workdir = Workdir(path, build.resolved(settings, parts.space))
    state = go_on(parts, path, keepers)
    finish(parts, path, state)
    workdir.close()


def go_on(parts: build.Parts, path: pathlib.Path, keepers: list[Keeper]) -> SearchState:
    """Searches from the newest checkpoint, or from the start, until the budget is over."""
    config, controller = parts.settings.search, parts.controller
    state = search.init(controller, parts.space, parts.root_key)
    events = path / records.EVENTS
    parts.remember(records.read(events).candidates)
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
    keeper = Keeper(config, rows, checkpoints, state)
    keepers.append(keeper)
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
    except command_line.Interrupted:
        keeper.close()
        command_line.end(
            f"stopped; what was found is kept in {path}, the same command goes on",
            command_line.INTERRUPTED,
        )
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
    elif parts.settings.search.max_cost is None or not any(
        row.is_measured for row in records.read(events).candidates
    ):
        raise UserError(f"no candidate could be trained or run; {events} says why for each")
    controller = parts.controller
    updates = controller.num_updates(state.controller)
    write_summary(path, state, parts.space, tested, updates=updates, learns=controller.learns)
    learned.save(path, controller.params(state.controller))
    run = report.collect(path)
    written = report.write(run)
    print(summary_text(run))
    print(f"report         {written[0]}")


if __name__ == "__main__":
    command_line.start(main)
