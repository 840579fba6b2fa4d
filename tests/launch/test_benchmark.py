"""nasjax benchmark: its list of architectures, what it refuses, how it sums up."""

import json
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import cold, machine, scaling, throughput
from benchmarks.draw_architectures import PATH
from launch import benchmark, command_line
from nasjax.evaluation.trained import native
from nasjax.evaluation.trained.cohorts import TrainedConfig


def run(*arguments):
    return command_line.run(benchmark.COMMAND, arguments)


def refused(capsys, *arguments):
    assert run("candidates", *arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


@pytest.mark.long
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
        (json.dumps([[{**CONV, "filters": "many"}]]), "filters='many'; it must be a whole number"),
        (json.dumps([[3]]), "[0] is no list of layers"),
    ],
)
def test_a_bad_list_is_refused_in_one_line(tmp_path, capsys, text, expected):
    path = tmp_path / "nets.json"
    path.write_text(text)
    assert expected in refused(capsys, f"--architectures={path}")


def test_a_missing_list_is_named(tmp_path, capsys):
    assert "nets.json" in refused(capsys, f"--architectures={tmp_path}/nets.json")


def test_an_impossible_batch_or_place_is_refused_before_the_work(tmp_path, capsys):
    assert "--batch=0" in refused(capsys, "--batch=0")
    assert "nowhere" in refused(capsys, f"--json={tmp_path}/nowhere/x.json")


def test_an_impossible_number_of_compilations_is_refused(capsys):
    assert "--torch_compile=-1" in refused(capsys, "--torch_compile=-1")


@pytest.mark.long
def test_a_plan_is_printed_and_written_before_anything_is_compiled(tmp_path, capsys):
    path = tmp_path / "plan.json"
    assert run("plan", "--chains=6", "--input_shape=8,8,1", f"--json={path}") == 0
    found = json.loads(path.read_text())
    assert found["candidates"] == 6 == sum(row["candidates"] for row in found["cohorts"])
    assert found["programs"] == len(found["cohorts"]) <= 6
    assert "6 nets" in capsys.readouterr().out


def test_a_plan_takes_a_list_of_ones_own(tmp_path, capsys):
    path = tmp_path / "nets.json"
    path.write_text(json.dumps([[CONV], [{**CONV, "filters": 16}]]))
    flags = ["--input_shape=28,28,1", f"--architectures={path}"]
    assert run("plan", *flags) == 0  # both padded to the digits config's 128 filters
    assert "conv 128 k7 s3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--chains=0"], "--chains=0"),
        (["--input_shape=8,8"], "HEIGHT,WIDTH,CHANNELS"),
        (["--input_shape=8,8,x"], "--input_shape=x; it must be whole numbers"),
        (["--config=configs/nowhere.py"], "configs/nowhere.py is no file"),
        (["--config=studies/quick"], "config.controllers"),
        (["--config=nas_bench_201/autocomet"], "looked up in a table"),
    ],
)
def test_a_plan_of_nothing_is_refused_in_one_line(capsys, flags, expected):
    assert run("plan", *flags) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert expected in line


def test_an_unknown_benchmark_and_none_are_refused_in_one_line(capsys):
    assert run("plans") == 2
    assert "known: candidates, plan, studies" in capsys.readouterr().err
    assert run() == 2
    assert "candidates | plan | studies | accelerator is needed" in capsys.readouterr().err


