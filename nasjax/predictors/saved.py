"""Saves fitted predictors: arrays (.npz) and a JSON file, no code, checked when loaded."""

import io
import json
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from nasjax.errors import UserError
from nasjax.files import digest, write, write_text
from nasjax.predictors.predictor import Params

VERSION = 1  # of the file format
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
    content = io.BytesIO()
    arrays = {name: np.asarray(leaf) for name, leaf in flatten_dict(saved.params, sep="/").items()}
    np.savez_compressed(content, allow_pickle=False, **arrays)
    header = {"version": VERSION, **saved._asdict(), "sha256": digest(content.getvalue())}
    del header["params"]
    write(directory / ARRAYS, lambda file: file.write(content.getvalue()))
    write_text(directory / HEADER, json.dumps(header, indent=1) + "\n")


def load(directory: pathlib.Path, feature_names: Sequence[str] | None = None) -> Saved:
    """Reads a predictor that `save` wrote; feature_names: the caller's features, None: any.

    Raises:
      UserError: it is missing or damaged, or has another version or other features.
    """
    try:
        header = json.loads((directory / HEADER).read_text(encoding="utf-8"))
        content = (directory / ARRAYS).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the predictor {directory}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"the predictor {directory} is damaged: {HEADER} is no JSON") from error
    fields = {*Saved._fields, "version", "sha256"} - {"params"}
    if not isinstance(header, dict) or header.get("version") != VERSION or set(header) != fields:
        version = header.get("version") if isinstance(header, dict) else None
        raise UserError(
            f"the predictor {directory} has version={version}; allowed: {VERSION}; fit it again"
        )
    if digest(content) != header["sha256"]:
        raise UserError(
            f"the predictor {directory} is damaged: {ARRAYS} is not what {HEADER} was written "
            "with; fit it again"
        )
    known = tuple(header["feature_names"])
    if feature_names is not None and known != tuple(feature_names):
        unlike = sorted(set(known) ^ set(feature_names)) or ["(their order)"]
        raise UserError(
            f"the predictor {directory} reads other features than these: {', '.join(unlike[:5])}; "
            "fit it again"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        params = unflatten_dict(dict(arrays), sep="/")
    del header["version"], header["sha256"]
    return Saved(params=params, **header | {"feature_names": known})


def fingerprint(directory: pathlib.Path) -> str:
    """The digest of a saved predictor's arrays; a UserError if it is missing or damaged."""
    try:
        return str(json.loads((directory / HEADER).read_text(encoding="utf-8"))["sha256"])
    except OSError as error:
        raise UserError(f"cannot read the predictor {directory}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"the predictor {directory} is damaged: {HEADER}; fit it again") from error
