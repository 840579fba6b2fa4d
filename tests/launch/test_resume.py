"""A search killed at any moment and started again ends as one never interrupted, bit for bit."""

import json
import shutil
import signal
import time

import pytest

from nasjax.runs.records import EVENTS
from tests.commands import UNOPTIMISED

DIGITS = "--config=configs/trl_hpo/digits.py"
# Small enough to take seconds, large enough to learn and validate: two rounds of two models.
SETTINGS = {
    "search.rounds": 2,
    "space.max_layers": 2,
    "controller.models_per_episode": 2,
    "controller.min_size": 2,
    "controller.batch_size": 2,
    "controller.updates_per_episode": 1,
    "controller.validate_every": 1,
    "controller.embed_size": 8,
    "controller.num_heads": 2,
    "controller.num_blocks": 1,
    "controller.min_gain": -1.0,
    "evaluator.epochs": 1,
}


def start(commands, workdir, cache):
    flags = [f"--config.{key}={value}" for key, value in SETTINGS.items()]
    where = (f"--workdir={workdir}", f"--cache_dir={cache}")
    return commands.start("search", DIGITS, *where, *flags, env=UNOPTIMISED)


def search(commands, workdir, cache):
    done = start(commands, workdir, cache).wait()
    assert done.returncode == 0, done.stderr[-2000:]


def rows(workdir):
    """The whole lines of the records as plain data."""
    path = workdir / EVENTS
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def search_and_kill(commands, workdir, cache, when):
    """Starts a search and sends SIGKILL as soon as `when(rows, workdir)` holds."""
    process = start(commands, workdir, cache)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        if when(rows(workdir), workdir):
            break
        time.sleep(0.01)
    assert process.poll() is None, "the search ended before it could be killed"
    process.send_signal(signal.SIGKILL)
    assert process.wait().returncode == -signal.SIGKILL


def logical(workdir):
    """What may not depend on interruptions: everything but the fields called physical."""
    return [{k: v for k, v in row.items() if k != "physical"} for row in rows(workdir)]


def final_digest(workdir):
    """The digest over controller, replay, counters and best of the last checkpoint."""
    about = workdir / "checkpoints" / str(SETTINGS["search.rounds"]) / "about" / "metadata"
    return json.loads(about.read_text())["digest"]


@pytest.fixture(scope="module")
def uninterrupted(commands, tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    search(commands, folder / "run", folder / "cache")
    return folder


MOMENTS = [
    # In the middle of the first round: no checkpoint yet.
    lambda rows, workdir: len(rows) >= 2,
    # Between the first round's checkpoint and the end.
    lambda rows, workdir: (workdir / "checkpoints" / "1").exists(),
    # With rows on disk that the checkpoint does not know of.
    lambda rows, workdir: (
        sum(row["event"] == "candidate" and row["round"] == 1 for row in rows) > 1
    ),
]


@pytest.mark.long
@pytest.mark.parametrize("keep_store", [True, False], ids=["store kept", "store removed"])
def test_three_kills_leave_no_trace(commands, uninterrupted, tmp_path, keep_store):
    workdir, cache = tmp_path / "run", tmp_path / "cache"
    # Compiled programs are shared: they are not what is tested, and save most of the time.
    shutil.copytree(uninterrupted / "cache" / "xla", cache / "xla")
    for moment in MOMENTS:
        search_and_kill(commands, workdir, cache, moment)
        if not keep_store:
            (cache / "results.sqlite").unlink(missing_ok=True)
    search(commands, workdir, cache)
    whole = uninterrupted / "run"
    assert logical(workdir) == logical(whole)
    assert final_digest(workdir) == final_digest(whole)
    ended = [json.loads((path / "summary.json").read_text()) for path in (workdir, whole)]
    for key in ("best", "best_noise_free", "validation_accuracy", "test_accuracy", "updates"):
        assert ended[0][key] == ended[1][key]
    assert ended[0]["updates"] == 2
    assert ended[0]["candidates"] == ended[1]["candidates"]
