"""What the operating system tells, from files written here; energy from counters written here."""

import json
import os
import stat
import time

import pytest

from nasjax.errors import UserError
from nasjax.profiling import energy, machine

CPUINFO = """processor\t: {0}
model name\t: Some CPU
cpu MHz\t\t: {1}
physical id\t: 0
core id\t\t: {2}

"""


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Two cores of two hardware threads: processors 0 and 1 are one core, 2 and 3 the other."""
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    monkeypatch.setattr(machine, "PROC", proc)
    monkeypatch.setattr(machine, "SYS", sys)
    proc.mkdir()
    rows = [CPUINFO.format(i, 1000 + 100 * i, i // 2) for i in range(4)]
    (proc / "cpuinfo").write_text("".join(rows))
    for i in range(4):
        folder = sys / f"devices/system/cpu/cpu{i}"
        (folder / "topology").mkdir(parents=True)
        (folder / "topology" / "thread_siblings_list").write_text(["0-1", "2,3"][i // 2] + "\n")
    return sys


def frequencies(system, name, values):
    for i, value in enumerate(values):
        folder = system / f"devices/system/cpu/cpu{i}/cpufreq"
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(f"{value}\n")


def test_a_cpu_is_described_by_cores_and_boost_clock(system):
    found = machine.describe()
    assert (found["kind"], found["title"], found["cores"]) == ("cpu", "Some CPU", 2)
    assert "clock_ghz" not in found and found["memory_gib"] > 0
    frequencies(system, "cpuinfo_max_freq", [3_400_000, 3_600_000])
    assert machine.describe()["clock_ghz"] == 3.6


def test_the_clock_is_the_mean_of_the_processors_in_use(system):
    assert machine.clock_mhz((1, 3)) == 1200
    frequencies(system, "scaling_cur_freq", [800_000, 900_000, 1_000_000, 1_600_000])
    assert machine.clock_mhz((1, 3)) == 1250
    assert machine.clock_mhz(()) is None


def test_different_cores_are_taken_before_the_second_thread_of_one(system, monkeypatch):
    bound = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, to: bound.append(to), raising=False)
    assert [machine.bind(threads) for threads in (1, 2, 3, 0)] == [
        (0,),
        (0, 2),
        (0, 1, 2),
        (0, 1, 2, 3),
    ]
    assert bound[1] == [0, 2]
    with pytest.raises(UserError, match="--threads=5; it must be 0 to 4"):
        machine.bind(5)


def test_a_user_adds_to_the_description_and_names_the_device(tmp_path):
    found = {"kind": "cpu", "cores": 2, "clock_ghz": 2.0}
    assert machine.named(tmp_path / "laptop", found, None)[0] == "laptop"
    path = tmp_path / "mine.json"
    mine = {"kind": "cpu", "clock_ghz": 4.5, "bandwidth_gb_s": 50}
    path.write_text(json.dumps({"devices": {"desk": mine}}))
    name, description = machine.named(tmp_path / "laptop", found, str(path))
    assert name == "desk"
    assert description == {"sources": ["the operating system"], "cores": 2, **mine}
    path.write_text(json.dumps({"devices": {"desk": mine, "lap": mine}}))
    with pytest.raises(UserError, match="mine.json has 2 devices; it must have one"):
        machine.named(tmp_path, found, str(path))
    path.write_text(json.dumps({"devices": {"desk": {"kind": "cpu", "clock": 1}}}))
    with pytest.raises(UserError, match="clock_ghz"):
        machine.named(tmp_path, found, str(path))


def test_memory_grows_with_what_is_held():
    before = machine.resident_mib()
    held = bytearray(os.urandom(1) * (64 << 20))
    grown = machine.resident_mib()
    assert len(held) == 64 << 20
    assert grown["peak_mib"] >= before["peak_mib"] > 50
    if "resident_mib" in before:
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
    meter, line = energy.find()
    assert meter is not None and line.startswith("energy: RAPL")
    spent = [10**9 - 1_000]

    def call():  # 2,000 microjoules, the first one beyond the counter's range
        spent[0] += 2_000
        package.write_text(f"{spent[0] % 10**9}\n")

    package.write_text(f"{spent[0]}\n")
    assert meter(call) == pytest.approx(2.0)


def test_without_a_counter_a_line_says_so(package):
    (package.parent / "name").write_text("dram\n")
    assert energy.find() == (None, "energy: not measured, this machine exposes none (RAPL)")


def test_a_gpus_energy_is_its_power_times_latency(tmp_path, monkeypatch):
    script = tmp_path / "nvidia-smi"
    script.write_text(
        '#!/bin/sh\ncase "$*" in *power.draw*) echo 250.0;; *) echo "81559, 1980";; esac\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert machine.nvidia_smi("memory.total,clocks.max.sm") == [81559, 1980]
    monkeypatch.setattr(energy, "_NVIDIA_SECONDS", 0.01)
    found = energy._nvidia(lambda: time.sleep(0.004))
    assert 250 * 4 <= found < 250 * 40  # 250 W x 4 ms, and what a sleep takes longer
    script.write_text("#!/bin/sh\necho '[N/A]'\n")
    assert energy._nvidia(lambda: None) is None
