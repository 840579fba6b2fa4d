"""`learned.npz`: the parameters that a controller learned, for another search to start from."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from nasjax import files
from nasjax.config import check
from nasjax.errors import UserError

LEARNED = "learned.npz"


def save(workdir: pathlib.Path, params: Mapping[str, Any]) -> pathlib.Path | None:
    """Writes a controller's parameters, trees of arrays by name; None if there are none."""
    flat = traverse_util.flatten_dict(jax.device_get(dict(params)), sep="/")
    if not flat:
        return None
    return files.write_npz(workdir / LEARNED, flat)


def load(paths: Sequence[str]) -> dict[str, Any]:
    """Reads M files written by `save` into trees by name, leaves [M, ...].

    Raises:
      UserError: a file is missing or damaged, or two differ in names or shapes.
    """
    read = [_load(pathlib.Path(path)) for path in paths]
    shapes = [{name: leaf.shape for name, leaf in flat.items()} for flat in read]
    for path, shape in zip(paths, shapes, strict=True):
        allowed = f"of nets of the same shapes as {paths[0]!r}"
        check(shape == shapes[0], "controller.initial", path, allowed)
    stacked = {name: np.stack([flat[name] for flat in read]) for name in read[0]}
    return traverse_util.unflatten_dict(stacked, sep="/")


def fingerprint(path: str) -> str:
    """The SHA-256 of a file that `load` reads."""
    try:
        return files.digest(pathlib.Path(path).read_bytes())
    except OSError as error:
        raise _refusal(pathlib.Path(path), error) from None


def _load(path: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        return files.read_npz(path)
    except (OSError, ValueError) as error:
        raise _refusal(path, error) from None


def _refusal(path: pathlib.Path, error: Exception) -> UserError:
    why = error.strerror if isinstance(error, OSError) else "it is damaged"
    allowed = f"a file {LEARNED} of a search"
    return UserError(f"config.controller.initial={str(path)!r}: {why}; it must be {allowed}")