@pytest.mark.long
def test_without_torch_it_says_what_to_type(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert "pip install torch" in refused(capsys)


LIMITS = machine.Machine(gemm_gflops=100.0, gbytes_per_second=28.0)
COLD = {
    "seconds_cold": 20.0,
    "seconds_warm": 5.0,
    "seconds_torch": 10.0,
    "programs": 3,
    "mean_accuracy": 0.5,
    "mean_accuracy_torch": 0.5,
}


def measured(monkeypatch, tmp_path, chains, *arguments):
    """The JSON that is written where a step takes 1 ms for `batch` images, PyTorch's 4 ms."""
    asked = []

    def measure(architectures, space, batch, limits, torch_compiles):
        asked.append(torch_compiles)
        return [throughput.step(a, space, batch, limits, 1.0, 2.0, 4.0) for a in architectures]

    def lanes(jobs):
        return [
            {
                "devices": devices,
                "lanes": lanes,
                "lane_steps_per_second": 1.0,
                "temp_bytes": 1,
                "peak_bytes": 1,
            }
            for devices, lanes in jobs
        ]

    monkeypatch.setattr(machine, "measure", lambda: LIMITS)
    monkeypatch.setattr(throughput, "measure", measure)
    monkeypatch.setattr(cold, "measure", lambda name: COLD)
    monkeypatch.setattr(scaling, "measure", lanes)
    nets, out = tmp_path / "nets.json", tmp_path / "out.json"
    nets.write_text(json.dumps(chains))
    flags = [f"--architectures={nets}", f"--json={out}", *arguments]
    assert run("candidates", *flags) == 0
    return json.loads(out.read_text()), asked


LARGE = [{**CONV, "filters": 24, "stride": 1}, {**CONV, "filters": 32, "stride": 1}]


def test_all_figures_are_written(monkeypatch, tmp_path):
    pytest.importorskip("torch")
    found, asked = measured(monkeypatch, tmp_path, [[CONV], LARGE])
    assert asked in ([4, 4], [0, 0])  # with a C++ compiler, without
    for batch in ("batch_16", "batch_128"):
        assert (found[batch]["geometric_mean"], found[batch]["worst"]) == (2.0, 2.0)
        assert found[batch]["geometric_mean_in_flight"] == 4.0
    # 3 x 16 x 20,569,792 FLOP in 1 ms are 987 GFLOP/s of 100; at batch 128 it is eight times that.
    assert found["gemm_fraction"] == pytest.approx(9.87350016)
    assert found["cold"] == {"digits": 0.5, "digits_warm": 2.0, "mnist": 0.5, "mnist_warm": 2.0}
    assert found["programs"] == 3
    assert [row["lanes"] for row in found["scaling"]["lanes"]] == list(scaling.LANES)
    assert [row["devices"] for row in found["scaling"]["devices"]] == [1, 2, 1, 2]


def test_what_is_left_out_is_not_written(monkeypatch, tmp_path, capsys):
    pytest.importorskip("torch")
    monkeypatch.setattr(native, "compiler", lambda: None)
    flags = ("--batch=16", "--sets=mnist", "--noscaling")
    found, asked = measured(monkeypatch, tmp_path, [[CONV]], *flags)
    assert asked == [0]
    assert "no torch.compile: it needs a C++ compiler" in capsys.readouterr().out
    assert found["gemm_fraction"] is None  # no net large enough
    assert not {"batch_128", "programs", "scaling"} & set(found)


@pytest.mark.long
@pytest.mark.parametrize("side", cold.SIDES)
def test_both_sides_measure_every_chain_of_a_set(monkeypatch, side):
    if side == "torch":
        pytest.importorskip("torch")
    recipe = TrainedConfig(epochs=1, batch_size=128, lanes=1, compilation="quick")
    monkeypatch.setitem(cold.TASKS, "digits", cold.Task(3, recipe))
    found = (cold.run_engine if side == "engine" else cold.run_torch)("digits")
    assert len(found["accuracy"]) == 3
    assert all(0 < accuracy < 1 and (accuracy * 512).is_integer() for accuracy in found["accuracy"])


@pytest.mark.long
def test_the_chains_of_a_set_differ_and_are_valid():
    found = cold.distinct_chains(benchmark.SPACE, 50)
    assert len(np.unique(found.reshape(50, -1), axis=0)) == 50
    assert all(benchmark.SPACE.is_valid(jnp.asarray(chain)) for chain in found)


def test_a_set_reports_pytorchs_seconds_over_the_engines():
    figures = {"seconds_cold": 20.0, "seconds_warm": 5.0, "seconds_torch": 10.0}
    assert cold.ratios("digits", figures) == {"digits": 0.5, "digits_warm": 2.0}
