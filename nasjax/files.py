"""Writes files whole or not at all, and names what they hold by its digest."""

import hashlib
import json
import pathlib
from collections.abc import Callable, Mapping
from typing import IO, Any

import numpy as np

from nasjax.errors import UserError


def write(path: pathlib.Path, save: Callable[[IO[bytes]], Any]) -> pathlib.Path:
    """Writes a file through a partial one beside it, so that a reader never sees half of it.

    `save` writes the content to an open binary file; a missing folder is made. A UserError says
    that the file cannot be written.
    """
    partial = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("wb") as file:
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
    """`write` of named arrays, compressed."""
    return write(path, lambda file: np.savez_compressed(file, allow_pickle=False, **arrays))


def read_json(path: pathlib.Path) -> dict[str, Any]:
    """Reads a JSON object that a run, a study or a profile keeps.

    Raises:
      UserError: the file cannot be read or is damaged.
    """
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, TypeError) as error:
        raise UserError(f"{path} is damaged; remove it, and it is made again") from error


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
