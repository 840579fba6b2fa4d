"""The whole of a search, or of a study, in one call: from its config to its report.

`import nasjax` offers these functions; the commands in `launch` are flags around them.
"""

import contextlib
import dataclasses
import math
import os
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from nasjax import build, compile_cache, config_files, files, loop
from nasjax.errors import UserError
from nasjax.progress import Progress
from nasjax.run_report import report as run_report
from nasjax.runs import learned, records
from nasjax.runs.checkpoints import Checkpoints
from nasjax.runs.final_test import final_test, rounds_tested
from nasjax.runs.observer import Keeper
from nasjax.runs.summary import write_summary
from nasjax.runs.workdir import Workdir
from nasjax.studies import config as study_config
from nasjax.studies import problem, run
from nasjax.studies import report as study_report
from nasjax.types import Exchange, SearchState


class SearchResult(NamedTuple):
    """The result of a search: its incumbent, the best architecture that keeps `search.max_cost`.

    Attributes:
      architecture: in one line; None if no measured architecture keeps `search.max_cost`.
      layers: the same as plain data, a dict a layer; encoding: the same as int32 [L, F].
      accuracy: on the search-validation split, from 0 to 1; test_accuracy: of the final test.
      costs: of the incumbent by name, the unit at the end of each.
      queries: charged; rounds: made.
      state: all that the loop carried, the controller's state included.
      workdir: the run's directory, with `report.html`; summary: `summary.json`. None without one.
    """

    architecture: str | None
    layers: list[dict[str, Any]]
    encoding: np.ndarray | None
    accuracy: float | None
    test_accuracy: float | None
    costs: dict[str, float]
    queries: int
    rounds: int
    state: SearchState
    workdir: pathlib.Path | None = None
    summary: dict[str, Any] | None = None


class StudyResult(NamedTuple):
    """The result of a study.

    Attributes:
      directory: of the study; files: reports and data that were written there.
      aggregates: a dict for every setting, space, data set, budget and constraint: `study.json`.
    """

    directory: pathlib.Path
    files: tuple[pathlib.Path, ...]
    aggregates: list[dict[str, Any]]


def load_config(name: str) -> dict[str, Any]:
    """A config as a plain nested dict, to be changed and given to `search` or `study`.

    Its name is the path of a config file, or the short name of one that comes with nasjax, e.g.
    "nas_bench_201/regularized_evolution". A UserError says that there is none, or it does not run.
    """
    found: dict[str, Any] = config_files.load(name).to_dict()
    return found


def search(
    config: Mapping[str, Any],
    workdir: str | os.PathLike[str] | None = None,
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    use_store: bool = True,
    progress: bool = False,
    finish: bool = False,
) -> SearchResult:
    """Searches for an architecture, tests the best one, and sums up.

    Args:
      config: sections `seed`, `space`, `controller`, `evaluator`, `reward`, `search`, and `data`
        where candidates are trained; plain data, but `name` may be an entry, see `registry.find`.
      workdir: directory of records, checkpoints, summary and report; the same call goes on where
        an interrupted one ended. None: nothing is written.
      cache_dir: data sets, compiled programs and results of trained candidates; by default
        $NASJAX_CACHE_DIR or ~/.cache/nasjax.
      use_store: whether results of trained candidates are shared between runs.
      progress: whether to show on stderr how far it is; needs a workdir.
      finish: end a search that was stopped: test the best of its last whole round, and sum up.

    Raises:
      UserError: the config is not allowed, a file cannot be read or written, no candidate could be
        trained or run, or there is nothing to finish.
    """
    settings = build.parse(config)
    cache = pathlib.Path(cache_dir or _default_cache()).expanduser()
    compile_cache.use(cache / "xla")
    made = build.assemble(settings, cache_dir=cache, use_store=use_store)
    if workdir is None:
        return _search_in_memory(made)
    directory = pathlib.Path(workdir)
    resolved = build.resolved(settings, made.space)
    facts = made.evaluation.facts
    if finish and not (directory / "config.json").exists():
        raise UserError(f"--directory={directory} holds no search to finish")
    with contextlib.closing(Workdir(directory, resolved, flag="directory", facts=facts)):
        return _search_in(directory, made, progress, finish)


def _default_cache() -> str:
    return os.environ.get("NASJAX_CACHE_DIR", "~/.cache/nasjax")


class _Costs:
    """The observer of a search without a directory: it keeps the incumbent's costs."""

    def __init__(self, names: tuple[str, ...]):
        self._names, self._accuracy = names, 0.0
        self.of_best: dict[str, float] = {}

    def on_exchange(self, exchange: Exchange) -> None:
        """Keeps the costs of a new incumbent."""
        best = exchange.best
        if self._names and best is not None and float(best.accuracy) > self._accuracy:
            self._accuracy = float(best.accuracy)
            asked = np.asarray(exchange.proposal.architecture) == np.asarray(best.architecture)
            row = int(asked.all((1, 2)).argmax())
            costs = np.asarray(exchange.outcome.costs)[row].tolist()
            self.of_best = dict(zip(self._names, costs, strict=True))

    def on_round(self, state: SearchState) -> None:
        """Nothing is kept of a round."""


def _search_in_memory(made: build.Search) -> SearchResult:
    evaluator = made.evaluator
    costs = _Costs(evaluator.cost_names)
    state = loop.run(
        controller=made.controller,
        evaluator=evaluator,
        reward=made.reward,
        root_key=made.root_key,
        state=loop.init(made.controller, made.space, made.root_key),
        config=made.settings.search,
        observer=costs,
    )
    best = np.asarray(state.best.architecture)
    found = float(state.best.accuracy) > 0
    tested = made.evaluation.test(best) if found else {}
    return _result(made, state, tested, costs.of_best)


