"""A study's results on disk: one file per cell and range of seeds; their union is the study.

DIRECTORY/parts/CELL/FIRST-END.npz, each written whole or not at all. Files of several machines may
be copied into one directory; seeds that occur twice must agree.
"""

import pathlib
import zipfile
from typing import NamedTuple

import numpy as np

from nasjax.errors import UserError
from nasjax.studies.compiled import Found

_FIELDS = ("seeds", *Found._fields)


class Part(NamedTuple):
    """One file: `Found` of the seeds [N]."""

    seeds: np.ndarray
    found: Found


def write(directory: pathlib.Path, cell: str, part: Part) -> pathlib.Path:
    """Keeps a part.

    Raises:
      UserError: it cannot be written.
    """
    folder = directory / "parts" / cell
    path = folder / f"{part.seeds[0]:05d}-{part.seeds[-1] + 1:05d}.npz"
    partial = path.with_name(f".{path.name}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
            np.savez_compressed(file, seeds=part.seeds, **part.found._asdict())
        partial.replace(path)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; make room, try again") from error
    return path


def read(directory: pathlib.Path, cell: str) -> Part | None:
    """The union of a cell's parts in the order of seeds, seconds summed up; None if there is none.

    Raises:
      UserError: a file is damaged, or two disagree about a seed.
    """
    parts = [_read(path) for path in sorted((directory / "parts" / cell).glob("[!.]*.npz"))]
    if not parts:
        return None
    seeds = np.concatenate([part.seeds for part in parts])
    columns = [
        np.concatenate([getattr(part.found, name) for part in parts]) for name in Found._fields[:3]
    ]
    unique, first, inverse = np.unique(seeds, return_index=True, return_inverse=True)
    for column in columns:
        if not np.array_equal(column, column[first][inverse]):
            raise UserError(f"{directory / 'parts' / cell}: two files disagree about a seed")
    queries, updates, final = (column[first] for column in columns)
    compile_seconds = sum(part.found.compile_seconds for part in parts)
    run_seconds = sum(part.found.run_seconds for part in parts)
    return Part(unique, Found(queries, updates, final, compile_seconds, run_seconds))


def _read(path: pathlib.Path) -> Part:
    try:
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            seeds, queries, updates, final, compiling, running = (file[name] for name in _FIELDS)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"{path} is damaged ({error}); remove it, the study makes it anew"
        ) from None
    return Part(seeds, Found(queries, updates, final, float(compiling), float(running)))
