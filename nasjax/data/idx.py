"""Reads MNIST-format idx files, plain or gzipped (the format of yann.lecun.com/exdb/mnist).

An idx file is a big-endian header (magic: two zero bytes, 8 for unsigned bytes, the number of
dimensions; then one 32-bit size per dimension) followed by the raw bytes.
"""

import contextlib
import gzip
import math
import os
import pathlib
import struct
import zlib
from collections.abc import Iterator
from typing import IO, cast

import numpy as np

from nasjax.data import cache
from nasjax.data.pixels import Pixels, Source
from nasjax.errors import UserError

_UNSIGNED_BYTE = 8
_TYPES = {
    8: "unsigned bytes",
    9: "signed bytes",
    11: "16-bit integers",
    12: "32-bit integers",
    13: "32-bit floats",
    14: "64-bit floats",
}
_KINDS = {"images": 3, "labels": 1}  # file kind -> number of dimensions
_PREFIX = {"training": "train", "test": "t10k"}


def open_idx(directory: str, cache_dir: pathlib.Path) -> Source:
    """Opens `idx:DIR`. The folder must exist; its files are decoded when read.

    It needs train-images-idx3-ubyte, train-labels-idx1-ubyte and, for the test split, the same with
    t10k; each plain or .gz, and also spelt train-images.idx3-ubyte.
    """
    key = f"config.data.name={'idx:' + directory!r}"
    if not directory:
        raise UserError(f"{key} has no directory; write idx:DIR, such as idx:/data/mnist")
    root = pathlib.Path(os.path.expanduser(directory))
    if not root.is_dir():
        raise UserError(f"{key}: no such directory (absolute: {str(root.absolute())!r})")

    def training() -> Pixels:
        return _read_part(root, "training", key, cache_dir)

    def test() -> Pixels:
        pixels = _read_part(root, "test", key, cache_dir)
        return _fit_to_training(pixels, training(), key)

    return Source(pixel_max=255, read_training=training, read_test=test, check_test=test)


def read_idx(path: pathlib.Path, *, dimensions: int) -> np.ndarray:
    """Decodes one idx file of unsigned bytes into a uint8 array of `dimensions` axes.

    Raises:
        UserError: the file cannot be read or is not as its name and its header say.
    """
    header_bytes = 4 + 4 * dimensions
    with _opened(path) as stream:
        header = _read(stream, header_bytes, path)
        if len(header) < header_bytes:
            raise UserError(
                f"{str(path)!r} is no idx file: its header takes {header_bytes} bytes, "
                f"the file has {len(header)}"
            )
        shape = _shape(header, dimensions, path)
        expected = math.prod(shape)
        content = _read(stream, expected + 1, path)  # no further than what the header promises
    if len(content) != expected:
        present = "more" if len(content) > expected else len(content)
        raise UserError(
            f"{str(path)!r}: header says {expected} bytes, file has {present}; "
            f"copy or download it again"
        )
    if expected == 0:
        raise UserError(f"{str(path)!r} is empty: its header gives the sizes {shape}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _shape(header: bytes, dimensions: int, path: pathlib.Path) -> list[int]:
    """The sizes that a header gives; a UserError says what the file holds instead."""
    found, *shape = struct.unpack(f">{1 + dimensions}I", header)
    if found == (_UNSIGNED_BYTE << 8) | dimensions:
        return shape
    zeros, kind, axes = found >> 16, found >> 8 & 255, found & 255
    if zeros or kind not in _TYPES:
        what = f"magic number {found}, so it is no idx file"
    else:
        what = f"{_TYPES[kind]} of {axes} dimensions"
    raise UserError(
        f"{str(path)!r} holds {what}; wanted are unsigned bytes of {dimensions} dimensions"
        + (" (gray images, one channel)" if dimensions == _KINDS["images"] else " (0 to 255)")
    )


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[IO[bytes]]:
    """The file, unpacked if its first bytes are those of gzip, whatever its name."""
    try:
        with path.open("rb") as raw:
            is_packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            yield cast(IO[bytes], gzip.GzipFile(fileobj=raw) if is_packed else raw)
    except OSError as error:
        raise UserError(f"{str(path)!r} cannot be read: {error.strerror}") from error


def _read(stream: IO[bytes], count: int, path: pathlib.Path) -> bytes:
    try:
        return stream.read(count)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{str(path)!r} is damaged ({error}); copy or download it again") from error
    except (MemoryError, OverflowError) as error:
        raise UserError(
            f"{str(path)!r}: its header says {count - 1} bytes, more than there is memory for"
        ) from error


def _find(root: pathlib.Path, prefix: str, kind: str, key: str) -> pathlib.Path:
    """The file of one kind under any of its four spellings."""
    dashed = f"{prefix}-{kind}-idx{_KINDS[kind]}-ubyte"
    dotted = f"{prefix}-{kind}.idx{_KINDS[kind]}-ubyte"
    for name in (dashed, f"{dashed}.gz", dotted, f"{dotted}.gz"):
        if (root / name).is_file():
            return root / name
    raise UserError(f"{key}: the directory has no {dashed}[.gz] (nor {dotted}[.gz])")


def _read_part(root: pathlib.Path, part: str, key: str, cache_dir: pathlib.Path) -> Pixels:
    """Training or test images with their labels, from the cache if the files are unchanged."""
    image_path, label_path = (_find(root, _PREFIX[part], kind, key) for kind in _KINDS)

    def decode() -> Pixels:
        images = read_idx(image_path, dimensions=_KINDS["images"])
        labels = read_idx(label_path, dimensions=_KINDS["labels"])
        if len(images) != len(labels):
            raise UserError(
                f"{key}: {image_path.name} has {len(images)} images, "
                f"but {label_path.name} has {len(labels)} labels"
            )
        num_classes = int(labels.max()) + 1
        if part == "training":
            _check_no_class_is_missing(labels, label_path, key)
        return Pixels(images[..., np.newaxis], labels.astype(np.int32), num_classes)

    name = f"idx-{root.absolute().name}-{part}"
    return cache.load(cache_dir, name, cache.file_stamps([image_path, label_path]), decode)


def _check_no_class_is_missing(labels: np.ndarray, path: pathlib.Path, key: str) -> None:
    """Refuses labels with a gap, the sign of a damaged file; class 0 may lack (EMNIST letters)."""
    present = np.unique(labels)
    gap = np.setdiff1d(np.arange(1, int(present[-1]) + 1), present)
    if len(gap):
        raise UserError(
            f"{key}: labels out of range in {path.name}: the largest is {present[-1]}, "
            f"but no image has label {gap[0]}"
        )


def _fit_to_training(test: Pixels, training: Pixels, key: str) -> Pixels:
    """The test images with the training images' number of classes; both must match."""
    if test.images.shape[1:] != training.images.shape[1:]:
        raise UserError(
            f"{key}: test images are {test.images.shape[1:3]}, "
            f"training images {training.images.shape[1:3]}"
        )
    if test.labels.max() >= training.num_classes:
        raise UserError(
            f"{key}: labels out of range: test label {test.labels.max()}, but the training labels "
            f"go from 0 to {training.num_classes - 1}"
        )
    return test._replace(num_classes=training.num_classes)
