"""This machine as its operating system tells it: processors, clock, memory; which ones to use."""

import os
import pathlib
import re
import resource
import subprocess
import sys
from typing import Any

import jax

from nasjax.devices import descriptions
from nasjax.errors import UserError

PROC, SYS = pathlib.Path("/proc"), pathlib.Path("/sys")


def bind(threads: int) -> tuple[int, ...]:
    """Lets this process run on so many processors, of different cores first; 0: on all it may.

    XLA has as many threads as its process has processors when JAX starts, so this comes before.

    Returns:
      The processors, () where the system does not tell.

    Raises:
      UserError: there are not so many, or the system cannot bind processes.
    """
    if not hasattr(os, "sched_setaffinity"):  # macOS, Windows
        if threads:
            raise UserError(
                f"--threads={threads}; it must be 0: this system binds no process to processors"
            )
        return ()
    allowed = sorted(os.sched_getaffinity(0))
    if threads > len(allowed):
        raise UserError(f"--threads={threads}; it must be 0 to {len(allowed)}, 0 for all")
    chosen = sorted(sorted(allowed, key=_place_in_core)[: threads or len(allowed)])
    os.sched_setaffinity(0, chosen)
    return tuple(chosen)


def _place_in_core(processor: int) -> tuple[int, int]:
    """Which of its core's hardware threads a processor is, then its number."""
    path = SYS / f"devices/system/cpu/cpu{processor}/topology/thread_siblings_list"
    siblings: list[int] = []
    for span in _read(path).split(","):
        first, _, last = span.partition("-")
        if first.isdigit():
            siblings += range(int(first), int(last or first) + 1)
    return (siblings.index(processor) if processor in siblings else 0), processor


def clock_mhz(processors: tuple[int, ...]) -> float | None:
    """The mean clock of these processors now; None: the system does not tell."""
    clocks = []
    for processor in processors:
        path = SYS / f"devices/system/cpu/cpu{processor}/cpufreq/scaling_cur_freq"
        if text := _read(path):
            clocks.append(int(text) / 1e3)
    if not clocks:
        all_clocks = [float(value) for value in _of_cpuinfo("cpu MHz")]
        clocks = [all_clocks[i] for i in processors if i < len(all_clocks)]
    return round(sum(clocks) / len(clocks), 1) if clocks else None


def resident_mib() -> dict[str, float]:
    """Memory of this process: `peak_mib` so far and, on Linux, `resident_mib` now."""
    status = dict(line.split(":", 1) for line in _read(PROC / "self/status").splitlines())
    names = {"resident_mib": "VmRSS", "peak_mib": "VmHWM"}
    found = {key: int(status[name].split()[0]) / 1024 for key, name in names.items() if status}
    if not found:
        unit = 1 if sys.platform == "darwin" else 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        found = {"peak_mib": peak / 2**20}
    return {name: round(value, 1) for name, value in found.items()}


def describe() -> dict[str, Any]:
    """What JAX computes on here, as a description of `predictors.devices`; unknowns left out."""
    platform = jax.default_backend()
    if platform == "cpu":
        return _describe_cpu()
    device = jax.devices()[0]
    found: dict[str, Any] = {"kind": "gpu" if platform in ("gpu", "cuda", "rocm") else "asic"}
    found["title"] = device.device_kind
    if cores := getattr(device, "core_count", None):
        found["cores"] = cores
    numbers = nvidia_smi("memory.total,clocks.max.sm")
    if len(numbers) == 2:
        found["memory_gib"], found["clock_ghz"] = round(numbers[0] / 1024, 1), numbers[1] / 1e3
    return found


def named(
    directory: pathlib.Path, found: dict[str, Any], given: str | None
) -> tuple[str, dict[str, Any]]:
    """The device's name and description.

    Args:
      directory: of the measurements; its last part is the name, unless `given` has one.
      found: by `describe`.
      given: a file {"devices": {name: description}} of one device, whose values win; None: none.

    Raises:
      UserError: the file cannot be read, a value is not allowed, it describes several devices.
    """
    found = {"sources": ["the operating system"], **found}
    if given is None:
        return directory.resolve().name, found
    known = descriptions.read(pathlib.Path(given))["devices"]
    if len(known) != 1:
        raise UserError(f"--device_description={given} has {len(known)} devices; it must have one")
    ((name, description),) = known.items()
    return name, {**found, **description}


def nvidia_smi(query: str) -> list[float]:
    """Numbers that nvidia-smi tells of the first visible GPU; [] where it tells none."""
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"
    command = ["nvidia-smi", f"--id={gpu}", f"--query-gpu={query}"]
    try:
        text = subprocess.run(
            [*command, "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout
        return [float(word) for word in text.split(",")]
    except (OSError, ValueError, subprocess.SubprocessError):  # not there, or "[N/A]"
        return []


def _describe_cpu() -> dict[str, Any]:
    pairs = zip(_of_cpuinfo("physical id"), _of_cpuinfo("core id"), strict=False)
    found: dict[str, Any] = {"kind": "cpu", "cores": len(set(pairs)) or os.cpu_count()}
    if models := _of_cpuinfo("model name"):
        found["title"] = models[0]
    # What /proc/cpuinfo shows is the clock of this moment, or that of no load.
    fastest = [_read(p) for p in SYS.glob("devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq")]
    if clocks := [int(text) for text in fastest if text]:
        found["clock_ghz"] = round(max(clocks) / 1e6, 3)
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        found["memory_gib"] = round(pages / 2**30, 1)
    return found


def _of_cpuinfo(name: str) -> list[str]:
    """A field of /proc/cpuinfo, a value a processor."""
    pattern = rf"^{name}\s*:\s*(.+)$"
    return re.findall(pattern, _read(PROC / "cpuinfo"), re.MULTILINE)


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
