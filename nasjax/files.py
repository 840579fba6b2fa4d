"""Writes files whole or not at all, reads them only if they are undamaged, and digests them."""

import hashlib
import io
import json
import math
import pathlib
import zipfile
from collections.abc import Callable, Mapping
from typing import IO, Any

import numpy as np

from nasjax.errors import UserError

MOST_BYTES = 2**31  # of the arrays in a file


def write(path: pathlib.Path, save: Callable[[IO[bytes]], Any]) -> pathlib.Path:
    """Writes a file through a partial one beside it, so that a reader never sees half of it.

    `save` writes the content to an open binary file; a missing folder is made. A link in the
    file's place is replaced, never followed. A UserError says that the file cannot be written.
    """
    partial = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        with partial.open("xb") as file:
            save(file)
        partial.replace(path)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; make room and try again"
        ) from error
    return path


def write_text(path: pathlib.Path, text: str) -> pathlib.Path:
    """`write` of UTF-8 text."""
    return write(path, lambda file: file.write(text.encode("utf-8")))


def write_json(path: pathlib.Path, value: Any) -> pathlib.Path:
    """`write` of plain data as indented JSON."""
    return write_text(path, json.dumps(value, indent=2) + "\n")


def write_npz(path: pathlib.Path, arrays: Mapping[str, np.ndarray]) -> pathlib.Path:
    """`write` of named arrays, compressed, with a digest that `read_npz` checks."""
    content = npz_bytes(arrays)
    return write(path, lambda file: file.write(content))


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The content of the file that `write_npz` writes."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = digest_of_arrays(arrays).encode()
    return buffer.getvalue()


def read_npz(source: pathlib.Path | bytes) -> dict[str, np.ndarray]:
    """Reads the arrays of a .npz file, or of its content.

    Nothing in the file is executed, and a header that promises too much takes no memory.

    Raises:
      OSError: the file cannot be read.
      ValueError: it is damaged, too large, or holds other things than arrays of plain data.
    """
    content = source if isinstance(source, bytes) else source.read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if sum(entry.file_size for entry in entries) > MOST_BYTES:
                raise ValueError(f"it unpacks to more than {MOST_BYTES >> 20} MiB")
            arrays = {e.filename.removesuffix(".npy"): _array(archive.read(e)) for e in entries}
            written = archive.comment.decode()
    except Exception as error:  # zipfile, zlib and NumPy raise a dozen kinds
        raise ValueError(str(error) or type(error).__name__) from error
    if not arrays:  # its list of arrays is lost
        raise ValueError("it holds no array")
    if written and written != digest_of_arrays(arrays):  # earlier versions wrote none
        raise ValueError("its content does not match its digest")
    return arrays


def _array(content: bytes) -> np.ndarray:
    """The array of a .npy file; a ValueError unless the header tells the length of the rest."""
    buffer = io.BytesIO(content)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    shape, is_fortran, dtype = read[np.lib.format.read_magic(buffer)](buffer)
    rest = len(content) - buffer.tell()
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != rest:
        raise ValueError(f"an array of {dtype}{shape} in {rest} bytes")
    flat = np.frombuffer(content, dtype, offset=buffer.tell())
    return flat.reshape(shape, order="F" if is_fortran else "C").copy()


def digest_of_arrays(arrays: Mapping[str, np.ndarray]) -> str:
    """The SHA-256 of named arrays, of their types, shapes and values, whatever their order."""
    contents = []
    for name, array in sorted(arrays.items()):
        array = np.asarray(array)
        contents += [f"{name}{array.dtype}{array.shape}".encode(), array.tobytes()]
    return digest(*contents)


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """Reads a JSON object that a run, a study or a profile keeps.

    Raises:
      UserError: the file cannot be read or is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise UserError(f"{path} is damaged; remove it, and it is made again")
    return content


def digest(*contents: bytes) -> str:
    """The SHA-256 of the contents one after the other, 64 hexadecimal digits."""
    found = hashlib.sha256()
    for content in contents:
        found.update(content)
    return found.hexdigest()


def digest_of_json(value: Any) -> str:
    """The SHA-256 of plain data, whatever the order of its keys."""
    return digest(json.dumps(value, sort_keys=True).encode())


def shipped(name: str) -> pathlib.Path:
    """The folder "configs" or "third_party": inside the package once installed, else beside it."""
    package = pathlib.Path(__file__).parent
    return package / name if (package / name).is_dir() else package.parent / name
