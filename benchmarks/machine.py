"""The limits of this machine (matrix products, memory traffic), and the memory of a process."""

import concurrent.futures
import functools
import os
import pathlib
import resource
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

COPIED_VALUES = 35_000_000  # float32: 140 MB, several times the caches
PASSES = 5
ADAM_BYTES = 28  # a parameter: it, its gradient, both moments read; all but the gradient written


class Machine(NamedTuple):
    """The two limits that a training step is held against.

    Attributes:
      gemm_gflops: of a large float32 matrix product.
      gbytes_per_second: read and written by a loop that updates a large array in place.
    """

    gemm_gflops: float
    gbytes_per_second: float

    def adam_ms(self, params: int) -> float:
        """No step over so many parameters is faster: Adam's traffic alone, nothing of it cached."""
        return ADAM_BYTES * params / self.gbytes_per_second / 1e6


def measure() -> Machine:
    """This machine's limits; a few seconds."""
    return Machine(gemm_gflops(), gbytes_per_second())


def gemm_gflops() -> float:
    """XLA's product of two square float32 matrices, the best of ten of each size."""
    return max(_gemm_gflops(size) for size in (500, 1000, 2000))


def _gemm_gflops(size: int) -> float:
    x = jnp.ones((size, size))
    product = jax.jit(jnp.matmul)
    timings = [seconds(lambda: jax.block_until_ready(product(x, x))) for _ in range(11)]
    return 2 * size**3 / min(timings[1:]) / 1e9


def gbytes_per_second(values: int = COPIED_VALUES) -> float:
    """x <- 0.999 x over a large array, in place, alone or one array a core, the best of six."""
    cores = os.cpu_count() or 1

    @functools.partial(jax.jit, donate_argnums=0)
    def passes(x: jax.Array) -> jax.Array:
        return jax.lax.fori_loop(0, PASSES, lambda _, x: x * jnp.float32(0.999), x)

    best = 0.0
    for copies in sorted({1, cores}):
        arrays = [passes(jnp.ones(values // copies)) for _ in range(copies)]
        jax.block_until_ready(arrays)
        for _ in range(3):
            tasks = [functools.partial(passes, x) for x in arrays]
            start = time.perf_counter()
            arrays = at_once(tasks)
            moved = 2 * PASSES * sum(x.nbytes for x in arrays)
            best = max(best, moved / (time.perf_counter() - start) / 1e9)
    return best


def at_once(tasks: Sequence[Callable[[], Any]]) -> list[Any]:
    """The tasks' results, ready; each runs in a thread of its own."""
    with concurrent.futures.ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(lambda task: jax.block_until_ready(task()), tasks))


def seconds(function: Callable[[], Any]) -> float:
    """The wall-clock seconds that a call takes."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def peak_bytes() -> int:
    """The most memory that this process has held so far.

    On Linux `getrusage` would also remember the process that started this one.
    """
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
