"""The machine from stand-ins of psutil, of the kernel's files and of NVML; energy from counters."""

import json
import os
import sys
import time
import types

import psutil
import pytest

from nasjax.errors import UserError
from nasjax.profiling import energy, machine


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Two cores of two hardware threads: processors 0 and 1 are one core, 2 and 3 the other."""
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(machine, "CPUS", tmp_path)
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 4 if logical else 2)
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU\n")
    for i in range(4):
        folder = tmp_path / f"cpu{i}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(["0-1", "2,3"][i // 2] + "\n")


def set_clocks(monkeypatch, current, maximum=0.0):
    clocks = [types.SimpleNamespace(current=mhz, min=0.0, max=maximum) for mhz in current]
    monkeypatch.setattr(psutil, "cpu_freq", lambda percpu: clocks, raising=False)


def test_a_cpu_is_described_by_cores_and_boost_clock(system, monkeypatch):
    set_clocks(monkeypatch, [2100.0] * 4)
    found = machine.describe()
    assert (found["kind"], found["title"], found["cores"]) == ("cpu", "Some CPU", 2)
    assert "clock_ghz" not in found and found["memory_gib"] > 0
    set_clocks(monkeypatch, [2100.0] * 4, maximum=3600.0)
    assert machine.describe()["clock_ghz"] == 3.6


def test_the_clock_is_the_mean_of_the_processors_in_use(monkeypatch):
    set_clocks(monkeypatch, [800.0, 900.0, 1000.0, 1600.0])
    assert machine.clock_mhz((1, 3)) == 1250
    assert machine.clock_mhz(()) is None
    monkeypatch.delattr(psutil, "cpu_freq")  # as on systems without it
    assert machine.clock_mhz((1, 3)) is None


def test_different_cores_are_taken_before_the_second_thread_of_one(system, monkeypatch):
    bound = []

    class Process:
        def cpu_affinity(self, processors=None):
            if processors is None:
                return [0, 1, 2, 3]
            bound.append(processors)

    monkeypatch.setattr(psutil, "Process", Process)
    assert [machine.bind(threads) for threads in (1, 2, 3, 0)] == [
        (0,),
        (0, 2),
        (0, 1, 2),
        (0, 1, 2, 3),
    ]
    assert bound[1] == [0, 2]
    with pytest.raises(UserError, match="--threads=5; it must be 0 to 4"):
        machine.bind(5)


def test_a_system_without_affinity_uses_all_processors_or_says_so(monkeypatch):
    monkeypatch.setattr(psutil, "Process", object)
    assert machine.bind(0) == ()
    with pytest.raises(UserError, match="--threads=2; it must be 0: this system binds no process"):
        machine.bind(2)


def test_a_user_adds_to_the_description_and_names_the_device(tmp_path):
    found = {"kind": "cpu", "cores": 2, "clock_ghz": 2.0}
    assert machine.name_and_description(tmp_path / "laptop", found, None)[0] == "laptop"
    path = tmp_path / "mine.json"
    mine = {"kind": "cpu", "clock_ghz": 4.5, "bandwidth_gb_s": 50}
    path.write_text(json.dumps({"devices": {"desk": mine}}))
    name, description = machine.name_and_description(tmp_path / "laptop", found, str(path))
    assert name == "desk"
    assert description == {"sources": ["the operating system"], "cores": 2, **mine}
    path.write_text(json.dumps({"devices": {"desk": mine, "lap": mine}}))
    with pytest.raises(UserError, match="mine.json has 2 devices; it must have one"):
        machine.name_and_description(tmp_path, found, str(path))
    path.write_text(json.dumps({"devices": {"desk": {"kind": "cpu", "clock": 1}}}))
    with pytest.raises(UserError, match="clock_ghz"):
        machine.name_and_description(tmp_path, found, str(path))


def test_memory_grows_with_what_is_held():
    before = machine.memory_mib()
    held = bytearray(os.urandom(1) * (64 << 20))
    grown = machine.memory_mib()
    assert len(held) == 64 << 20
    assert grown["peak_mib"] >= before["peak_mib"] > 50
    assert grown["resident_mib"] - before["resident_mib"] == pytest.approx(64, abs=8)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A RAPL package with a part and the whole platform beside it, which must not be counted."""
    monkeypatch.setattr(energy, "POWERCAP", tmp_path)
    for folder, name in (
        ("intel-rapl:0", "package-0"),
        ("intel-rapl:0:0", "core"),
        ("intel-rapl:1", "psys"),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "name").write_text(name + "\n")
        (tmp_path / folder / "energy_uj").write_text("100\n")
        (tmp_path / folder / "max_energy_range_uj").write_text(f"{10**9}\n")
    return tmp_path / "intel-rapl:0" / "energy_uj"


