"""A search on a table through the host loop, as a user starts it."""

import json

import numpy as np
import pytest

from nasjax.data.tables import load_table
from tests.commands import UNOPTIMISED


@pytest.fixture
def search(commands, tmp_path):
    where = (f"--workdir={tmp_path / 'run'}", f"--cache_dir={tmp_path / 'cache'}")
    config = "--config=configs/nas_bench_201/regularized_evolution.py"
    return lambda *flags: commands.run(
        "search", config, *where, "--config.search.rounds=30", *flags, env=UNOPTIMISED
    )


@pytest.mark.long
def test_it_ends_with_the_tables_accuracies_and_a_report(search, tmp_path):
    done = search()
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    table = load_table("nas_bench_201", "cifar10")
    codes = np.array(summary["best"]["encoding"])[:, 0] - 1
    (row,) = np.flatnonzero((table.ops == codes).all(1))
    np.testing.assert_allclose(summary["validation_accuracy"], table.search_accuracy[row])
    np.testing.assert_allclose(summary["test_accuracy"], table.reported_accuracy[row])
    assert summary["queries"] == 30 and not summary["untrained"]
    assert "(from the table)" in done.stdout
    page = (tmp_path / "run" / "report.html").read_text()
    assert "of the table" in page and "cifar10" in page
    again = search()  # finished: nothing new, the same end
    assert again.returncode == 0 and "(from the table)" in again.stdout


@pytest.mark.long
def test_what_a_device_cannot_run_is_recorded_as_infeasible_and_never_the_best(search, tmp_path):
    # The Edge TPU cannot run 4,699 of the 15,625 cells; these are infinite in the table.
    done = search("--config.evaluator.costs=('hw_nas_bench/edgetpu_latency_ms',)")
    assert done.returncode == 0, done.stderr
    events = (tmp_path / "run" / "events.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, events) if row["event"] == "candidate"]
    infeasible = [row for row in rows if row["status"] == "infeasible"]
    table = load_table("nas_bench_201", "cifar10", ["hw_nas_bench/edgetpu_latency_ms"])
    for row in rows:
        codes = np.array(row["encoding"])[:, 0] - 1
        (place,) = np.flatnonzero((table.ops == codes).all(1))
        assert (row["status"] == "infeasible") == np.isinf(table.costs[place, 0])
    assert 1 <= len(infeasible) < len(rows)
    assert f"{len(infeasible)} infeasible" in done.stdout
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["best"]["encoding"] not in [row["encoding"] for row in infeasible]
    assert "a device cannot run it" in (tmp_path / "run" / "report.html").read_text()


def test_a_section_that_is_of_no_use_is_refused(search, tmp_path):
    done = search("--config.data={'name': 'digits'}")
    assert done.returncode == 2 and "config.data is of no use" in done.stderr


def test_an_evaluator_that_does_not_fit_the_space_is_refused(search, tmp_path):
    done = search("--config.space.name=layer_chain", "--config.evaluator.name=table")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error")]
    assert done.returncode == 2 and "config.data is missing" in line
