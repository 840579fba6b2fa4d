"""From visits to rows of measurements: worked numbers, what cannot run, what is missing."""

import math

import jax
import numpy as np
import pandas as pd
import pytest

from nasjax.devices import measurements
from nasjax.errors import UserError
from nasjax.profiling import results, rounds, summary
from nasjax.profiling.config import ProfileConfig
from nasjax.profiling.programs import LATENCY, LAYER_LATENCY, Computed, Program

CONFIG = ProfileConfig(
    device="here",
    space="nas_bench_201",
    image_size=32,
    classes=10,
    networks=2,
    layers=1,
    batch=8,
    precision="bfloat16",
    threads=2,
    repeats=5,
    seed=0,
)
DESCRIPTION = {"kind": "cpu", "cores": 2}


def program(name, target, macs, **features):
    return Program(name, target, {**features, "macs": macs}, Computed(lambda _, x: x, {}, (4,)))


PROGRAMS = [
    program("small", LATENCY, 10.0, live=1.0),
    program("large", LATENCY, 20.0, live=0.0),
    program("layer", LAYER_LATENCY, 5.0),
]


def a_round(small, large, layer, energy=()):
    latency = {
        LATENCY: {"small": [10, small], "large": [5, large]},
        LAYER_LATENCY: {"layer": [20, layer]},
    }
    about = {"started": "2026-11-25 10:00:00", "seconds": 1.0, "processors": [0, 1]}
    memory = {"peak_mib": 300.0}
    return {
        **about,
        "clock_mhz": [1, 2],
        "memory": memory,
        "latency": latency,
        "energy": dict(energy),
    }


MADE = [
    a_round(1.0, 10.0, 0.5, {"small": 3.0}),
    a_round(2.0, 10.0, 0.5, {"small": 5.0}),
    a_round(3.0, 10.0, 0.5),
    a_round(4.0, 10.0, 0.5),
    a_round(100.0, 10.0, 0.5),
]
PARTS = {"arguments_mib": 2.0, "outputs_mib": 0.25, "temporary_mib": 1.0}
FACTS = {"small": PARTS, "large": {"compile_seconds": 1.0}, "layer": {}}


def row(rows, network, target):
    (found,) = rows[(rows["network"] == network) & (rows["target"] == target)].to_dict("records")
    return found


def test_values_are_medians_over_rounds_and_spreads_half_the_distance_of_quartiles():
    rows = results.table(CONFIG, PROGRAMS, MADE, FACTS)
    small = row(rows, "small", "latency")
    # Of 1, 2, 3, 4 and 100: median 3, quartiles 2 and 4.
    assert (small["value"], small["spread"], small["unit"]) == (3.0, 1.0, "ms")
    assert (small["repeats"], small["calls"]) == (5, 10)
    assert (small["batch"], small["threads"], small["precision_bits"]) == (8, 2, 16)
    # 8 images in 10 ms are 800 a second.
    assert row(rows, "large", "throughput")["value"] == 800
    assert row(rows, "layer", "layer_latency")["value"] == 0.5
    assert row(rows, "small", "program_memory")["value"] == 3.25
    assert row(rows, "small", "energy")["value"] == 4.0
    assert row(rows, "small", "energy")["repeats"] == 2
    assert set(rows["target"][rows["network"] == "large"]) == {"latency", "throughput"}


def test_a_folder_is_read_as_predictors_read_it(tmp_path):
    kept(tmp_path, MADE)
    results.write(tmp_path, CONFIG, DESCRIPTION, PROGRAMS)
    found = measurements.read(tmp_path)
    assert found.networks == ("small", "large", "layer")
    np.testing.assert_array_equal(found.features, [[1, 10], [0, 20], [np.nan, 5]])
    (setting,) = found.settings
    assert (setting.device, setting.batch, setting.threads) == ("here", 8, 2)
    latency = found.of_target("latency_ms")
    np.testing.assert_array_equal(latency.values, [3.0, 10.0])
    np.testing.assert_array_equal(latency.network, [0, 1])
    np.testing.assert_array_equal(found.of_target("layer_latency_ms").network, [2])


