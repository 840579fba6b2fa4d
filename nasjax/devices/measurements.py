"""Measurements in one long form: a row is one network, run in one way on one described device.

A folder of measurements holds

    networks.csv      network, then a column for each feature; empty: missing
    devices.json      {"devices": {name: description}}, see `devices`
    measurements.csv  network, device, batch, threads, precision_bits, target, value, unit, and
                      whatever else; empty: not known; value inf: the device cannot run it.
                      Or packed, measurements.csv.gz

`launch/profile_device.py` writes such folders, predictors are fitted to them.
"""

import hashlib
import json
import pathlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nasjax.devices import descriptions
from nasjax.devices.descriptions import Setting
from nasjax.errors import UserError

NETWORKS, DEVICES, ROWS = "networks.csv", "devices.json", "measurements.csv"
COLUMNS = ("network", "device", *descriptions.SETTINGS, "target", "value", "unit")
_TEXT = dict.fromkeys(("network", "device", "target", "unit"), str)  # a network "007" stays that


class Measurements(NamedTuple):
    """R measurements of N networks in S settings.

    Attributes:
      networks: [N] names; features: [N, F] float32, NaN missing; feature_names: [F].
      settings: [S], how they were run; contexts: [S, len(descriptions.CONTEXT)] float32.
      network, setting: [R] int, rows of `features` and of `contexts`.
      target: [R] str, what was measured with its unit at the end: "latency_ms".
      values: [R] float64, infinite where the device cannot run the network.
    """

    networks: tuple[str, ...]
    features: np.ndarray
    feature_names: tuple[str, ...]
    settings: tuple[Setting, ...]
    contexts: np.ndarray
    network: np.ndarray
    setting: np.ndarray
    target: np.ndarray
    values: np.ndarray

    def inputs(self) -> np.ndarray:
        """[R, F + C] float32: of every row its network's features and its context."""
        return np.concatenate([self.features[self.network], self.contexts[self.setting]], axis=1)

    def of_target(self, target: str) -> "Measurements":
        """The rows of one target.

        Raises:
          UserError: there are none.
        """
        rows = self.target == target
        if not rows.any():
            known = ", ".join(sorted(set(self.target.tolist())))
            raise UserError(f"no measurement of target={target!r}; there are {known}")
        kept = {name: getattr(self, name)[rows] for name in ("network", "setting", "target")}
        return self._replace(values=self.values[rows], **kept)


