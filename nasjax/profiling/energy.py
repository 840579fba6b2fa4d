"""What a call costs in energy, where the machine tells.

On Linux the processor counts it (RAPL, /sys/class/powercap): of whole packages, with all else that
they do meanwhile and at rest. Of an NVIDIA GPU it is power (nvidia-smi) times latency.
"""

import concurrent.futures
import pathlib
import time
from collections.abc import Callable

import jax

from nasjax.profiling import machine

POWERCAP = pathlib.Path("/sys/class/powercap")
# RAPL's counters move every millisecond. nvidia-smi tells the mean of the last second.
_RAPL_SECONDS, _NVIDIA_SECONDS = 0.05, 1.2


# (call) -> mJ a call, which it runs many times; None: the machine did not tell.
Meter = Callable[[Callable[[], None]], float | None]


def find() -> tuple[Meter | None, str]:
    """The meter of what JAX computes on, and a line on what there is."""
    if jax.default_backend() != "cpu":
        if not machine.nvidia_smi("power.draw"):
            return None, "energy: not measured, this machine exposes none (nvidia-smi)"
        return _nvidia, "energy: nvidia-smi's power times latency"
    packages = [path.parent for path in sorted(POWERCAP.glob("intel-rapl:*/energy_uj"))]
    packages = [path for path in packages if path.name.count(":") == 1 and _is_package(path)]
    if not packages:
        return None, "energy: not measured, this machine exposes none (RAPL)"
    try:
        _microjoules(packages)
    except OSError:
        return None, f"energy: not measured, {packages[0]}/energy_uj may be read by root only"
    return _make_rapl(packages), "energy: RAPL, processor packages, with all else they did"


def _is_package(path: pathlib.Path) -> bool:
    """Not the whole platform ("psys"), which counts the packages again."""
    try:
        return (path / "name").read_text(encoding="ascii").startswith("package")
    except OSError:
        return False


def _microjoules(packages: list[pathlib.Path]) -> list[int]:
    return [int((path / "energy_uj").read_text(encoding="ascii")) for path in packages]


def _make_rapl(packages: list[pathlib.Path]) -> Meter:
    # A counter starts again after this.
    ranges = [int((p / "max_energy_range_uj").read_text(encoding="ascii")) for p in packages]

    def measure(call: Callable[[], None]) -> float:
        before, calls, end = _microjoules(packages), 0, time.perf_counter() + _RAPL_SECONDS
        while time.perf_counter() < end:
            call()
            calls += 1
        spent = zip(before, _microjoules(packages), ranges, strict=True)
        return sum((after - start) % most for start, after, most in spent) / calls / 1e3

    return measure


def _nvidia(call: Callable[[], None]) -> float | None:
    """Watts, asked for while the calls go on, times milliseconds a call."""
    calls, start = 0, time.perf_counter()
    asked: concurrent.futures.Future[list[float]] | None = None
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        while asked is None or not asked.done():
            call()
            calls += 1
            if asked is None and time.perf_counter() > start + _NVIDIA_SECONDS:
                asked = pool.submit(machine.nvidia_smi, "power.draw")
        milliseconds = (time.perf_counter() - start) / calls * 1e3
    watts = asked.result()
    return watts[0] * milliseconds if watts else None