def test_energy_is_the_counters_step_per_call_also_when_it_starts_again(package):
    meter, line = energy.find_meter()
    assert meter is not None and line.startswith("energy: RAPL")
    spent = [10**9 - 1_000]

    def call():  # 2,000 microjoules, the first one beyond the counter's range
        spent[0] += 2_000
        package.write_text(f"{spent[0] % 10**9}\n")

    package.write_text(f"{spent[0]}\n")
    assert meter(call) == pytest.approx(2.0)


def test_without_a_counter_a_line_says_so(package):
    (package.parent / "name").write_text("dram\n")
    assert energy.find_meter() == (None, "energy: not measured, this machine exposes none (RAPL)")


@pytest.fixture
def gpu(monkeypatch):
    """A GPU of 250 W, 80 GiB and 1,980 MHz; values can be taken away."""
    values = {"power": 250_000, "memory": 80 << 30, "clock": 1980}
    asked = []

    class NVMLError(Exception):
        pass

    def look_up(name):
        if name not in values:
            raise NVMLError
        return values[name]

    module = types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=asked.append,
        nvmlDeviceGetHandleByUUID=asked.append,
        nvmlDeviceGetPowerUsage=lambda handle: look_up("power"),
        nvmlDeviceGetMemoryInfo=lambda handle: types.SimpleNamespace(total=look_up("memory")),
        nvmlDeviceGetMaxClockInfo=lambda handle, kind: look_up("clock"),
    )
    monkeypatch.setitem(sys.modules, "pynvml", module)
    monkeypatch.setattr(machine.jax, "default_backend", lambda: "gpu")
    monkeypatch.setattr(energy, "_NVML_SECONDS", 0.01)
    return types.SimpleNamespace(values=values, asked=asked)


def test_a_gpus_energy_is_its_power_times_latency(gpu):
    meter, line = energy.find_meter()
    assert line == "energy: the GPU's power (NVML) times latency"
    found = meter(lambda: time.sleep(0.004))
    assert 250 * 4 <= found < 250 * 40  # 250 W x 4 ms, and the overrun of a sleep
    del gpu.values["power"]
    assert meter(lambda: None) is None
    assert energy.find_meter() == (
        None,
        "energy: not measured, this machine exposes none (NVML)",
    )


def test_a_gpu_is_described_by_memory_and_clock_as_far_as_its_driver_tells(gpu):
    found = machine.describe()
    assert (found["kind"], found["memory_gib"], found["clock_ghz"]) == ("gpu", 80.0, 1.98)
    del gpu.values["clock"]
    assert "clock_ghz" not in machine.describe()


def test_the_gpu_that_is_asked_about_is_the_first_visible_one(gpu, monkeypatch):
    for visible in ("", "3,1", "GPU-5ab"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        machine.nvml("nvmlDeviceGetPowerUsage")
    assert gpu.asked == [0, 3, "GPU-5ab"]


def test_without_nvml_a_gpus_numbers_are_unknown(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)  # importing it fails
    assert machine.nvml("nvmlDeviceGetPowerUsage") is None
