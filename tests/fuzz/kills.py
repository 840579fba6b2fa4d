"""Commands killed with SIGKILL at random moments end as those that never were."""

import json
import pathlib
import random
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from nasjax.runs.records import EVENTS
from tests.commands import UNOPTIMISED, Commands
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
    """The verdicts of `count` kills, KILLS_A_RUN or fewer for each run."""
    random_of = random.Random(seed)
    place = folder / "kills"
    place.mkdir()
    commands = Commands(place)
    whole: dict[str, tuple[float, Any]] = {}
    try:
        left, turn = count, 0
        while left > 0:
            name = list(JOBS)[turn % len(JOBS)]
            job, cache = JOBS[name], place / f"cache {turn % len(JOBS)}"
            if name not in whole:
                _go(commands, job, place / f"whole {turn}", cache)  # compiles
                begun = time.monotonic()
                _go(commands, job, place / f"again {turn}", cache)
                whole[name] = time.monotonic() - begun, job.result(place / f"again {turn}")
            kills = min(left, KILLS_A_RUN)
            left, turn = left - kills, turn + 1
            yield _killed(
                commands, name, whole[name], place / f"killed {turn}", cache, kills, random_of
            )
    finally:
        commands.close()


def _start(commands: Commands, job: Job, directory: pathlib.Path, cache: pathlib.Path) -> Any:
    where = (f"--directory={directory}", f"--cache_dir={cache}")
    return commands.start(job.command, *job.arguments, *where, env=UNOPTIMISED)


def _go(commands: Commands, job: Job, directory: pathlib.Path, cache: pathlib.Path) -> None:
    ended = _start(commands, job, directory, cache).wait()
    if ended.returncode:
        raise RuntimeError(f"code {ended.returncode}: {ended.stderr[-800:]}")


def _killed(
    commands: Commands,
    name: str,
    whole: tuple[float, Any],
    directory: pathlib.Path,
    cache: pathlib.Path,
    kills: int,
    random_of: random.Random,
) -> Verdict:
    seconds, expected = whole
    moments = [random_of.random() * seconds for _ in range(kills)]

    def one() -> str:
        for moment in moments:
            (cache / "results.sqlite").unlink(missing_ok=True)  # else nothing is trained
            running = _start(commands, JOBS[name], directory, cache)
            time.sleep(moment)
            running.send_signal(signal.SIGKILL)
            running.wait()
        _go(commands, JOBS[name], directory, cache)
        if JOBS[name].result(directory) != expected:
            raise Wrong("the end differs from that of a run that was never killed")
        return "same"

    found = judge(name, f"{kills} kills after {[round(m, 2) for m in moments]} s", one)
    return found
