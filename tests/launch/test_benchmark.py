"""launch.benchmark: its list of architectures, what it refuses, how it sums up."""

import json
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import cold, throughput
from benchmarks.draw_architectures import PATH
from launch import benchmark
from nasjax.evaluation.trained.evaluator import TrainedConfig


def refused(capsys, *arguments):
    assert benchmark.main(["candidates", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_the_committed_list_holds_at_least_40_different_valid_chains():
    chains = json.loads(PATH.read_text())
    assert len({json.dumps(chain) for chain in chains}) == len(chains) >= 40
    for chain in chains:
        assert benchmark.SPACE.is_valid(jnp.asarray(benchmark.SPACE.from_layers(chain)))


CONV = {"kind": "conv", "filters": 8, "kernel": 7, "stride": 3}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[", "Expecting value"),
        ("[]", "expected a JSON list of architectures"),
        ("{}", "expected a JSON list of architectures"),
        ("[3]", "[0] is no list of layers"),
        (json.dumps([[CONV], [CONV] * 3]), "[1] does not fit 28x28 images"),
        (json.dumps([[{"kind": "dense"}]]), "dense"),
        (json.dumps([[{"kind": "conv", "filters": 8}]]), "a conv with a kernel"),
        (json.dumps([[{**CONV, "filters": "many"}]]), "[0] is no list of layers"),
    ],
)
def test_a_bad_list_is_refused_in_one_line(tmp_path, capsys, text, expected):
    path = tmp_path / "nets.json"
    path.write_text(text)
    assert expected in refused(capsys, f"--architectures={path}")


def test_a_missing_list_is_named(tmp_path, capsys):
    assert "nets.json" in refused(capsys, f"--architectures={tmp_path}/nets.json")


def test_an_impossible_batch_or_place_is_refused_before_the_work(tmp_path, capsys):
    assert "--batch=0" in refused(capsys, "--batch", "0")
    assert "nowhere" in refused(capsys, "--json", str(tmp_path / "nowhere" / "x.json"))


def test_a_measurement_counts_three_forward_passes_per_image(monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(throughput, "SECONDS", 0)
    (step,) = throughput.measure([[CONV]], benchmark.SPACE, 16)
    # 8 x 8 outputs of 8 filters of 49 inputs, then 512 x 10: 2 (25,088 + 5,120) FLOP an image.
    assert step.gflops * step.ms * 1e6 == pytest.approx(3 * 16 * 60_416)
    assert step.ratio == pytest.approx(step.torch_ms / step.ms)


def test_without_torch_it_says_what_to_type(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "pip install torch" in refused(capsys)


def test_a_summary_has_the_geometric_mean_and_the_worst_ratio():
    steps = [throughput.Step(name, 1.0, r, r, 0.5, 10.0) for name, r in (("a", 8.0), ("b", 0.5))]
    found = throughput.summary(steps)
    assert found["geometric_mean"] == pytest.approx(2.0)
    assert found["worst"] == 0.5
    assert [row["architecture"] for row in found["per_architecture"]] == ["a", "b"]


@pytest.mark.parametrize("side", cold.SIDES)
def test_both_sides_measure_every_chain_of_a_set(monkeypatch, side):
    if side == "torch":
        pytest.importorskip("torch")
    recipe = TrainedConfig(epochs=1, batch_size=128, lanes=1, compilation="quick")
    monkeypatch.setitem(cold.TASKS, "digits", cold.Task(3, recipe))
    found = (cold.run_engine if side == "engine" else cold.run_torch)("digits")
    assert len(found["accuracy"]) == 3
    assert all(0 < accuracy < 1 and (accuracy * 512).is_integer() for accuracy in found["accuracy"])


def test_the_chains_of_a_set_differ_and_are_valid():
    found = cold.distinct_chains(benchmark.SPACE, 50)
    assert len(np.unique(found.reshape(50, -1), axis=0)) == 50
    assert all(benchmark.SPACE.is_valid(jnp.asarray(chain)) for chain in found)


def test_a_set_reports_pytorchs_seconds_over_the_engines():
    figures = {"seconds_cold": 20.0, "seconds_warm": 5.0, "seconds_torch": 10.0}
    assert cold.ratios("digits", figures) == {"digits": 0.5, "digits_warm": 2.0}
