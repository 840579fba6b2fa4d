"""Kernels in C++ for candidates on a CPU: convolutions and pools, called by XLA programs (jax.ffi).

XLA's own need the windows copied before it multiplies them, and 25 ms of compiling per kernel;
these read windows where they lie, and are compiled once per machine, with the C++ compiler found
there ($CXX, c++, g++ or clang++). Without one, or with NASJAX_NATIVE=0, and on other devices,
convolution.py and pooling.py compute the same with XLA's operations.

Every value is summed up in an order that the sizes of one image alone decide, so neither threads
nor lanes change a bit.
"""

import ctypes
import functools
import hashlib
import importlib.metadata
import logging
import os
import pathlib
import platform
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

SOURCES = pathlib.Path(__file__).parent
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC")
TARGETS = (
    "convolution_forward",
    "convolution_input_gradient",
    "convolution_weight_gradient",
    "max_pool_forward",
    "max_pool_gradient",
)
WITHOUT = "convolutions run slower, without kernels compiled for this machine"
WIDTH = 8  # what filters and channels must be multiples of
_LOADING = threading.Lock()


def compiler() -> str | None:
    """The C++ compiler: $CXX, or the first of the usual names."""
    names = (os.environ.get("CXX", ""), "c++", "g++", "clang++")
    return next((path for name in names if name and (path := shutil.which(name))), None)


def load() -> bool:
    """Whether programs may call the kernels; the first call compiles them where that was not done.

    It has to come before a program that calls them is compiled or read from a cache.
    """
    if jax.default_backend() != "cpu" or os.environ.get("NASJAX_NATIVE") == "0":
        return False
    with _LOADING:
        return _register()


@functools.cache
def _register() -> bool:
    try:
        library = ctypes.CDLL(str(build()))
    except (OSError, RuntimeError) as error:
        logging.getLogger(__name__).warning("%s: %s", WITHOUT, error)
        return False
    for name in TARGETS:
        capsule = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(_target(name), capsule, platform="cpu")
    return True


def build() -> pathlib.Path:
    """The library for these sources, this machine and this jaxlib; compiled if it is not there.

    Raises:
      RuntimeError: there is no C++ compiler, or it fails.
      OSError: there is no place to write to.
    """
    found = compiler()
    if found is None:
        raise RuntimeError("no C++ compiler found (install g++ or clang++, or set CXX)")
    name = f"{_digest(found)}.so"
    # A package that was installed for all cannot be written to.
    places = (SOURCES / "build", pathlib.Path("~/.cache/nasjax/native").expanduser())
    built = next((place / name for place in places if (place / name).exists()), None)
    if built is not None:
        return built
    with tempfile.TemporaryDirectory(prefix="nasjax") as directory:
        output = pathlib.Path(directory, name)
        source = SOURCES / "library.cc"
        headers = ("-isystem", jax.ffi.include_dir())
        command = [found, *FLAGS, *headers, str(source), "-o", str(output)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if "error" in line]
            raise RuntimeError(f"{' '.join(command)}: {(lines or ['failed'])[0]}")
        return _keep(output, places)


def _keep(library: pathlib.Path, places: Sequence[pathlib.Path]) -> pathlib.Path:
    """Puts it whole into the first place that can be written."""
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
            partial = place / f".{library.name}.{os.getpid()}"
            shutil.copyfile(library, partial)
            os.replace(partial, place / library.name)
            return place / library.name
        except OSError as error:
            reason = error
    raise reason


def _digest(path: str) -> str:
    """Names all that the library's bytes depend on."""
    parts = [path, *FLAGS, importlib.metadata.version("jaxlib"), _processor()]
    parts += [file.read_text() for file in sorted(SOURCES.glob("*.[ch]*"))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _processor() -> str:
    """What -march=native depends on."""
    info = pathlib.Path("/proc/cpuinfo")
    if not info.exists():
        return f"{platform.machine()} {platform.processor()}"
    first = info.read_text().split("\n\n")[0].splitlines()
    kept = ("model name", "flags", "Features", "CPU part", "CPU implementer")
    return "\n".join(line for line in first if line.startswith(kept))


def _target(name: str) -> str:
    return f"nasjax_{name}"


def custom_calls() -> list[str]:
    """The names under which programs call the kernels."""
    return [_target(name) for name in TARGETS]


def fits(channels: int, filters: int, constant: bool, *arrays: jax.Array) -> bool:
    """Whether a convolution can be computed here.

    Args:
      constant: nobody asks for the gradient of its images.
      arrays: its operands.
    """
    widths = filters % WIDTH == 0 and (constant or channels % WIDTH == 0)
    return widths and all(array.dtype == jnp.float32 for array in arrays) and load()


def convolution(x: jax.Array, w: jax.Array, b: jax.Array, kernel: int, stride: int) -> jax.Array:
    """x [N, H, W, C], w [kernel * kernel * C, F] and b [F] to [N, rows, columns, F]."""
    sides = ((side - kernel) // stride + 1 for side in x.shape[1:3])
    shape = (x.shape[0], *sides, w.shape[1])
    (y,) = _call("convolution_forward", [shape], x, w, b, kernel=kernel, stride=stride)
    return y


def convolution_input_gradient(
    w: jax.Array, dy: jax.Array, shape: tuple[int, ...], kernel: int, stride: int
) -> jax.Array:
    """The gradient of the images, of that shape, from the outputs' one."""
    (dx,) = _call("convolution_input_gradient", [shape], w, dy, kernel=kernel, stride=stride)
    return dx


def convolution_weight_gradient(
    x: jax.Array, dy: jax.Array, kernel: int, stride: int
) -> tuple[jax.Array, jax.Array]:
    """The gradients of weights and biases."""
    shapes = [(kernel**2 * x.shape[3], dy.shape[3]), (dy.shape[3],)]
    dw, db = _call("convolution_weight_gradient", shapes, x, dy, kernel=kernel, stride=stride)
    return dw, db


def max_pool(x: jax.Array, kernel: int, stride: int, padding: int) -> tuple[jax.Array, jax.Array]:
    """x [N, H, W, C] to [N, rows, columns, C], and the elements of its image that were chosen."""
    sides = ((side + 2 * padding - kernel) // stride + 1 for side in x.shape[1:3])
    shape = (x.shape[0], *sides, x.shape[3])
    sizes = {"kernel": kernel, "stride": stride, "padding": padding}
    y, chosen = _call("max_pool_forward", [shape, shape], x, dtypes=("float32", "int32"), **sizes)
    return y, chosen


def max_pool_gradient(dy: jax.Array, chosen: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The gradient of the images, of that shape, from the outputs' one."""
    (dx,) = _call("max_pool_gradient", [shape], chosen, dy)
    return dx


def _call(
    name: str,
    shapes: Sequence[tuple[int, ...]],
    *operands: jax.Array,
    dtypes: tuple[str, ...] = ("float32", "float32"),
    **sizes: int,
) -> Any:
    """A kernel's results; `vmap` puts lanes in front of its operands, 1 where they share one."""
    results = [
        jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))
        for shape, dtype in zip(shapes, dtypes, strict=False)
    ]
    function = jax.ffi.ffi_call(_target(name), results, vmap_method="expand_dims")
    return function(*operands, **{key: np.int64(size) for key, size in sizes.items()})
