"""Compiles what is measured and visits it in rounds; a round is a file, there whole or not at all.

All are visited in turn in every round, so that a clock that falls or other work that begins meets
all alike; what disturbs some visits, the median over the rounds leaves out.
"""

import collections
import gc
import json
import math
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.errors import UserError
from nasjax.profiling import machine
from nasjax.profiling.config import ProfileConfig
from nasjax.profiling.energy import Meter
from nasjax.profiling.programs import LATENCY, Program
from nasjax.runs.workdir import write_json
from nasjax.streams import stream

PROGRAMS, ROUNDS = "programs.json", "rounds"
VISIT_SECONDS, FEWEST_CALLS = 0.01, 3  # of a visit, at least
WARM_SECONDS = 0.02
ENERGY_ROUNDS = 3  # the first ones: a visit with a meter takes up to a second


class Running(NamedTuple):
    """A compiled program, warm.

    Attributes:
      program: what it computes.
      call: runs it once, to the end; None: it does not fit into this device's memory.
      calls: of a visit.
      facts: compile_seconds; MiB of memory as XLA plans it: arguments (weights and images),
        outputs, temporary; what the process grew by, code, weights and all.
    """

    program: Program
    call: Callable[[], None] | None
    calls: int
    facts: dict[str, float]


class Arrays:
    """Weights and images on the device, for all programs.

    Values repeat and do not matter, only that activations stay finite: they scale as weights do.
    The first array of a shape is the same for all programs, as is the second one and so on, so
    that hundreds of networks need the memory of one.
    """

    def __init__(self, config: ProfileConfig):
        key = stream(jax.random.key(config.seed), "profile/values")
        self._values = np.asarray(jax.random.normal(key, (4099,)))  # prime: filters differ
        self._kept: dict[tuple[tuple[int, ...], int], jax.Array] = {}
        self._dtype = config.precision

    def of(self, shapes: Any) -> Any:
        """Arrays of these shapes (tuples, in lists and dicts)."""
        seen: collections.Counter[tuple[int, ...]] = collections.Counter()

        def one(shape: tuple[int, ...]) -> jax.Array:
            seen[shape] += 1
            place = (shape, seen[shape])
            if place not in self._kept:
                scale = max(1, math.prod(shape[:-1])) ** -0.5
                self._kept[place] = jnp.asarray(np.resize(self._values, shape) * scale, self._dtype)
            return self._kept[place]

        return jax.tree.map(one, shapes, is_leaf=lambda leaf: isinstance(leaf, tuple))


def start(program: Program, batch: int, arrays: Arrays) -> Running:
    """Compiles a program ahead of time and warms it up."""
    facts: dict[str, float] = {}
    resident = machine.resident_mib().get("resident_mib", 0.0)
    try:
        function, params, inputs = program.computed
        params, images = arrays.of(params), arrays.of((batch, *inputs))
        before = time.perf_counter()
        compiled = jax.jit(function).lower(params, images).compile()
        facts["compile_seconds"] = round(time.perf_counter() - before, 3)
        facts |= _memory(compiled)

        def call() -> None:
            compiled(params, images).block_until_ready()

        call()  # the first one also waits for its arrays and touches its memory
        ends = [time.perf_counter()]
        while len(ends) <= FEWEST_CALLS or ends[-1] < ends[0] + WARM_SECONDS:
            call()
            ends.append(time.perf_counter())
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return Running(program, None, 0, facts)
    if now := machine.resident_mib().get("resident_mib"):
        facts["resident_growth_mib"] = round(now - resident, 1)
    calls = max(FEWEST_CALLS, math.ceil(VISIT_SECONDS / float(np.median(np.diff(ends)))))
    return Running(program, call, calls, facts)


def _memory(compiled: jax.stages.Compiled) -> dict[str, float]:
    memory = compiled.memory_analysis()
    if memory is None:  # not every platform tells
        return {}
    return {
        f"{name}_mib": round(getattr(memory, f"{part}_size_in_bytes") / 2**20, 4)
        for name, part in (("arguments", "argument"), ("outputs", "output"), ("temporary", "temp"))
    }


def write_facts(directory: pathlib.Path, running: Sequence[Running]) -> None:
    """Keeps what compiling told."""
    write_json(directory / PROGRAMS, {one.program.name: one.facts for one in running})


def make(
    directory: pathlib.Path,
    number: int,
    running: Sequence[Running],
    processors: tuple[int, ...],
    meter: Meter | None,
    on_visit: Callable[[], None],
) -> None:
    """Visits all once and writes the round.

    The file: `latency` {target: {name: [calls, ms of the median one]}}, infinite where it does not
    fit; `energy` {name: mJ a call}; when and on which processors it was made, their clock before
    and after it, the process's memory.
    """
    began, before = time.perf_counter(), machine.clock_mhz(processors)
    latency: dict[str, dict[str, tuple[int, float]]] = {}
    energy: dict[str, float] = {}
    started = time.strftime("%Y-%m-%d %H:%M:%S")
    gc.disable()  # a collection takes longer than a visit
    try:
        for one in running:
            program = one.program
            latency.setdefault(program.target, {})[program.name] = (one.calls, _visit(one))
            if meter and one.call and program.target == LATENCY and number < ENERGY_ROUNDS:
                millijoules = meter(one.call)
                if millijoules is not None:
                    energy[program.name] = millijoules
            on_visit()
    finally:
        gc.enable()
    page = {
        "started": started,
        "seconds": round(time.perf_counter() - began, 3),
        "processors": processors,
        "clock_mhz": [before, machine.clock_mhz(processors)],
        "memory": machine.resident_mib(),
        "latency": latency,
        "energy": energy,
    }
    (directory / ROUNDS).mkdir(exist_ok=True)
    write_json(_path(directory, number), page)


def _visit(one: Running) -> float:
    """Milliseconds of the median call, after one that brings the program back into the caches."""
    if one.call is None:
        return math.inf
    one.call()
    ends = [time.perf_counter()]
    for _ in range(one.calls):
        one.call()
        ends.append(time.perf_counter())
    return float(np.median(np.diff(ends))) * 1e3


def missing(directory: pathlib.Path, repeats: int) -> list[int]:
    """Numbers of the rounds that are not there."""
    return [number for number in range(repeats) if not _path(directory, number).exists()]


def _path(directory: pathlib.Path, number: int) -> pathlib.Path:
    return directory / ROUNDS / f"{number:04d}.json"


def read(directory: pathlib.Path) -> list[dict[str, Any]]:
    """The rounds that are there.

    Raises:
      UserError: a file is damaged.
    """
    return [_read(path) for path in sorted((directory / ROUNDS).glob("*.json"))]


def read_facts(directory: pathlib.Path) -> dict[str, dict[str, float]]:
    """What compiling told, by name."""
    return _read(directory / PROGRAMS)


def _read(path: pathlib.Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is damaged; remove it, and it is made again") from error
