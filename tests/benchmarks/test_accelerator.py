"""The accelerator's benchmark, on a CPU at its smallest size."""

import json

import numpy as np
import pytest

from benchmarks import accelerator
from launch import benchmark, command_line
from nasjax.evaluation.trained import network

pytestmark = pytest.mark.long
QUICK = ("limits", "alone", "bits", "side_by_side")


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    path = tmp_path_factory.mktemp("accelerator") / "figures.json"
    flags = (f"--jobs={','.join(QUICK)}", "--nets=1", "--steps=2", f"--json={path}")
    assert command_line.run(benchmark.COMMAND, ("accelerator", *flags)) == 0
    return json.loads(path.read_text())["figures"]


def test_every_job_gives_its_figures(figures):
    assert not [figure for figure in figures if "broke_off" in figure]
    assert {figure["job"] for figure in figures} == set(QUICK)
    assert all(figure["ms"] > 0 for figure in figures if "ms" in figure)


def test_a_candidate_is_the_same_again_and_in_every_lane(figures):
    (engine,) = [f for f in figures if f["job"] == "bits" and f["layers"] == "gathered"]
    assert engine["same_again"] and engine["same_in_another_lane"]


def test_a_job_that_breaks_off_says_so_and_costs_no_other(monkeypatch):
    monkeypatch.setitem(accelerator.JOBS, accelerator.limits, 0.01)
    (figure,) = accelerator.measure(["limits"], 1, 1)
    assert figure["job"] == "limits" and "stopped after" in figure["broke_off"]


def test_both_kinds_of_layers_are_the_same_function():
    x = np.random.default_rng(0).standard_normal((2, 9, 9, 3)).astype(np.float32)
    w = np.random.default_rng(1).standard_normal((27, 4)).astype(np.float32)
    b = np.arange(4, dtype=np.float32)
    np.testing.assert_allclose(
        accelerator._library_conv(x, w, b, 3, 2), network.conv2d(x, w, b, 3, 2), atol=1e-4
    )
    np.testing.assert_array_equal(
        accelerator._library_pool(x, 3, 2, 1), network.max_pool(x, 3, 2, 1)
    )


@pytest.mark.parametrize("flag", ["--jobs=speed", "--nets=9", "--steps=0"])
def test_what_it_cannot_do_is_refused(flag, capsys):
    assert command_line.run(benchmark.COMMAND, ("accelerator", flag)) == 2
    assert flag.partition("=")[0] in capsys.readouterr().err
