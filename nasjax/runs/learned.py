"""`learned.npz`: what a controller has learned, for another search to begin with."""

import hashlib
import pathlib
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from nasjax.config import check
from nasjax.errors import UserError

LEARNED = "learned.npz"


def save(workdir: pathlib.Path, params: Mapping[str, Any]) -> pathlib.Path | None:
    """Keeps trees of arrays by name; nothing if there are none.

    Raises:
      UserError: it cannot be written.
    """
    flat = traverse_util.flatten_dict(jax.device_get(dict(params)), sep="/")
    if not flat:
        return None
    path = workdir / LEARNED
    partial = path.with_name(f".{LEARNED}")
    try:
        with partial.open("wb") as file:
            np.savez(file, allow_pickle=False, **flat)
        partial.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; make room, try again") from error
    return path


def load(paths: Sequence[str]) -> dict[str, Any]:
    """What `save` has kept in M files: trees by name, leaves [M, ...].

    Raises:
      UserError: one is not there or damaged, or they are of different nets.
    """
    read = [_load(pathlib.Path(path)) for path in paths]
    shapes = [{name: leaf.shape for name, leaf in flat.items()} for flat in read]
    for path, shape in zip(paths, shapes, strict=True):
        allowed = f"of nets of the same shapes as {paths[0]!r}"
        check(shape == shapes[0], "controller.initial", path, allowed)
    stacked = {name: np.stack([flat[name] for flat in read]) for name in read[0]}
    return traverse_util.unflatten_dict(stacked, sep="/")


def fingerprint(path: str) -> str:
    """Of a file that `load` can read; another one where it differs.

    Raises:
      UserError: it is not there.
    """
    try:
        return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()
    except OSError as error:
        raise _refusal(pathlib.Path(path), error) from None


def _load(path: pathlib.Path) -> dict[str, np.ndarray]:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _refusal(path, error) from None


def _refusal(path: pathlib.Path, error: Exception) -> UserError:
    why = error.strerror if isinstance(error, OSError) else "it is damaged"
    allowed = f"a file {LEARNED} of a search"
    return UserError(f"config.controller.initial={str(path)!r}: {why}; it must be {allowed}")
