"""This machine: its processors, clock, memory and GPU, and the processors that programs run on."""

import os
import pathlib
import re
import resource
import sys
from typing import Any

import jax
import psutil

from nasjax.devices import descriptions
from nasjax.errors import UserError

CPUINFO = pathlib.Path("/proc/cpuinfo")
CPUS = pathlib.Path("/sys/devices/system/cpu")
_NVML_CLOCK_SM = 1  # of NVML's nvmlClockType_t


def bind(threads: int) -> tuple[int, ...]:
    """Binds this process to some processors, on different cores first; returns their numbers.

    XLA starts as many threads as its process has processors when JAX starts, so call this before.

    Args:
      threads: number of processors; 0: all that the process may use, () where the system cannot
        bind processes (macOS).

    Raises:
      UserError: there are fewer processors, or the system cannot bind processes.
    """
    process = psutil.Process()
    if not hasattr(process, "cpu_affinity"):
        if threads:
            raise UserError(
                f"--threads={threads}; it must be 0: this system binds no process to processors"
            )
        return ()
    allowed = sorted(process.cpu_affinity())
    if threads > len(allowed):
        raise UserError(f"--threads={threads}; it must be 0 to {len(allowed)}, 0 for all")
    chosen = sorted(sorted(allowed, key=_position_in_core)[: threads or len(allowed)])
    process.cpu_affinity(chosen)
    return tuple(chosen)


def _position_in_core(processor: int) -> tuple[int, int]:
    """0 for the first hardware thread of a core and 1 for the others, then the number."""
    first = re.match(r"\d+", _read(CPUS / f"cpu{processor}/topology/thread_siblings_list"))
    return int(first is not None and int(first[0]) != processor), processor


def clock_mhz(processors: tuple[int, ...]) -> float | None:
    """The present clock in MHz, mean over these processors; None where it cannot be read."""
    frequencies = _frequencies()
    clocks = [frequencies[i].current for i in processors if i < len(frequencies)]
    clocks = [clock for clock in clocks if clock]
    return round(sum(clocks) / len(clocks), 1) if clocks else None


def _frequencies() -> list[Any]:
    """psutil's current, min and max in MHz for each processor, 0 for unknown ones; or []."""
    try:
        return psutil.cpu_freq(percpu=True)
    except (AttributeError, NotImplementedError, OSError):  # systems that do not tell
        return []


def memory_mib() -> dict[str, float]:
    """Memory of this process in MiB: `resident_mib` now, `peak_mib` so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    resident = psutil.Process().memory_info().rss
    return {"resident_mib": round(resident / 2**20, 1), "peak_mib": round(peak / 2**20, 1)}


def describe() -> dict[str, Any]:
    """The device that JAX computes on, see `nasjax.devices.descriptions`; unknowns are left out."""
    platform = jax.default_backend()
    if platform == "cpu":
        return _describe_cpu()
    device = jax.devices()[0]
    found: dict[str, Any] = {"kind": "gpu" if platform in ("gpu", "cuda", "rocm") else "asic"}
    found["title"] = device.device_kind
    if cores := getattr(device, "core_count", None):
        found["cores"] = cores
    if memory := nvml("nvmlDeviceGetMemoryInfo"):
        found["memory_gib"] = round(memory.total / 2**30, 1)
    if clock_mhz := nvml("nvmlDeviceGetMaxClockInfo", _NVML_CLOCK_SM):
        found["clock_ghz"] = clock_mhz / 1e3
    return found


def _describe_cpu() -> dict[str, Any]:
    found: dict[str, Any] = {
        "kind": "cpu",
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
    }
    if model := re.search(r"^model name\s*:\s*(.+)$", _read(CPUINFO), re.MULTILINE):
        found["title"] = model[1]
    if boost := max((frequency.max for frequency in _frequencies()), default=0):
        found["clock_ghz"] = round(boost / 1e3, 3)
    found["memory_gib"] = round(psutil.virtual_memory().total / 2**30, 1)
    return found


def name_and_description(
    directory: pathlib.Path, found: dict[str, Any], given: str | None
) -> tuple[str, dict[str, Any]]:
    """The device's name and its whole description.

    Args:
      directory: of the measurements; its last part is the name, unless `given` has one.
      found: the values of `describe`.
      given: path of a file {"devices": {name: description}} of one device, whose values win.
    """
    found = {"sources": ["the operating system"], **found}
    if given is None:
        return directory.resolve().name, found
    devices = descriptions.read(pathlib.Path(given))["devices"]
    if len(devices) != 1:
        raise UserError(
            f"--device_description={given} has {len(devices)} devices; it must have one"
        )
    ((name, description),) = devices.items()
    return name, {**found, **description}


def nvml(function: str, *arguments: Any) -> Any:
    """An answer of NVIDIA's management library about the first visible GPU.

    `function` of pynvml, e.g. "nvmlDeviceGetPowerUsage", is given the GPU and `arguments`. None
    where pynvml (nvidia-ml-py) is not installed, or NVML has no such value.
    """
    try:
        import pynvml
    except ImportError:
        return None
    gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"
    try:
        pynvml.nvmlInit()
        if gpu.isdigit():
            handle = pynvml.nvmlDeviceGetHandleByIndex(int(gpu))
        else:
            handle = pynvml.nvmlDeviceGetHandleByUUID(gpu)
        return getattr(pynvml, function)(handle, *arguments)
    except pynvml.NVMLError:
        return None


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