def write(
    folder: pathlib.Path,
    networks: pd.DataFrame,
    descriptions: Mapping[str, Mapping[str, Any]],
    rows: pd.DataFrame,
) -> None:
    """Writes a folder of measurements, see the top of this file.

    Raises:
      UserError: columns are missing, or it cannot be written.
    """
    _need(networks, ("network",), "networks")
    _need(rows, COLUMNS, "measurements")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        networks.to_csv(folder / NETWORKS, index=False)
        rows.to_csv(folder / ROWS, index=False)
        page = json.dumps({"devices": descriptions}, indent=1)
        (folder / DEVICES).write_text(page + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write the measurements {folder}: {error.strerror}") from error


def read(folder: pathlib.Path, **task: int) -> Measurements:
    """Reads a folder of measurements.

    Args:
      task: `image_size`, `classes` of all of them, if known.

    Raises:
      UserError: a file is missing or damaged, a row names no known network or device, a value
        is no number.
    """
    path = _rows_path(folder)
    networks, rows = _read(folder / NETWORKS), _read(path)
    described = descriptions.read(folder / DEVICES)["devices"]
    _need(networks, ("network",), str(folder / NETWORKS))
    _need(rows, COLUMNS, str(path))
    names = networks["network"].astype(str).tolist()
    twice = networks["network"][networks["network"].duplicated()].tolist()
    if twice:
        raise UserError(f"{folder / NETWORKS}: network={twice[0]!r} is there more than once")
    for column, known in (("network", names), ("device", list(described))):
        strange = sorted({str(name) for name in rows[column]} - set(known))
        if strange:
            where = NETWORKS if column == "network" else DEVICES
            raise UserError(f"{path}: {column}={strange[0]!r} is not in {where}")
    features = networks.drop(columns="network")
    settings, setting = _settings(path, rows)
    contexts = [descriptions.context(described[one.device], one, **task) for one in settings]
    position = {name: place for place, name in enumerate(names)}
    return Measurements(
        networks=tuple(names),
        features=_numbers(folder / NETWORKS, features).astype(np.float32),
        feature_names=tuple(features.columns),
        settings=settings,
        contexts=np.array(contexts, np.float32),
        network=np.array([position[name] for name in rows["network"].astype(str)], int),
        setting=setting,
        target=(rows["target"].astype(str) + "_" + rows["unit"].astype(str)).to_numpy(str),
        values=_values(path, rows),
    )


def digest(folder: pathlib.Path) -> str:
    """sha256 of what a folder of measurements holds: a study of others is another study.

    Raises:
      UserError: a file cannot be read.
    """
    found = hashlib.sha256()
    for path in (folder / NETWORKS, folder / DEVICES, _rows_path(folder)):
        try:
            found.update(path.read_bytes())
        except OSError as error:
            raise UserError(f"cannot read the measurements {path}: {error.strerror}") from error
    return found.hexdigest()


def _rows_path(folder: pathlib.Path) -> pathlib.Path:
    """The file with the rows; the plain one where there are both, as `write` leaves it."""
    plain, packed = folder / ROWS, folder / f"{ROWS}.gz"
    return packed if packed.is_file() and not plain.exists() else plain


def _settings(path: pathlib.Path, rows: pd.DataFrame) -> tuple[tuple[Setting, ...], np.ndarray]:
    """The different settings, and which one each row has."""
    numbers = _numbers(path, rows[list(descriptions.SETTINGS)])
    whole = (numbers >= 1) & (numbers == np.floor(numbers)) & np.isfinite(numbers)
    whole |= np.isnan(numbers)
    if not whole.all():
        line, column = (int(place) for place in np.argwhere(~whole)[0])
        name, value = descriptions.SETTINGS[column], numbers[line, column]
        raise UserError(
            f"{path}, line {line + 2}: {name}={value:g}; it must be a whole number >= 1, or empty"
        )
    seen: dict[Setting, int] = {}
    places = []
    for device, line in zip(rows["device"].astype(str), numbers, strict=True):
        known = [None if np.isnan(number) else int(number) for number in line]
        places.append(seen.setdefault(Setting(device, *known), len(seen)))
    return tuple(seen), np.array(places, int)


def _values(path: pathlib.Path, rows: pd.DataFrame) -> np.ndarray:
    values = _numbers(path, rows[["value"]])[:, 0]
    if np.isnan(values).any():
        line = int(np.flatnonzero(np.isnan(values))[0]) + 2
        raise UserError(f"{path}, line {line}: value is missing; inf: the device cannot run it")
    return values


def _numbers(path: pathlib.Path, frame: pd.DataFrame) -> np.ndarray:
    """[R, columns] float64, NaN where nothing is written."""
    found = np.empty(frame.shape)
    for place, name in enumerate(frame.columns):
        numbers = pd.to_numeric(frame[name], errors="coerce")
        bad = numbers.isna() & frame[name].notna()
        if bad.any():
            line = int(np.flatnonzero(bad)[0])
            value = frame[name].iloc[line]
            raise UserError(f"{path}, line {line + 2}: {name}={value!r}; it must be a number")
        found[:, place] = numbers
    return found


def _read(path: pathlib.Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=_TEXT)
    except OSError as error:
        reason = error.strerror or error  # what is not gzip has no strerror
        raise UserError(f"cannot read the measurements {path}: {reason}") from error
    except (ValueError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is no table of comma-separated values: {error}") from error


def _need(frame: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    for column in columns:
        if column not in frame.columns:
            raise UserError(f"{where} lacks the column {column!r}; it needs {', '.join(columns)}")
