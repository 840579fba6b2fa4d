"""Keeps a study's queries in shards, a file for each arm and range of seeds.

DIRECTORY/parts/ARM/FIRST-END.npz, each written whole or not at all. The union of the files is the
study: files of several machines may be copied into one directory. Seeds that occur twice must be
alike.
"""

import pathlib
from typing import NamedTuple

import numpy as np

from nasjax import files
from nasjax.errors import UserError
from nasjax.studies.simulate import Found


class Shard(NamedTuple):
    """One file: the seeds [N] and their queries."""

    seeds: np.ndarray
    found: Found


def write(directory: pathlib.Path, arm: str, shard: Shard) -> pathlib.Path:
    """Keeps a shard; returns its file."""
    name = f"{shard.seeds[0]:05d}-{shard.seeds[-1] + 1:05d}.npz"
    arrays = {"seeds": shard.seeds, **shard.found._asdict()}
    return files.write_npz(directory / "parts" / arm / name, arrays)


def read(directory: pathlib.Path, arm: str) -> Shard | None:
    """The union of an arm's shards, ordered by seed, seconds summed up; None if there is none.

    Raises:
      UserError: a file is damaged, or two disagree about a seed.
    """
    folder = directory / "parts" / arm
    shards = [_read(path) for path in sorted(folder.glob("[!.]*.npz"))]
    if not shards:
        return None
    seeds = np.concatenate([shard.seeds for shard in shards])
    unique, first, inverse = np.unique(seeds, return_index=True, return_inverse=True)

    def join(name: str) -> np.ndarray:
        column = np.concatenate([getattr(shard.found, name) for shard in shards])
        if not np.array_equal(column, column[first][inverse]):
            raise UserError(f"{folder}: two files disagree about a seed")
        return column[first]

    found = Found(
        queries=join("queries"),
        updates=join("updates"),
        final=join("final"),
        compile_seconds=sum(shard.found.compile_seconds for shard in shards),
        run_seconds=sum(shard.found.run_seconds for shard in shards),
    )
    return Shard(unique, found)


def _read(path: pathlib.Path) -> Shard:
    try:
        kept = files.read_npz(path)
        seeds = kept.pop("seeds")
        seconds = {name: float(kept[name]) for name in ("compile_seconds", "run_seconds")}
        return Shard(seeds, Found(**(kept | seconds)))  # type: ignore[arg-type]
    except (OSError, ValueError, KeyError, TypeError) as error:
        remedy = "remove it, the study makes it anew"
        raise UserError(f"{path} is damaged ({error}); {remedy}") from None
