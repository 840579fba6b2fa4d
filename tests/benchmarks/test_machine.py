"""benchmarks.machine: limits, threads."""

import threading

import pytest

from benchmarks import machine


def test_adams_traffic_is_28_bytes_a_parameter():
    # 28 bytes x 2,000,000 = 56 MB, at 28 GB/s: 2 ms.
    assert machine.Machine(100.0, 28.0).adam_ms(2_000_000) == pytest.approx(2.0)


def test_tasks_run_at_the_same_time():
    both = threading.Barrier(2, timeout=20)  # passes only if the second comes while one waits
    assert sorted(machine.at_once([both.wait, both.wait])) == [0, 1]


def test_the_bandwidth_of_a_small_array_is_found():
    assert machine.gbytes_per_second(values=1000) > 0


def test_peak_memory_is_in_bytes():
    # JAX alone takes over 100 MB; in Linux's kilobytes that would read as 0.1 million.
    assert 50e6 < machine.peak_bytes() < 1e12
