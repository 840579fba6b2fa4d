"""Programs on disk, so that no start compiles or even traces what an earlier one did.

JAX keeps compiled programs by their StableHLO. `lower` keeps the StableHLO itself by what the
caller says it depends on: for a small candidate, tracing takes longer than loading its program.
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

_DIGEST = hashlib.sha256().digest_size


def use(directory: pathlib.Path) -> None:
    """Keeps every program compiled from here on, however small or quickly compiled."""
    jax.config.update("jax_compilation_cache_dir", str(directory))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def lower(
    function: Callable[..., tuple[jax.Array, ...]],
    arguments: Sequence[jax.Array],
    key: Hashable,
    custom_calls: Sequence[str] = (),
) -> jax.stages.Lowered:
    """`jax.jit(function).lower(*arguments)`, traced only if no start before has.

    Args:
      function: pure, of arrays.
      arguments: whose shapes and types are part of the key already.
      key: all else that the function depends on, with a `repr` that tells it, but for the sources
        of nasjax, the versions of JAX and Optax and the platform.
      custom_calls: targets of `jax.ffi` that it may call, registered.
    """
    directory = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if directory is None:
        return jax.jit(function).lower(*arguments)
    shapes = [(leaf.shape, str(leaf.dtype)) for leaf in arguments]
    name = hashlib.sha256(repr((_surroundings(), shapes, key)).encode()).hexdigest()
    path = pathlib.Path(directory) / "lowered" / name
    exported = _read(path)
    if exported is None:
        allowed = [export.DisabledSafetyCheck.custom_call(name) for name in custom_calls]
        exported = export.export(jax.jit(function), disabled_checks=allowed)(*arguments)
        _write(path, exported.serialize())
    return jax.jit(exported.call).lower(*arguments)


@functools.cache
def _surroundings() -> tuple[str, ...]:
    """What every function depends on."""
    sources = hashlib.sha256()
    for path in sorted(pathlib.Path(__file__).parent.rglob("*.py")):
        sources.update(path.read_bytes())
    versions = [importlib.metadata.version(name) for name in ("jax", "jaxlib", "optax")]
    return (sources.hexdigest(), *versions, jax.default_backend())


def _read(path: pathlib.Path) -> export.Exported | None:
    """What `_write` kept; None if there is none or it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, serialized = content[:_DIGEST], content[_DIGEST:]
    if hashlib.sha256(serialized).digest() != digest:
        return None
    return export.deserialize(bytearray(serialized))


def _write(path: pathlib.Path, serialized: bytearray) -> None:
    """Puts it there whole or not at all; without it the next start takes longer, no more."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(serialized).digest() + serialized)
        os.replace(file.name, path)
    except OSError as error:
        warnings.warn(f"cannot keep a program in {path.parent}: {error}", stacklevel=2)
