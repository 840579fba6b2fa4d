"""Commands killed with SIGKILL at random moments end as those that never were."""

import functools
import json
import pathlib
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from nasjax.runs.records import EVENTS
from tests.commands import UNOPTIMISED, Commands, Running
from tests.fuzz.verdicts import Verdict, Wrong, judge
from tests.launch.test_resume import SETTINGS

DIGITS = [
    "--config=trl_hpo/digits",
    *(f"--config.{key}={value}" for key, value in SETTINGS.items()),
]
TABLE = ["--config=nas_bench_201/regularized_evolution", "--config.search.rounds=40"]
STUDY = ["--config=studies/quick", "--config.study.seeds=8", "--config.study.seeds_per_part=2"]
KILLS_A_RUN = 3


class Job(NamedTuple):
    """A command, and what of its directory may not depend on interruptions."""

    command: str
    arguments: list[str]
    result: Callable[[pathlib.Path], Any]


def records(run: pathlib.Path) -> Any:
    """The records but for what is physical, and the numbers of the summary."""
    rows = [json.loads(line) for line in (run / EVENTS).read_text().splitlines()]
    summary = json.loads((run / "summary.json").read_text())
    logical = [
        {k: v for k, v in row.items() if k not in ("physical", "digest", "sha256")} for row in rows
    ]
    return logical, summary["best"], summary["test_accuracy"], summary["candidates"]


def aggregates(study: pathlib.Path) -> Any:
    """The figures of a study without its timings."""
    text = json.loads((study / "study.json").read_text())["aggregates"]
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in text]


JOBS = {
    "kills: search, trained": Job("search", DIGITS, records),
    "kills: search, trained, no store": Job("search", [*DIGITS, "--nostore"], records),
    "kills: search on a table": Job("search", TABLE, records),
    "kills: study": Job("study", STUDY, aggregates),
}


def run(seed: int, count: int, folder: pathlib.Path) -> Iterator[Verdict]:
    """A verdict for each of `count` kills; those of one run share it."""
    random_of = random.Random(seed)
    place = folder / "kills"
    place.mkdir()
    commands = Commands(place)
    whole: dict[str, tuple[float, Any]] = {}
    try:
        made, turn = 0, 0
        while made < count:
            name = list(JOBS)[turn % len(JOBS)]
            job, compiled = JOBS[name], place / f"compiled {turn % len(JOBS)}"
            if name not in whole:
                _go(commands, job, place / f"first {turn}", compiled)
                cache = _with_programs_of(compiled, place / f"cache {turn}, whole")
                begun = time.monotonic()
                _go(commands, job, place / f"whole {turn}", cache)
                whole[name] = time.monotonic() - begun, job.result(place / f"whole {turn}")
            cache = _with_programs_of(compiled, place / f"cache {turn}")
            turn += 1
            most = min(KILLS_A_RUN, count - made)
            killed = _Killed(commands, job, place / f"killed {turn}", cache)
            go = functools.partial(killed.go, whole[name], most, random_of)
            verdict = judge(name, f"turn {turn}", go)
            if verdict.outcome != "same" and not killed.kills:
                yield verdict
            yield from [verdict] * killed.kills
            made += killed.kills
    finally:
        commands.close()


class _Killed:
    """A run that is killed; `kills` counts the signals that met it while it ran."""

    def __init__(self, commands: Commands, job: Job, directory: pathlib.Path, cache: pathlib.Path):
        self._start = lambda: _start(commands, job, directory, cache)
        self._job, self._directory = job, directory
        self.kills = 0

    def go(self, whole: tuple[float, Any], most: int, random_of: random.Random) -> str:
        """Kills it at most so often, lets it end, and compares that with a whole run."""
        seconds, expected = whole
        while self.kills < most:
            running = self._start()
            time.sleep(random_of.random() * seconds)
            running.send_signal(signal.SIGKILL)
            if running.wait().returncode != -signal.SIGKILL:
                break  # it was through before
            self.kills += 1
        ended = self._start().wait()
        if ended.returncode:
            raise RuntimeError(f"code {ended.returncode}: {ended.stderr[-800:]}")
        if self._job.result(self._directory) != expected:
            raise Wrong("the end differs from that of a run that was never killed")
        return "same"


def _with_programs_of(compiled: pathlib.Path, cache: pathlib.Path) -> pathlib.Path:
    """A cache without results, so that candidates are trained, but with compiled programs."""
    shutil.copytree(compiled / "xla", cache / "xla")
    return cache


def _start(commands: Commands, job: Job, directory: pathlib.Path, cache: pathlib.Path) -> Running:
    where = (f"--directory={directory}", f"--cache_dir={cache}")
    return commands.start(job.command, *job.arguments, *where, env=UNOPTIMISED)


def _go(commands: Commands, job: Job, directory: pathlib.Path, cache: pathlib.Path) -> None:
    ended = _start(commands, job, directory, cache).wait()
    if ended.returncode:
        raise RuntimeError(f"code {ended.returncode}: {ended.stderr[-800:]}")
