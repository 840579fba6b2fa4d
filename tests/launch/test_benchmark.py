"""launch.benchmark: its list of architectures, what it refuses, how it sums up."""

import json
import sys

import jax.numpy as jnp
import pytest

from benchmarks import throughput
from benchmarks.draw_architectures import PATH
from launch import benchmark


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
