"""`learned.npz`: what a controller has learned, for another search to begin with."""

import pathlib
import zipfile
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax import traverse_util

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


def load(path: pathlib.Path) -> dict[str, Any]:
    """What `save` has kept.

    Raises:
      UserError: it is not there or damaged.
    """
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            flat = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        why = error.strerror if isinstance(error, OSError) else "it is damaged"
        allowed = f"a file {LEARNED} of a search"
        raise UserError(
            f"config.controller.initial={str(path)!r}: {why}; it must be {allowed}"
        ) from None
    return traverse_util.unflatten_dict(flat, sep="/")
