"""C++ kernels for candidates on a CPU: convolutions and pools that XLA programs call (jax.ffi).

XLA copies all windows before it multiplies them, and compiles for 25 ms per kernel. These kernels
read windows in place and are compiled once per machine, by its C++ compiler ($CXX, c++, g++ or
clang++). Without a compiler, with NASJAX_NATIVE=0 and on other devices, convolution.py and
pooling.py compute the same with XLA's operations.

The order of every sum depends on the sizes of one image alone, so threads and lanes change no bit.
"""

import ctypes
import functools
import importlib.metadata
import logging
import os
import pathlib
import platform
import shutil
import stat
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.files import digest

SOURCES = pathlib.Path(__file__).parent
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fno-math-errno", "-shared", "-fPIC")
KERNELS = (
    "convolution_forward",
    "convolution_input_gradient",
    "convolution_weight_gradient",
    "max_pool_forward",
    "max_pool_gradient",
)
CUSTOM_CALLS = tuple(f"nasjax_{name}" for name in KERNELS)  # by these names programs call them
WITHOUT = "convolutions run slower, without kernels compiled for this machine"
WIDTH = 8  # filters and channels must be multiples of it
_LOADING = threading.Lock()


def compiler() -> str | None:
    """The C++ compiler: $CXX, or the first of the usual names."""
    names = (os.environ.get("CXX", ""), "c++", "g++", "clang++")
    return next((path for name in names if name and (path := shutil.which(name))), None)


def load() -> bool:
    """Whether programs may call the kernels. The first call compiles them if necessary.

    It must come before a program that calls them is compiled or read from a cache.
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
    for name, target in zip(KERNELS, CUSTOM_CALLS, strict=True):
        capsule = jax.ffi.pycapsule(getattr(library, name))
        jax.ffi.register_ffi_target(target, capsule, platform="cpu")
    return True


def build() -> pathlib.Path:
    """The path of the library for these sources, this machine and this jaxlib; compiles it once.

    Raises:
      RuntimeError: there is no C++ compiler, or it fails.
      OSError: no folder for the library can be written to.
    """
    found = compiler()
    if found is None:
        raise RuntimeError("no C++ compiler found (install g++ or clang++, or set CXX)")
    name = f"{_digest(found)}.so"
    # The folder of a system-wide installation cannot be written to.
    places = (SOURCES / "build", pathlib.Path("~/.cache/nasjax/native").expanduser())
    built = next((place / name for place in places if _is_trusted(place / name)), None)
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
    """Copies the library, whole, into the first folder that can be written to, and by us alone."""
    content = library.read_bytes()
    reason = OSError(f"others may write to {' and '.join(map(str, places))}")
    for place in places:
        kept = place / library.name
        try:
            place.mkdir(parents=True, exist_ok=True)
            if not _is_ours(place):
                continue
            for path, written in ((kept, content), (_seal(kept), digest(content).encode())):
                partial = place / f".{path.name}.{os.getpid()}"  # several processes may write it
                partial.write_bytes(written)
                os.replace(partial, path)
            return kept
        except OSError as error:
            reason = error
    raise reason


def _seal(library: pathlib.Path) -> pathlib.Path:
    """The file with the digest of a library."""
    return library.with_suffix(".sha256")


def _is_trusted(library: pathlib.Path) -> bool:
    """Whether a library is there, as it was built, and nobody else can have changed it."""
    try:
        is_ours = _is_ours(library) and _is_ours(library.parent)
        return is_ours and digest(library.read_bytes()) == _seal(library).read_text()
    except (OSError, ValueError):
        return False


def _is_ours(path: pathlib.Path) -> bool:
    """Whether nobody but this user, and root, may write to a file or a folder."""
    found = path.stat()
    return found.st_uid in (0, os.getuid()) and not found.st_mode & stat.S_IWOTH


def _digest(path: str) -> str:
    """The digest of everything that the library's bytes depend on."""
    parts = [path, *FLAGS, importlib.metadata.version("jaxlib"), _processor()]
    parts += [file.read_text() for file in sorted(SOURCES.glob("*.[ch]*"))]
    return digest("\n".join(parts).encode())[:16]


def _processor() -> str:
    """The properties that -march=native depends on."""
    info = pathlib.Path("/proc/cpuinfo")
    if not info.exists():
        return f"{platform.machine()} {platform.processor()}"
    first = info.read_text().split("\n\n")[0].splitlines()
    kept = ("model name", "flags", "Features", "CPU part", "CPU implementer")
    return "\n".join(line for line in first if line.startswith(kept))


def fits(channels: int, filters: int, constant: bool, *arrays: jax.Array) -> bool:
    """Whether the kernels can compute a convolution; constant: without the images' gradient."""
    widths = filters % WIDTH == 0 and (constant or channels % WIDTH == 0)
    return widths and all(array.dtype == jnp.float32 for array in arrays) and load()


def convolution(x: jax.Array, w: jax.Array, b: jax.Array, kernel: int, stride: int) -> jax.Array:
    """x [N, H, W, C] convolved with w [kernel^2 * C, F], plus b [F]: [N, rows, columns, F]."""
    sides = ((side - kernel) // stride + 1 for side in x.shape[1:3])
    shape = (x.shape[0], *sides, w.shape[1])
    (y,) = _call("convolution_forward", [shape], x, w, b, kernel=kernel, stride=stride)
    return y


def convolution_input_gradient(
    w: jax.Array, dy: jax.Array, shape: tuple[int, ...], kernel: int, stride: int
) -> jax.Array:
    """The gradient of the images, of the given shape, from the outputs' gradient dy."""
    (dx,) = _call("convolution_input_gradient", [shape], w, dy, kernel=kernel, stride=stride)
    return dx


def convolution_weight_gradient(
    x: jax.Array, dy: jax.Array, kernel: int, stride: int
) -> tuple[jax.Array, jax.Array]:
    """The gradients of weights and biases from the outputs' gradient dy."""
    shapes = [(kernel**2 * x.shape[3], dy.shape[3]), (dy.shape[3],)]
    dw, db = _call("convolution_weight_gradient", shapes, x, dy, kernel=kernel, stride=stride)
    return dw, db


def max_pool(x: jax.Array, kernel: int, stride: int, padding: int) -> tuple[jax.Array, jax.Array]:
    """The pooled x [N, H, W, C], [N, rows, columns, C], and the chosen elements of each image."""
    sides = ((side + 2 * padding - kernel) // stride + 1 for side in x.shape[1:3])
    shape = (x.shape[0], *sides, x.shape[3])
    sizes = {"kernel": kernel, "stride": stride, "padding": padding}
    y, chosen = _call("max_pool_forward", [shape, shape], x, dtypes=("float32", "int32"), **sizes)
    return y, chosen


def max_pool_gradient(dy: jax.Array, chosen: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """The gradient of the images, of the given shape, from the outputs' gradient dy."""
    (dx,) = _call("max_pool_gradient", [shape], chosen, dy)
    return dx


def _call(
    name: str,
    shapes: Sequence[tuple[int, ...]],
    *operands: jax.Array,
    dtypes: tuple[str, ...] = ("float32", "float32"),
    **sizes: int,
) -> Any:
    """The results of a kernel. `vmap` adds a lanes axis to its operands, of size 1 if shared."""
    results = [
        jax.ShapeDtypeStruct(shape, jnp.dtype(dtype))
        for shape, dtype in zip(shapes, dtypes, strict=False)
    ]
    function = jax.ffi.ffi_call(f"nasjax_{name}", results, vmap_method="expand_dims")
    return function(*operands, **{key: np.int64(size) for key, size in sizes.items()})