def _search_in(
    directory: pathlib.Path, made: build.Search, progress: bool, finish: bool
) -> SearchResult:
    """Goes on in a directory that this process holds; tests, sums up, writes the report."""
    state = _go_on(directory, made, progress, finish)
    # Of the limits that it may have reached, the time is looked at last.
    reached = loop.end_reason(made.controller, state, made.settings.search, math.inf)
    ended_by = "--finish" if finish or reached is None else reached
    events = directory / records.EVENTS
    tested: dict[str, Any] = {}
    if float(state.best.accuracy) > 0:
        best = jax.device_get(state.best.architecture)
        ended = {"rounds": int(state.round), "ended_by": ended_by}
        tested = final_test(directory, best, made.space, made.evaluation.test, ended)
    else:
        candidates = records.read(events).candidates
        if not any(row.is_measured for row in candidates):
            failures = records.count_failures(candidates).items()
            why = ", ".join(f"{n} {status}{records.remedy(status)}" for status, n in failures)
            raise UserError(f"no candidate could be trained or run ({why}); see {events}")
    controller = made.controller
    updates = controller.num_updates(state.controller)
    summary = write_summary(
        directory,
        state,
        made.space,
        tested,
        updates=updates,
        learns=controller.learns,
        ended_by=tested.get("ended_by", ended_by),
        images=made.evaluation.images,
    )
    learned.save(directory, controller.params(state.controller))
    run_report.write_again(directory)
    costs = (summary["best"] or {}).get("costs", {})
    return _result(made, state, tested, costs)._replace(workdir=directory, summary=summary)


def _go_on(
    directory: pathlib.Path, made: build.Search, progress: bool, finish: bool
) -> SearchState:
    """Searches from the newest checkpoint, or from the start, until the budget is over.

    One that is finished stays at that checkpoint, one that was tested ends at its last round.
    """
    config, controller, evaluator = made.settings.search, made.controller, made.evaluator
    state = loop.init(controller, made.space, made.root_key)
    events = directory / records.EVENTS
    made.evaluation.remember(records.read(events).candidates)
    checkpoints = Checkpoints(directory / "checkpoints", kept=config.checkpoints_kept)
    on_disk = events.stat().st_size if events.exists() else 0
    restored = checkpoints.restore(state, at_most=on_disk)
    position = 0
    if restored is not None:
        state, position = restored
    written = records.Records(
        directory,
        made.space,
        provenance=evaluator.provenance,
        counts_of=made.evaluation.counts_of,
        num_updates=controller.num_updates,
        cost_names=evaluator.cost_names,
        position=position,
    )
    before = int(state.round)
    if finish and not before:
        raise UserError(f"--directory={directory} holds no whole round yet, so nothing to finish")
    rounds = rounds_tested(directory) or (before if finish else config.rounds)
    config = dataclasses.replace(config, rounds=rounds)
    shown = Progress(config.rounds, "rounds", initial=before, shown=progress)
    keeper = Keeper(written, checkpoints, state, shown, checkpoint_every=config.checkpoint_every)
    made.evaluation.watch(keeper.on_result)
    try:
        state = loop.run(
            controller=controller,
            evaluator=evaluator,
            reward=made.reward,
            root_key=made.root_key,
            state=state,
            config=config,
            observer=keeper,
            seconds=sum(row.seconds for row in records.read(events).rounds),
        )
        if int(state.round) % config.checkpoint_every and int(state.round) > before:
            keeper.save(state)
    finally:
        keeper.close()
        written.close()
    checkpoints.close()
    return state


def _result(
    made: build.Search, state: SearchState, tested: Mapping[str, Any], costs: Mapping[str, float]
) -> SearchResult:
    state = jax.device_get(state)
    best, found = np.asarray(state.best.architecture), float(state.best.accuracy) > 0
    return SearchResult(
        architecture=made.space.to_text(best) if found else None,
        layers=made.space.to_layers(best) if found else [],
        encoding=best if found else None,
        accuracy=float(state.best.accuracy) if found else None,
        test_accuracy=tested.get("test_accuracy"),
        costs=dict(costs) if found else {},
        queries=int(state.queries),
        rounds=int(state.round),
        state=state,
    )


def study(
    config: Mapping[str, Any],
    directory: str | os.PathLike[str],
    *,
    cache_dir: str | os.PathLike[str] | None = None,
    share: tuple[int, int] = (0, 1),
    progress: bool = False,
) -> StudyResult:
    """Runs what is missing of a study, and writes its report.

    Args:
      config: sections `study`, `evaluator` and `controllers`.
      directory: of the study; the same call goes on where an interrupted one ended.
      cache_dir: see `search`.
      share: (i, n): every n-th shard from the i-th on, to divide a study between machines.
      progress: whether to show how far it is.

    Raises:
      UserError: the config is not allowed, or a file cannot be read or written.
    """
    parsed = study_config.parse(config)
    compile_cache.use(pathlib.Path(cache_dir or _default_cache()).expanduser() / "xla")
    path = pathlib.Path(directory)
    arms = problem.make_arms(parsed)
    facts = problem.facts(arms)
    with contextlib.closing(Workdir(path, parsed.resolved, flag="directory", facts=facts)):
        jobs = run.missing(path, parsed.config, arms, *share)
        with Progress(sum(job.queries for job in jobs), "queries", shown=progress) as bar:

            def show(arm: str, queries: int) -> None:
                bar.describe(arm)
                bar.update(queries)

            run.run(path, parsed.config, jobs, show)
        written = tuple(study_report.write(path, parsed, arms))
    return StudyResult(path, written, files.read_json(path / "study.json")["aggregates"])
