"""Fitted predictors on disk: arrays (.npz) and a page of JSON, no code, checked when read."""

import hashlib
import io
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasjax.errors import UserError
from nasjax.predictors.predictor import Params

VERSION = 1  # of the layout
ARRAYS, PAGE = "params.npz", "predictor.json"


class Saved(NamedTuple):
    """A fitted predictor and what it is of.

    Attributes:
      method: a name of `members.PREDICTORS`; settings: its config, plain data.
      target: what it predicts, the unit at the end: "edgegpu_latency_ms".
      feature_names: of its features, in order.
      facts: where it comes from: data, seed, scores; plain data, for people.
    """

    method: str
    settings: dict[str, Any]
    target: str
    feature_names: tuple[str, ...]
    params: Params
    facts: dict[str, Any]


def save(directory: pathlib.Path, saved: Saved) -> None:
    """Writes a directory, new or over another predictor.

    Raises:
      UserError: it cannot be written.
    """
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **_flat(saved.params))
    page = {"version": VERSION, **saved._asdict(), "sha256": _digest(content.getvalue())}
    del page["params"]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ARRAYS).write_bytes(content.getvalue())
        (directory / PAGE).write_text(json.dumps(page, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write the predictor {directory}: {error.strerror}") from error


def load(directory: pathlib.Path, feature_names: Sequence[str] | None = None) -> Saved:
    """Reads what `save` wrote.

    Args:
      feature_names: those that the caller has; None: any.

    Raises:
      UserError: it is missing, damaged, of another version or of other features.
    """
    try:
        page = json.loads((directory / PAGE).read_text(encoding="utf-8"))
        content = (directory / ARRAYS).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the predictor {directory}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"the predictor {directory} is damaged: {PAGE} is no JSON") from error
    fields = {*Saved._fields, "version", "sha256"} - {"params"}
    if not isinstance(page, dict) or page.get("version") != VERSION or set(page) != fields:
        version = page.get("version") if isinstance(page, dict) else None
        raise UserError(
            f"the predictor {directory} has version={version}; allowed: {VERSION}; fit it again"
        )
    if _digest(content) != page["sha256"]:
        raise UserError(
            f"the predictor {directory} is damaged: {ARRAYS} is not what {PAGE} was written with; "
            "fit it again"
        )
    known = tuple(page["feature_names"])
    if feature_names is not None and known != tuple(feature_names):
        unlike = sorted(set(known) ^ set(feature_names)) or ["(their order)"]
        raise UserError(
            f"the predictor {directory} reads other features than these: {', '.join(unlike[:5])}; "
            "fit it again"
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        params = _nested(dict(arrays))
    del page["version"], page["sha256"]
    return Saved(params=params, **page | {"feature_names": known})


def fingerprint(directory: pathlib.Path) -> str:
    """Of what was saved there; another one where its arrays differ.

    Raises:
      UserError: it is missing, or damaged.
    """
    try:
        return str(json.loads((directory / PAGE).read_text(encoding="utf-8"))["sha256"])
    except OSError as error:
        raise UserError(f"cannot read the predictor {directory}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"the predictor {directory} is damaged: {PAGE}; fit it again") from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _flat(params: Params, prefix: str = "") -> dict[str, np.ndarray]:
    flat: dict[str, np.ndarray] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}/")
        else:
            flat[prefix + name] = np.asarray(value)
    return flat


def _nested(flat: Mapping[str, np.ndarray]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        *parents, name = path.split("/")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return nested
