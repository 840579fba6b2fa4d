"""Saves fitted predictors: arrays (.npz) and a JSON file, no code, checked when loaded."""

import json
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from flax.traverse_util import flatten_dict, unflatten_dict

from nasjax.errors import UserError
from nasjax.files import digest, digest_of_json, npz_bytes, read_npz, write, write_text
from nasjax.predictors.predictor import Params

VERSION = 2  # of the file format; 1 had no digest of its JSON
ARRAYS, HEADER = "params.npz", "predictor.json"


class Saved(NamedTuple):
    """A fitted predictor and its description."""

    method: str  # a name of `registry.PREDICTORS`
    settings: dict[str, Any]  # its config, plain data
    target: str  # the predicted quantity, its unit at the end: "edgegpu_latency_ms"
    feature_names: tuple[str, ...]  # in order
    params: Params
    facts: dict[str, Any]  # its origin: data, seed, scores; plain data, for people


def save(directory: pathlib.Path, saved: Saved) -> None:
    """Writes a predictor to a directory, new or over another predictor."""
    content = npz_bytes(flatten_dict(saved.params, sep="/"))
    header = {"version": VERSION, **saved._asdict(), "sha256": digest(content)}
    del header["params"]
    header["header_sha256"] = digest_of_json(header)
    write(directory / ARRAYS, lambda file: file.write(content))
    write_text(directory / HEADER, json.dumps(header, indent=1) + "\n")


def load(directory: pathlib.Path, feature_names: Sequence[str] | None = None) -> Saved:
    """Reads a predictor that `save` wrote; feature_names: the caller's features, None: any.

    Raises:
      UserError: it is missing or damaged, or has another version or other features.
    """
    header = _read_header(directory)
    try:
        content = (directory / ARRAYS).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the predictor {directory}: {error.strerror}") from error
    if digest(content) != header["sha256"]:
        raise _damaged(directory, f"{ARRAYS} is not what {HEADER} was written with")
    known = tuple(header["feature_names"])
    if feature_names is not None and known != tuple(feature_names):
        unlike = sorted(set(known) ^ set(feature_names)) or ["(their order)"]
        raise UserError(
            f"the predictor {directory} reads other features than these: {', '.join(unlike[:5])}; "
            "fit it again"
        )
    try:
        params = unflatten_dict(read_npz(content), sep="/")
    except ValueError as error:
        raise _damaged(directory, f"{ARRAYS}: {error}") from error
    fields = {name: header[name] for name in Saved._fields if name != "params"}
    return Saved(params=params, **fields | {"feature_names": known})


def fingerprint(directory: pathlib.Path) -> str:
    """The digest of a saved predictor's arrays; a UserError if it is missing or damaged."""
    return str(_read_header(directory)["sha256"])


def _read_header(directory: pathlib.Path) -> dict[str, Any]:
    try:
        header = json.loads((directory / HEADER).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the predictor {directory}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(directory, f"{HEADER} is no JSON") from error
    if not isinstance(header, dict) or header.get("version") not in (1, VERSION):
        version = header.get("version") if isinstance(header, dict) else None
        raise UserError(
            f"the predictor {directory} has version={version}; allowed: 1, {VERSION}; fit it again"
        )
    fields = {*Saved._fields, "version", "sha256"} - {"params"}
    kept = header.pop("header_sha256", None) if header["version"] == VERSION else None
    if header["version"] == VERSION and kept != digest_of_json(header):
        raise _damaged(directory, f"{HEADER} is not as it was written")
    if set(header) != fields:
        raise _damaged(directory, f"{HEADER} lacks fields, or has others")
    return header


def _damaged(directory: pathlib.Path, what: str) -> UserError:
    return UserError(f"the predictor {directory} is damaged: {what}; fit it again")