def kept(directory, made):
    (directory / rounds.ROUNDS).mkdir()
    for number, one in enumerate(made):
        rounds.write_json(directory / rounds.ROUNDS / f"{number:04d}.json", one)
    rounds.write_json(directory / rounds.PROGRAMS, FACTS)


def computed_by(function):
    return PROGRAMS[0]._replace(computed=Computed(function, {}, (4,)))


def test_what_does_not_fit_into_memory_costs_infinitely_much(tmp_path):
    def too_large(params, x):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")

    def broken(params, x):
        raise jax.errors.JaxRuntimeError("INTERNAL: broken")

    arrays = rounds.Arrays(CONFIG)
    running = rounds.start(computed_by(too_large), 1, arrays)
    assert running.call is None
    others = [rounds.start(one, 1, arrays) for one in PROGRAMS[1:]]
    rounds.write_facts(tmp_path, [running, *others])
    visited = []
    rounds.make(tmp_path, 0, [running, *others], (0,), None, lambda: visited.append(1))
    assert len(visited) == 3
    rows = results.write(tmp_path, CONFIG, DESCRIPTION, PROGRAMS)
    assert math.isinf(row(rows, "small", "latency")["value"])
    assert set(rows["target"][rows["network"] == "small"]) == {"latency"}
    found = measurements.read(tmp_path).of_target("latency_ms")
    assert np.isinf(found.values).tolist() == [True, False]
    page, _ = summary.write(tmp_path, CONFIG, DESCRIPTION, PROGRAMS, rows, "energy: none")
    assert page["targets"]["latency"]["cannot_run"] == 1
    assert "- 1 do not fit into this device's memory" in summary.markdown(page, CONFIG)
    with pytest.raises(jax.errors.JaxRuntimeError, match="broken"):
        rounds.start(computed_by(broken), 1, arrays)


def test_energy_is_measured_in_the_first_rounds_only(tmp_path):
    arrays = rounds.Arrays(CONFIG)
    running = [rounds.start(one, 1, arrays) for one in PROGRAMS]
    for number in (0, rounds.ENERGY_ROUNDS):
        rounds.make(tmp_path, number, running, (), lambda call: 7.0, lambda: None)
    first, last = rounds.read(tmp_path)
    assert first["energy"] == {"small": 7.0, "large": 7.0}  # of whole networks
    assert last["energy"] == {}


def test_rounds_that_are_there_are_not_made_again(tmp_path):
    kept(tmp_path, MADE)
    assert rounds.missing(tmp_path, 4) == []
    assert rounds.missing(tmp_path, 7) == [5, 6]
    (tmp_path / rounds.ROUNDS / "0001.json").write_text("{")
    with pytest.raises(UserError, match="0001.json is damaged; remove it"):
        rounds.read(tmp_path)
    (tmp_path / rounds.ROUNDS / "0001.json").unlink()
    assert rounds.missing(tmp_path, 5) == [1]


def test_the_report_tells_ranges_ranks_and_what_disturbed(tmp_path):
    kept(tmp_path, MADE)
    rows = results.write(tmp_path, CONFIG, DESCRIPTION, PROGRAMS)
    page, written = summary.write(tmp_path, CONFIG, DESCRIPTION, PROGRAMS, rows, "energy: none")
    latency = page["targets"]["latency"]
    assert (latency["lowest"], latency["highest"], latency["spearman_macs"]) == (3.0, 10.0, 1.0)
    assert page["targets"]["throughput"]["spearman_macs"] == -1.0
    assert latency["largest_relative_spread"] == pytest.approx(1 / 3, abs=1e-4)
    assert "spearman_macs" not in page["targets"]["layer_latency"]  # of one layer
    # Rounds add up to 1 + 10 + 0.5 to 100 + 10 + 0.5 ms.
    assert page["rounds"]["sum_ms"] == [11.5, 110.5]
    assert page["rounds"]["clock_mhz"] == [1, 2]
    text = summary.markdown(page, CONFIG)
    # 8 images of 5 macs in 0.5 ms: 8e4 macs a second.
    assert "| layer | 0.5 | 0 | 8e-05 |" in text and "energy: none" in text
    assert all(path.stat().st_size for path in written)
    assert pd.read_csv(tmp_path / measurements.ROWS)["target"].nunique() == 5
