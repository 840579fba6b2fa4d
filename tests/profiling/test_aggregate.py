"""From visits to rows of measurements: worked numbers, programs that cannot run, missing rounds."""

import json
import math

import jax
import numpy as np
import pytest

from nasjax.devices import measurements
from nasjax.errors import UserError
from nasjax.profiling import aggregate, report, rounds
from nasjax.profiling.programs import ForwardPass
from tests.profiling.worked_profile import (
    CONFIG,
    DESCRIPTION,
    PROGRAMS,
    ROUNDS,
    STATS,
    keep,
    write_config,
)


def row(rows, network, target):
    (found,) = rows[(rows["network"] == network) & (rows["target"] == target)].to_dict("records")
    return found


def test_values_are_medians_over_rounds_and_spreads_half_the_distance_of_quartiles():
    rows = aggregate.tabulate(CONFIG, PROGRAMS, ROUNDS, STATS)
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


def test_the_written_folder_is_one_that_predictors_read(tmp_path):
    keep(tmp_path, ROUNDS)
    aggregate.write(tmp_path, CONFIG, DESCRIPTION, PROGRAMS)
    found = measurements.read(tmp_path)
    assert found.networks == ("small", "large", "layer")
    np.testing.assert_array_equal(found.features, [[1, 10], [0, 20], [np.nan, 5]])
    (setting,) = found.settings
    assert (setting.device, setting.batch, setting.threads) == ("here", 8, 2)
    latency = found.select("latency_ms")
    np.testing.assert_array_equal(latency.values, [3.0, 10.0])
    np.testing.assert_array_equal(latency.network, [0, 1])
    np.testing.assert_array_equal(found.select("layer_latency_ms").network, [2])


def computed_by(function):
    return PROGRAMS[0]._replace(forward=ForwardPass(function, (4,)))


@pytest.mark.long
def test_a_network_that_does_not_fit_into_memory_has_an_infinite_latency(tmp_path):
    def too_large(weights, x):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")

    def broken(weights, x):
        raise jax.errors.JaxRuntimeError("INTERNAL: broken")

    arrays = rounds.SharedArrays(CONFIG)
    compiled = rounds.compile_program(computed_by(too_large), 1, arrays)
    assert compiled.call is None
    others = [rounds.compile_program(one, 1, arrays) for one in PROGRAMS[1:]]
    rounds.write_stats(tmp_path, [compiled, *others])
    visited = []
    rounds.run(tmp_path, 0, [compiled, *others], (0,), None, lambda: visited.append(1))
    assert len(visited) == 3
    rows = aggregate.write(tmp_path, CONFIG, DESCRIPTION, PROGRAMS)
    assert math.isinf(row(rows, "small", "latency")["value"])
    assert set(rows["target"][rows["network"] == "small"]) == {"latency"}
    found = measurements.read(tmp_path).select("latency_ms")
    assert np.isinf(found.values).tolist() == [True, False]
    write_config(tmp_path)
    report.write(tmp_path, "energy: none")
    profile = json.loads((tmp_path / report.PROFILE).read_text())
    assert profile["targets"]["latency"]["cannot_run"] == 1
    assert "- 1 do not fit into this device's memory" in (tmp_path / "report.md").read_text()
    with pytest.raises(jax.errors.JaxRuntimeError, match="broken"):
        rounds.compile_program(computed_by(broken), 1, arrays)


def test_energy_is_measured_in_the_first_rounds_only(tmp_path):
    arrays = rounds.SharedArrays(CONFIG)
    compiled = [rounds.compile_program(one, 1, arrays) for one in PROGRAMS]
    for number in (0, rounds.ENERGY_ROUNDS):
        rounds.run(tmp_path, number, compiled, (), lambda call: 7.0, lambda: None)
    first, last = rounds.read(tmp_path)
    assert first["energy"] == {"small": 7.0, "large": 7.0}  # of networks, not of layers
    assert last["energy"] == {}


def test_only_missing_rounds_are_measured(tmp_path):
    keep(tmp_path, ROUNDS)
    assert rounds.missing(tmp_path, 4) == []
    assert rounds.missing(tmp_path, 7) == [5, 6]
    (tmp_path / rounds.ROUNDS / "0001.json").write_text("{")
    with pytest.raises(UserError, match="0001.json is damaged; remove it"):
        rounds.read(tmp_path)
    (tmp_path / rounds.ROUNDS / "0001.json").unlink()
    assert rounds.missing(tmp_path, 5) == [1]
