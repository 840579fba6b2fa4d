"""Compiles programs and times them in rounds, each kept as a file that is whole or not there.

Every round visits all programs in turn, so that a falling clock or other work on the machine meets
all of them alike. The median over the rounds leaves out visits that were disturbed.
"""

import collections
import gc
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax import files
from nasjax.profiling import machine
from nasjax.profiling.config import ProfileConfig
from nasjax.profiling.energy import Meter
from nasjax.profiling.programs import LATENCY, Program
from nasjax.streams import stream

PROGRAMS, ROUNDS = "programs.json", "rounds"
VISIT_SECONDS, MIN_CALLS = 0.01, 3  # a visit takes at least this long and this many calls
WARM_UP_SECONDS = 0.02
ENERGY_ROUNDS = 3  # only the first rounds measure energy: a meter takes up to a second a visit


class CompiledProgram(NamedTuple):
    """A program that is compiled and warmed up.

    `stats` has `compile_seconds`; `arguments_mib` (weights and images), `outputs_mib` and
    `temporary_mib` as XLA plans them; `resident_growth_mib`, by which the process grew.
    """

    program: Program
    call: Callable[[], None] | None  # runs it and waits for the end; None: it exceeds the memory
    calls: int  # timed in a visit
    stats: dict[str, float]


class SharedArrays:
    """Weights and images on the device, shared by all programs.

    Values repeat and do not matter, but they are scaled like initial weights, so that activations
    stay finite. The n-th array of a shape is the same one in all programs: hundreds of networks
    need the memory of one.
    """

    def __init__(self, config: ProfileConfig):
        key = stream(jax.random.key(config.seed), "profile/values")
        self._values = np.asarray(jax.random.normal(key, (4099,)))  # prime: filters differ
        self._arrays: dict[tuple[tuple[int, ...], int], jax.Array] = {}
        self._dtype = config.precision

    def make(self, shapes: Sequence[tuple[int, ...]]) -> list[jax.Array]:
        """Arrays of these shapes."""
        seen: collections.Counter[tuple[int, ...]] = collections.Counter()
        made = []
        for shape in shapes:
            key = shape, seen[shape]
            seen[shape] += 1
            if key not in self._arrays:
                values = np.resize(self._values, shape) * max(1, math.prod(shape[:-1])) ** -0.5
                self._arrays[key] = jnp.asarray(values, self._dtype)
            made.append(self._arrays[key])
        return made


def compile_program(program: Program, batch: int, arrays: SharedArrays) -> CompiledProgram:
    """Compiles a program for `batch` images ahead of time, and warms it up."""
    stats: dict[str, float] = {}
    resident_mib = machine.memory_mib()["resident_mib"]
    try:
        forward = program.forward
        params = arrays.make(forward.param_shapes())
        (images,) = arrays.make([(batch, *forward.input_shape)])
        before = time.perf_counter()
        compiled = jax.jit(forward.apply).lower(params, images).compile()
        stats["compile_seconds"] = round(time.perf_counter() - before, 3)
        stats |= _planned_memory(compiled)

        def call() -> None:
            compiled(params, images).block_until_ready()

        seconds = _time_calls(call, MIN_CALLS, WARM_UP_SECONDS)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return CompiledProgram(program, None, 0, stats)
    stats["resident_growth_mib"] = round(machine.memory_mib()["resident_mib"] - resident_mib, 1)
    calls = max(MIN_CALLS, math.ceil(VISIT_SECONDS / seconds))
    return CompiledProgram(program, call, calls, stats)


def _planned_memory(compiled: jax.stages.Compiled) -> dict[str, float]:
    memory = compiled.memory_analysis()
    if memory is None:  # some platforms do not tell
        return {}
    return {
        f"{name}_mib": round(getattr(memory, f"{field}_size_in_bytes") / 2**20, 4)
        for name, field in (("arguments", "argument"), ("outputs", "output"), ("temporary", "temp"))
    }


def write_stats(directory: pathlib.Path, compiled: Sequence[CompiledProgram]) -> None:
    """Keeps the programs' `stats` by name, in programs.json."""
    files.write_json(directory / PROGRAMS, {one.program.name: one.stats for one in compiled})


def run(
    directory: pathlib.Path,
    number: int,
    compiled: Sequence[CompiledProgram],
    processors: tuple[int, ...],
    meter: Meter | None,
    on_visit: Callable[[], None],
) -> None:
    """Visits all programs once and writes the round's file, rounds/NUMBER.json.

    The file has `latency` {target: {name: [calls, ms of the median call]}}, infinite for programs
    that do not fit; `energy` {name: mJ a call} of networks; `started`, `seconds`, `processors`;
    `clock_mhz` before and after; `memory` of the process.
    """
    began, clock_before = time.perf_counter(), machine.clock_mhz(processors)
    latency: dict[str, dict[str, tuple[int, float]]] = {}
    energy: dict[str, float] = {}
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    gc.disable()  # a collection takes longer than a visit
    try:
        for one in compiled:
            program = one.program
            milliseconds = 1e3 * _time_calls(one.call, one.calls) if one.call else math.inf
            latency.setdefault(program.target, {})[program.name] = (one.calls, milliseconds)
            if meter and one.call and program.target == LATENCY and number < ENERGY_ROUNDS:
                millijoules = meter(one.call)
                if millijoules is not None:
                    energy[program.name] = millijoules
            on_visit()
    finally:
        gc.enable()
    measured = {
        "started": started,
        "seconds": round(time.perf_counter() - began, 3),
        "processors": processors,
        "clock_mhz": [clock_before, machine.clock_mhz(processors)],
        "memory": machine.memory_mib(),
        "latency": latency,
        "energy": energy,
    }
    files.write_json(_path(directory, number), measured)


def _time_calls(call: Callable[[], None], min_calls: int, min_seconds: float = 0.0) -> float:
    """Seconds of the median call, after one that brings the program's memory into the caches."""
    call()
    ends = [time.perf_counter()]
    while len(ends) <= min_calls or ends[-1] < ends[0] + min_seconds:
        call()
        ends.append(time.perf_counter())
    return float(np.median(np.diff(ends)))


def missing(directory: pathlib.Path, repeats: int) -> list[int]:
    """Numbers below `repeats` of the rounds that have no file yet."""
    return [number for number in range(repeats) if not _path(directory, number).exists()]


def _path(directory: pathlib.Path, number: int) -> pathlib.Path:
    return directory / ROUNDS / f"{number:04d}.json"


def read(directory: pathlib.Path) -> list[dict[str, Any]]:
    """All rounds of the directory, see `run`; a UserError names a damaged file."""
    return [files.read_json(path) for path in sorted((directory / ROUNDS).glob("*.json"))]


def read_stats(directory: pathlib.Path) -> dict[str, dict[str, float]]:
    """The programs' `stats` by name."""
    return files.read_json(directory / PROGRAMS)
