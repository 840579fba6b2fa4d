"""benchmarks.throughput: what a net's times say, how a list of nets is summed up."""

import numpy as np
import pytest

from benchmarks import throughput
from benchmarks.machine import Machine
from nasjax.spaces.layer_chain import LayerChain

SPACE = LayerChain((28, 28, 1), 10)
MACHINE = Machine(gemm_gflops=100.0, gbytes_per_second=28.0)
CONV = {"kind": "conv", "filters": 8, "kernel": 7, "stride": 3}
# 22 x 22 outputs of 24 filters of 49 inputs, then 16 x 16 of 32 of 7 x 7 x 24, then 8,192 x 10:
# 2 (569,184 + 9,633,792 + 81,920) = 20,569,792 FLOP an image, 99 % of them convolutions.
LARGE = [{**CONV, "filters": 24, "stride": 1}, {**CONV, "filters": 32, "stride": 1}]


def step(layers=(CONV,), ms=1.0, ms_alone=1.0, torch_ms=1.0, torch_compile_ms=None):
    return throughput.step(
        list(layers), SPACE, 16, MACHINE, ms, ms_alone, torch_ms, torch_compile_ms
    )


def test_ratios_are_pytorchs_time_over_ours():
    found = step(ms=2.0, ms_alone=4.0, torch_ms=8.0)
    assert (found.ratio, found.ratio_alone) == (4.0, 2.0)


@pytest.mark.parametrize(("ms", "ms_alone"), [(2.0, 4.0), (4.0, 2.0)])
def test_arithmetic_is_three_forward_passes_an_image_in_the_better_time(ms, ms_alone):
    found = step(ms=ms, ms_alone=ms_alone)
    # 8 x 8 outputs of 8 filters of 49 inputs, then 512 x 10: 2 (25,088 + 5,120) FLOP an image.
    assert found.mflop * 1e6 == pytest.approx(60_416)
    assert found.conv_share == pytest.approx(25_088 / 30_208)
    assert found.gflops == pytest.approx(3 * 16 * 60_416 / 2e-3 / 1e9)
    assert found.gemm_fraction == pytest.approx(found.gflops / 100)


def test_nets_of_millions_of_params_are_trained_one_by_one():
    # 26 x 26 x 8 inputs of 512 neurons are 2.8 million params; of 16 filters, 5.5 million.
    small, large = (
        [
            {"kind": "conv", "filters": filters, "kernel": 3, "stride": 1},
            {"kind": "fc", "neurons": 512, "bias": True, "activation": "relu"},
        ]
        for filters in (8, 16)
    )
    assert throughput.in_flight(small, SPACE) == throughput.IN_FLIGHT == 2
    assert throughput.in_flight(large, SPACE) == 1


def test_a_step_is_marked_as_memory_where_adam_alone_takes_over_half_of_it():
    # 49 x 8 + 8 + 512 x 10 + 10 = 5,530 parameters of 28 bytes at 28 GB/s: 0.00553 ms.
    assert step().adam_ms_bound == pytest.approx(0.00553)
    assert step(ms=0.0110).moves_memory()
    assert not step(ms=0.0111).moves_memory()


def test_the_gemm_fraction_is_about_large_nets_of_convolutions():
    assert step(LARGE).mflop == pytest.approx(20.569792)
    assert step(LARGE).computes()
    assert not step(LARGE[:1]).computes()  # 8 MFLOP less, and a large last layer
    assert not step().computes()


@pytest.mark.parametrize(
    ("torch_seconds", "steps"),
    # 0.25 s are 2,500 steps, 300 at most; 250; 3, but 60 take under 5 s; 60 take longer: 5 / 0.2;
    # 10 at least
    [(0.0001, 300), (0.001, 250), (0.08, 60), (0.2, 25), (1.0, 10)],
)
def test_slow_nets_are_timed_over_fewer_steps(torch_seconds, steps):
    assert throughput.num_steps(torch_seconds) == steps


def test_a_summary_has_geometric_means_and_worst_ratios():
    steps = [step(ms=1.0, ms_alone=2.0, torch_ms=8.0), step(ms=2.0, ms_alone=4.0)]
    found = throughput.summary(steps)
    assert found["geometric_mean"] == pytest.approx(1.0)  # net against net: of 4 and 1/4
    assert found["worst"] == 0.25
    assert found["geometric_mean_in_flight"] == pytest.approx(2.0)  # of 8 and 1/2
    assert found["worst_in_flight"] == 0.5
    assert found["geometric_mean_torch_compile"] is None
    assert [row["ms"] for row in found["per_architecture"]] == [1.0, 2.0]


def test_torch_compile_is_summed_up_over_the_nets_that_have_it():
    steps = [step(ms=2.0, torch_compile_ms=6.0), step(ms=1.0, torch_compile_ms=12.0), step()]
    found = throughput.summary(steps)
    assert found["geometric_mean_torch_compile"] == pytest.approx(6.0)  # of 3 and 12
    assert "first 2 architectures" in throughput.closing(16, found, steps)


def test_a_table_begins_with_the_slowest_and_marks_what_limits():
    steps = [step(torch_ms=2.0), step(LARGE, ms=10.0), step(ms=0.01, torch_ms=0.05)]
    rows = throughput.table(steps).splitlines()
    assert [row.split()[0] for row in rows[2:]] == ["0.10", "2.00", "5.00"]
    marks = [[mark for mark in ("compute", "memory") if mark in row] for row in rows[2:]]
    assert marks == [["compute"], [], ["memory"]]
    closing = throughput.closing(16, throughput.summary(steps), steps)
    # 3 x 16 x 20,569,792 FLOP in 1 ms (alone) are 987 GFLOP/s, ten times this GEMM.
    assert "987% of GEMM: conv 24 k7 s1 > conv 32 k7 s1" in closing


def test_candidates_in_flight_share_a_program_and_differ_in_their_weights():
    rng = np.random.default_rng(0)
    images = rng.standard_normal((20, 28, 28, 1)).astype(np.float32)
    labels, order = np.arange(20, dtype=np.int32) % 10, np.arange(6, dtype=np.int32).reshape(2, 3)
    programs = throughput._programs([CONV], SPACE, images, labels, order)
    assert len(programs) == 2 == throughput.IN_FLIGHT
    assert programs[0].args[0] is programs[1].args[0]
    (first, ok), (second, also) = (program() for program in programs)
    assert ok.all() and also.all()
    assert abs(first[0]["w"] - second[0]["w"]).max() > 0.1


def test_the_first_architectures_only_go_under_torch_compile(monkeypatch):
    pytest.importorskip("torch")
    from benchmarks import torch_nets

    nets = []

    def compiled(net):  # the real one takes 10 s
        nets.append(net)
        return net

    monkeypatch.setattr(torch_nets, "compiled", compiled)
    monkeypatch.setattr(throughput, "num_steps", lambda _: 2)
    chains = [[CONV], [{**CONV, "filters": 16}]]
    first, second = throughput.measure(chains, SPACE, 16, MACHINE, torch_compiles=1)
    assert [net[0].out_channels for net in nets] == [8]
    assert first.torch_compile_ms > 0 and first.torch_compile_seconds > 0
    assert second.torch_compile_ms is None and second.torch_compile_seconds is None
    assert min(first.ms, first.ms_alone, first.torch_ms, first.compile_seconds) > 0
