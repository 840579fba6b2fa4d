"""Measured networks of the published tables, in one form."""

import numpy as np
import pytest

from nasjax.data.tables import load_networks
from nasjax.devices import descriptions
from nasjax.errors import UserError
from nasjax.predictor_studies import sources

COSTS = {
    "nas_bench_201": ("help/fpga_ms", "hw_nas_bench/edgetpu_latency_ms"),
    "one_proxy": ("one_proxy/true_a76_ms", "help/fpga_ms"),
    "help_fbnet": ("help_fbnet/1080ti_1_ms",),
    "help_ofa": ("help_ofa/v100_1_ms",),
    "accel_nasbench": ("accel_nasbench/zcu102_latency_ms",),
}
SIZES = {
    "nas_bench_201": 15_625,
    "one_proxy": 1_999,
    "help_fbnet": 5_000,
    "help_ofa": 5_000,
    "accel_nasbench": 5_138,
}


@pytest.mark.parametrize("name", sources.SOURCES)
def test_every_source_has_features_and_described_costs(name):
    found = sources.load(name, COSTS[name])
    assert found.features.shape == (SIZES[name], len(found.names))
    assert np.isfinite(found.features).all()
    for cost in COSTS[name]:
        costs = found.costs[cost]
        assert costs.shape == (SIZES[name],)
        assert not np.isnan(costs).any() and (costs > 0).all()
        assert found.contexts[cost].shape == (len(descriptions.CONTEXT),)
    np.testing.assert_array_equal(found.macs, found.features[:, found.names.index("macs")])


def test_what_was_not_measured_is_infinite():
    # The ZCU102's latency of two networks is missing; the Edge TPU cannot run 4,699 cells.
    accel = sources.load("accel_nasbench", COSTS["accel_nasbench"])
    assert np.isinf(accel.costs["accel_nasbench/zcu102_latency_ms"]).sum() == 2
    cells = sources.load("nas_bench_201", COSTS["nas_bench_201"])
    assert np.isinf(cells.costs["hw_nas_bench/edgetpu_latency_ms"]).sum() == 4_699


def test_the_cells_of_one_proxy_have_what_the_whole_table_says_of_them():
    some = sources.load("one_proxy", COSTS["one_proxy"])
    every = sources.load("nas_bench_201", COSTS["nas_bench_201"])
    latency = every.costs["help/fpga_ms"]
    of_cell = {row.tobytes(): cost for row, cost in zip(every.features, latency, strict=True)}
    wanted = [of_cell[row.tobytes()] for row in some.features]
    np.testing.assert_array_equal(some.costs["help/fpga_ms"], wanted)
    measured = load_networks("one_proxy").columns["true_a76_ms"]
    np.testing.assert_array_equal(some.costs["one_proxy/true_a76_ms"], measured)


def test_an_unknown_cost_is_named():
    with pytest.raises(UserError, match="help_fbnet/toaster_ms"):
        sources.load("help_fbnet", ("help_fbnet/toaster_ms",))
