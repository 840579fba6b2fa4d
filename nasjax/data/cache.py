"""Keeps decoded images as plain .npy files, so that a data set is decoded once per machine.

Layout: `<cache_dir>/data/<name>-<key>/{images.npy, labels.npy, about.json}`. The key is a hash of
the source files' paths, sizes and times. An entry appears by one rename, so processes that start
together never see half of it; `about.json` holds a checksum, so a damaged entry is noticed.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import uuid
import warnings
from collections.abc import Callable, Iterable

import numpy as np

from nasjax.data.pixels import Pixels
from nasjax.errors import UserError
from nasjax.files import digest

_FORMAT = 1  # raise it when the layout or the decoding changes: old entries are then ignored


def load(
    cache_dir: pathlib.Path, name: str, source_stamp: object, decode: Callable[[], Pixels]
) -> Pixels:
    """Returns the cached pixels of (name, source_stamp), or decodes and keeps them.

    A damaged entry is made again with a warning. A folder that cannot be written costs a warning,
    never the run.

    Args:
        name: shown in the folder's name; any text.
        source_stamp: JSON data that changes when the source does, see `file_stamps`.
    """
    key = digest(json.dumps([_FORMAT, name, source_stamp]).encode())
    safe_name = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]
    entry = cache_dir / "data" / f"{safe_name}-{key[:16]}"
    if entry.exists():
        try:
            return _read(entry)
        except Exception as error:  # NumPy raises a dozen kinds at a damaged array
            warnings.warn(
                f"cached data in {str(entry)!r} is damaged ({error}); decoding it again",
                stacklevel=2,
            )
            _remove(entry)
    pixels = decode()
    try:
        _write(entry, pixels)
    except OSError as error:
        warnings.warn(
            f"cannot keep decoded data in {str(entry)!r} ({error}); it is decoded again next time",
            stacklevel=2,
        )
    return pixels


def file_stamps(paths: Iterable[pathlib.Path]) -> list[list[object]]:
    """Path, size in bytes and time of change of each file; another stamp means another source."""
    stamps: list[list[object]] = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError as error:
            raise UserError(f"{str(path)!r} cannot be read: {error.strerror}") from error
        stamps.append([str(path.resolve()), stat.st_size, stat.st_mtime_ns])
    return stamps


def checksum(pixels: Pixels) -> str:
    """Sha256 (hex) of shapes, pixels, labels and the number of classes."""
    sha = hashlib.sha256()
    for array, dtype in ((pixels.images, "u1"), (pixels.labels, "<i4")):
        sha.update(repr(array.shape).encode())
        sha.update(np.ascontiguousarray(array, dtype).data)
    sha.update(str(pixels.num_classes).encode())
    return sha.hexdigest()


def _read(entry: pathlib.Path) -> Pixels:
    """The entry's arrays; raises a ValueError if they differ from those written."""
    about = json.loads((entry / "about.json").read_text())
    images = np.load(entry / "images.npy", allow_pickle=False)
    labels = np.load(entry / "labels.npy", allow_pickle=False)
    pixels = Pixels(images, labels, int(about["num_classes"]))
    if (images.dtype, labels.dtype) != (np.uint8, np.int32):
        raise ValueError(f"types {images.dtype} and {labels.dtype}")
    if checksum(pixels) != about["sha256"]:
        raise ValueError("checksum differs")
    return pixels


def _write(entry: pathlib.Path, pixels: Pixels) -> None:
    """Writes beside the entry, then renames: readers see all of it or nothing."""
    entry.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile: its folders are private to the user, and caches are shared.
    fresh = entry.with_name(f".{uuid.uuid4().hex}.new")
    try:
        fresh.mkdir()
        np.save(fresh / "images.npy", pixels.images, allow_pickle=False)
        np.save(fresh / "labels.npy", pixels.labels, allow_pickle=False)
        about = {"sha256": checksum(pixels), "num_classes": pixels.num_classes}
        (fresh / "about.json").write_text(json.dumps(about))
        os.rename(fresh, entry)
    except OSError:
        # Another process may have put the same entry there first; it is as good as this one.
        if not entry.is_dir():
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _remove(entry: pathlib.Path) -> None:
    """Removes a damaged entry in one step; another process may do the same at this moment."""
    stale = entry.with_name(f".{uuid.uuid4().hex}.old")
    with contextlib.suppress(OSError):
        os.rename(entry, stale)
        shutil.rmtree(stale) if stale.is_dir() else stale.unlink()
