"""Keeps programs on disk, so that no process compiles or traces what an earlier process did.

JAX keeps compiled programs under their StableHLO. `lower` keeps the StableHLO itself under a key
from the caller: for a small candidate, tracing takes longer than loading its program.
"""

import functools
import hashlib
import importlib.metadata
import os
import pathlib
import tempfile
import warnings
from collections.abc import Callable, Hashable, Sequence

import jax
from jax import export

from nasjax.files import digest

_DIGEST = hashlib.sha256().digest_size


def use(directory: pathlib.Path) -> None:
    """Keeps every program compiled from now on in a directory, however small or fast to compile."""
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def quick_options() -> dict[str, str | bool]:
    """Compiler options for programs of small arrays: on a CPU, LLVM's first level.

    See docs/decisions/studies.md for what that gives and what was compared.
    """
    is_off = jax.config.values["jax_disable_most_optimizations"]
    applies = jax.default_backend() == "cpu" and not is_off
    return {"xla_backend_optimization_level": "1"} if applies else {}


def lower(
    function: Callable[..., tuple[jax.Array, ...]],
    arguments: Sequence[jax.Array],
    key: Hashable,
    custom_calls: Sequence[str] = (),
) -> jax.stages.Lowered:
    """`jax.jit(function).lower(*arguments)`, traced only if no earlier process did.

    Args:
      function: a pure function of arrays.
      arguments: its arguments; their shapes and types are part of the key already.
      key: everything else that the function depends on, told apart by its `repr`. The sources of
        nasjax, the versions of JAX and Optax and the platform are included already.
      custom_calls: registered targets of `jax.ffi` that the function may call.
    """
    directory = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if directory is None:
        return jax.jit(function).lower(*arguments)
    shapes = [(leaf.shape, str(leaf.dtype)) for leaf in arguments]
    name = digest(repr((_surroundings(), shapes, key)).encode())
    path = pathlib.Path(directory) / "lowered" / name
    exported = _read(path)
    if exported is None:
        allowed = [export.DisabledSafetyCheck.custom_call(name) for name in custom_calls]
        exported = export.export(jax.jit(function), disabled_checks=allowed)(*arguments)
        _write(path, exported.serialize())
    return jax.jit(exported.call).lower(*arguments)


@functools.cache
def _surroundings() -> tuple[str, ...]:
    """The dependencies of every function: sources, versions, platform."""
    paths = sorted(pathlib.Path(__file__).parent.rglob("*.py"))
    sources = digest(*(path.read_bytes() for path in paths))
    versions = [importlib.metadata.version(name) for name in ("jax", "jaxlib", "optax")]
    return (sources, *versions, jax.default_backend())


def _read(path: pathlib.Path) -> export.Exported | None:
    """The program that `_write` kept; None if it is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    expected, serialized = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(serialized).digest() != expected:
        return None
    return export.deserialize(bytearray(serialized))


def _write(path: pathlib.Path, serialized: bytearray) -> None:
    """Writes a program whole or not at all. Failure costs the next process time, nothing more.

    Several processes may write the same program, so the partial file has a name of its own.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(serialized).digest() + serialized)
        os.replace(file.name, path)
    except OSError as error:
        warnings.warn(f"cannot keep a program in {path.parent}: {error}", stacklevel=2)
