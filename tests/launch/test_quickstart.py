"""The main command as a user starts it, to its end: `make search` on handwritten digits."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    """The summary of a whole search, every program of which is compiled by it."""
    folder = tmp_path_factory.mktemp("quickstart")
    flags = ["--config=configs/trl_hpo/digits.py", f"--workdir={folder}/run"]
    done = subprocess.run(
        [sys.executable, "-m", "launch.search", *flags, f"--cache_dir={folder}/cache"],
        cwd=ROOT,
        env={**os.environ, "XLA_FLAGS": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads((folder / "run" / "summary.json").read_text())


def test_a_whole_search_compiles_at_most_half_as_many_programs_as_it_trains_candidates(summary):
    trained, programs = summary["candidates"]["trained"], summary["programs_compiled"]
    assert trained >= 100
    assert 2 * programs <= trained
    assert programs <= 40


def test_it_learns_and_finds_a_cnn_as_good_as_its_config_promises(summary):
    assert summary["updates"] == 100
    assert summary["test_accuracy"] >= 0.97
