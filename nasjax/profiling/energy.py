"""Energy of a call, where the machine measures it.

On Linux the processor has counters of the energy of its whole packages (RAPL,
/sys/class/powercap), which include whatever else runs and the power at rest. The energy of a call
on an NVIDIA GPU is its power (NVML) times the latency.
"""

import pathlib
import time
from collections.abc import Callable

import jax

from nasjax.profiling import machine

POWERCAP = pathlib.Path("/sys/class/powercap")
# RAPL's counters move every millisecond. NVML tells the mean power of the last second.
_RAPL_SECONDS, _NVML_SECONDS = 0.05, 1.2
_POWER = "nvmlDeviceGetPowerUsage"  # mW

# (call) -> mJ of one call, which is run many times; None where the machine did not tell.
Meter = Callable[[Callable[[], None]], float | None]


def find_meter() -> tuple[Meter | None, str]:
    """The energy meter of the device that JAX computes on, if any, and a line about it."""
    if jax.default_backend() != "cpu":
        if machine.nvml(_POWER) is None:
            return None, "energy: not measured, this machine exposes none (NVML)"
        return _gpu_energy, "energy: the GPU's power (NVML) times latency"
    packages = [path.parent for path in sorted(POWERCAP.glob("intel-rapl:*/energy_uj"))]
    packages = [path for path in packages if path.name.count(":") == 1 and _is_package(path)]
    if not packages:
        return None, "energy: not measured, this machine exposes none (RAPL)"
    try:
        _microjoules(packages)
    except OSError:
        return None, f"energy: not measured, {packages[0]}/energy_uj may be read by root only"
    return _rapl_meter(packages), "energy: RAPL, processor packages, with all else they did"


def _is_package(path: pathlib.Path) -> bool:
    """False for the whole platform ("psys"), which counts the packages again."""
    try:
        return (path / "name").read_text(encoding="ascii").startswith("package")
    except OSError:
        return False


def _microjoules(packages: list[pathlib.Path]) -> list[int]:
    return [int((path / "energy_uj").read_text(encoding="ascii")) for path in packages]


def _rapl_meter(packages: list[pathlib.Path]) -> Meter:
    # A counter starts again from 0 beyond its range.
    ranges = [int((p / "max_energy_range_uj").read_text(encoding="ascii")) for p in packages]

    def measure(call: Callable[[], None]) -> float:
        before, calls, end = _microjoules(packages), 0, time.perf_counter() + _RAPL_SECONDS
        while time.perf_counter() < end:
            call()
            calls += 1
        spent = zip(before, _microjoules(packages), ranges, strict=True)
        return sum((after - start) % most for start, after, most in spent) / calls / 1e3

    return measure


def _gpu_energy(call: Callable[[], None]) -> float | None:
    calls, start = 0, time.perf_counter()
    while (seconds := time.perf_counter() - start) < _NVML_SECONDS:
        call()
        calls += 1
    milliwatts = machine.nvml(_POWER)
    return None if milliwatts is None else milliwatts * seconds / calls
