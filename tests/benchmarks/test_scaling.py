"""benchmarks.scaling: lanes of one program, spread over devices."""

import sys

import jax
import numpy as np
import pytest

from benchmarks import scaling


@pytest.mark.long
def test_spread_lanes_train_to_what_they_do_on_one_device():
    (fit, arguments), (spread, spread_arguments) = (
        scaling.lane_training(devices, lanes=4, steps=2) for devices in (1, 2)
    )
    params, finite = fit(*arguments)
    spread_params, spread_finite = spread(*spread_arguments)
    assert {len(leaf.sharding.device_set) for leaf in jax.tree.leaves(spread_params)} == {2}
    assert finite.tolist() == spread_finite.tolist() == [True] * 4
    for leaf, spread_leaf in zip(*map(jax.tree.leaves, (params, spread_params)), strict=True):
        # Adam moved a value by 1e-3 a step, rounding now and then by 1e-5.
        assert abs(np.asarray(spread_leaf) - np.asarray(leaf)).mean() < 1e-6
    assert abs(params[0]["w"][0] - params[0]["w"][1]).max() > 0.1  # the lanes differ


def test_a_process_reports_its_lanes(monkeypatch):
    monkeypatch.setattr(scaling, "LANE_STEPS", 1)
    monkeypatch.setattr(scaling, "MIN_STEPS", 3)  # a single one is no loop
    found = scaling.run(devices=1, lanes=2)
    # An Adam moment of both lanes: 2 x (9 x 16 + 16 + 2,704 x 64 + 64 + 64 x 10 + 10) x 4 bytes.
    assert found["temp_bytes"] > 2 * 173_930 * 4
    assert found["lane_steps_per_second"] > 0
    assert scaling.table([found]).splitlines()[1].split()[:2] == ["1", "2"]


def test_the_jobs_are_every_power_of_two_and_as_many_lanes_on_each_device():
    assert [lanes for _, lanes in scaling.JOBS] == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert scaling.SPREAD_JOBS == [(1, 1), (2, 2), (1, 16), (2, 32)]


@pytest.mark.parametrize(
    "arguments", [["--devices", "3"], ["--devices", "2", "--lanes", "3"], ["--lanes", "0"]]
)
def test_impossible_lanes_are_refused(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["scaling", *arguments])
    with pytest.raises(SystemExit) as ended:
        scaling.main()
    assert ended.value.code == 2
    assert arguments[-2] in capsys.readouterr().err
