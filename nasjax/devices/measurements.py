"""Folders of measurements: the cost of networks on described devices, in one long form.

`nasjax.profiling` writes such folders and predictors are fitted to them. They are meant to be
written by hand or by another tool, too. A folder has three files.

networks.csv, a row a network. `network` is its name; every other column is a feature: a number, or
empty where it is missing. Predictors of a space need the features that a profile of it has.

    network,macs,params
    small,1500000,20000

devices.json, the devices by name, see `nasjax.devices.descriptions`.

    {"devices": {"phone": {"kind": "cpu", "mobile": 1, "cores": 8, "clock_ghz": 2.5}}}

measurements.csv, or gzipped measurements.csv.gz: a row for one target of one network, run in one
way on one device.

    network,device,batch,threads,precision_bits,target,value,unit
    small,phone,1,4,32,latency,2.25,ms

    network, device      names from the other two files
    batch                images per call
    threads              used of a CPU
    precision_bits       of the weights: 32, 16 or 8
    target, unit, value  measured quantity, its unit, and the number in this unit; `inf`: the device
                         cannot run the network

`batch`, `threads` and `precision_bits` are whole numbers >= 1, empty where unknown. Further columns
are ignored. Costs are named by target and unit: "latency_ms".
"""

import json
import pathlib
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from nasjax import files
from nasjax.devices import descriptions
from nasjax.devices.descriptions import Setting
from nasjax.errors import UserError

NETWORKS, DEVICES, ROWS = "networks.csv", "devices.json", "measurements.csv"
COLUMNS = ("network", "device", *descriptions.SETTINGS, "target", "value", "unit")
_TEXT = dict.fromkeys(("network", "device", "target", "unit"), str)  # "007" stays a name


class Measurements(NamedTuple):
    """R measurements of N networks in S settings."""

    networks: tuple[str, ...]  # [N] names
    features: np.ndarray  # [N, F] float32, NaN missing
    feature_names: tuple[str, ...]  # [F]
    settings: tuple[Setting, ...]  # [S] devices and the way they were used
    contexts: np.ndarray  # [S, len(descriptions.CONTEXT)] float32, the settings as numbers
    network: np.ndarray  # [R] int, rows of `features`
    setting: np.ndarray  # [R] int, rows of `contexts`
    target: np.ndarray  # [R] str, measured quantity and unit: "latency_ms"
    values: np.ndarray  # [R] float64, infinite where the device cannot run the network

    def inputs(self) -> np.ndarray:
        """Inputs of a predictor, [R, F + C] float32: the network's features, then the context."""
        return np.concatenate([self.features[self.network], self.contexts[self.setting]], axis=1)

    def select(self, target: str) -> "Measurements":
        """The rows of one target, e.g. "latency_ms"; a UserError if there are none."""
        rows = self.target == target
        if not rows.any():
            targets = ", ".join(sorted(set(self.target.tolist())))
            raise UserError(f"no measurement of target={target!r}; there are {targets}")
        return self._replace(
            network=self.network[rows],
            setting=self.setting[rows],
            target=self.target[rows],
            values=self.values[rows],
        )


def write(
    folder: pathlib.Path,
    networks: pd.DataFrame,
    descriptions: Mapping[str, Mapping[str, Any]],
    rows: pd.DataFrame,
) -> None:
    """Writes a folder of measurements; a UserError if columns are missing.

    Args:
      networks: networks.csv; descriptions: devices by name; rows: measurements.csv.
    """
    _check_columns(networks, ("network",), "networks")
    _check_columns(rows, COLUMNS, "measurements")
    files.write_text(folder / NETWORKS, networks.to_csv(index=False))
    files.write_text(folder / ROWS, rows.to_csv(index=False))
    devices = json.dumps({"devices": descriptions}, indent=1)
    files.write_text(folder / DEVICES, devices + "\n")


def read(folder: pathlib.Path, **task: int) -> Measurements:
    """Reads a folder of measurements; task: `image_size` and `classes` of its networks, if known.

    Raises:
      UserError: a file is missing or damaged, a row names a network or a device that is in no
        other file, or a value is not a number.
    """
    path = _rows_path(folder)
    networks, rows = read_table(folder / NETWORKS), read_table(path)
    described = descriptions.read(folder / DEVICES)["devices"]
    _check_columns(networks, ("network",), str(folder / NETWORKS))
    _check_columns(rows, COLUMNS, str(path))
    names = networks["network"].astype(str).tolist()
    repeated = networks["network"][networks["network"].duplicated()].tolist()
    if repeated:
        raise UserError(f"{folder / NETWORKS}: network={repeated[0]!r} is there more than once")
    for column, listed, file in (("network", names, NETWORKS), ("device", described, DEVICES)):
        unlisted = sorted({str(name) for name in rows[column]} - set(listed))
        if unlisted:
            raise UserError(f"{path}: {column}={unlisted[0]!r} is not in {file}")
    features = networks.drop(columns="network")
    numbers = _numbers(folder / NETWORKS, features)
    if np.isinf(numbers).any():
        line, place = (int(index) for index in np.argwhere(np.isinf(numbers))[0])
        name, value = features.columns[place], numbers[line, place]
        raise UserError(f"{folder / NETWORKS}, line {line + 2}: {name}={value}; it must be finite")
    settings, setting = _settings(path, rows)
    contexts = [descriptions.context(described[one.device], one, **task) for one in settings]
    position = {name: index for index, name in enumerate(names)}
    return Measurements(
        networks=tuple(names),
        features=numbers.astype(np.float32),
        feature_names=tuple(features.columns),
        settings=settings,
        contexts=np.array(contexts, np.float32),
        network=np.array([position[name] for name in rows["network"].astype(str)], int),
        setting=setting,
        target=(rows["target"].astype(str) + "_" + rows["unit"].astype(str)).to_numpy(str),
        values=_values(path, rows),
    )


def digest(folder: pathlib.Path) -> str:
    """SHA-256 of a folder's three files; a study of others is another study."""
    paths = (folder / NETWORKS, folder / DEVICES, _rows_path(folder))
    try:
        return files.digest(*(path.read_bytes() for path in paths))
    except OSError as error:
        where = error.filename
        raise UserError(f"cannot read the measurements {where}: {error.strerror}") from error


def _rows_path(folder: pathlib.Path) -> pathlib.Path:
    plain, gzipped = folder / ROWS, folder / f"{ROWS}.gz"  # `write` writes the plain one
    return gzipped if gzipped.is_file() and not plain.exists() else plain


def _settings(path: pathlib.Path, rows: pd.DataFrame) -> tuple[tuple[Setting, ...], np.ndarray]:
    """The different settings [S], and the index of each row's, [R]."""
    numbers = _numbers(path, rows[list(descriptions.SETTINGS)])
    whole = (numbers >= 1) & (numbers == np.floor(numbers)) & np.isfinite(numbers)
    whole |= np.isnan(numbers)
    if not whole.all():
        line, column = (int(index) for index in np.argwhere(~whole)[0])
        name, value = descriptions.SETTINGS[column], numbers[line, column]
        raise UserError(
            f"{path}, line {line + 2}: {name}={value:g}; it must be a whole number >= 1, or empty"
        )
    seen: dict[Setting, int] = {}
    indices = []
    for device, line in zip(rows["device"].astype(str), numbers, strict=True):
        values = [None if np.isnan(number) else int(number) for number in line]
        indices.append(seen.setdefault(Setting(device, *values), len(seen)))
    return tuple(seen), np.array(indices, int)


def _values(path: pathlib.Path, rows: pd.DataFrame) -> np.ndarray:
    values = _numbers(path, rows[["value"]])[:, 0]
    if np.isnan(values).any():
        line = int(np.flatnonzero(np.isnan(values))[0]) + 2
        raise UserError(f"{path}, line {line}: value is missing; inf: the device cannot run it")
    # Programs may need no memory, but all take some time.
    wrong = (values < 0) | ((values == 0) & (rows["target"] == "latency").to_numpy())
    if wrong.any():
        line = int(np.flatnonzero(wrong)[0])
        raise UserError(
            f"{path}, line {line + 2}: value={values[line]:g}; it must be above 0, or inf: the "
            "device cannot run it"
        )
    return values


def _numbers(path: pathlib.Path, frame: pd.DataFrame) -> np.ndarray:
    """The table as float64 [R, columns], NaN for empty cells."""
    found = np.empty(frame.shape)
    for column, name in enumerate(frame.columns):
        numbers = pd.to_numeric(frame[name], errors="coerce")
        bad = numbers.isna() & frame[name].notna()
        if pd.api.types.is_bool_dtype(frame[name]):
            bad |= True
        if bad.any():
            line = int(np.flatnonzero(bad)[0])
            value = frame[name].iloc[line]
            raise UserError(f"{path}, line {line + 2}: {name}={value!r}; it must be a number")
        found[:, column] = numbers
    return found


def read_table(path: pathlib.Path) -> pd.DataFrame:
    """Reads networks.csv or measurements.csv, with names as text, or raises a UserError."""
    try:
        # A network may be called "NA".
        return pd.read_csv(path, dtype=_TEXT, keep_default_na=False, na_values=[""])
    except OSError as error:
        reason = error.strerror or error  # a file that is not gzipped gives no strerror
        raise UserError(f"cannot read the measurements {path}: {reason}") from error
    except (ValueError, EOFError, zlib.error) as error:
        raise UserError(f"{path} is no table of comma-separated values: {error}") from error


def _check_columns(frame: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    for column in columns:
        if column not in frame.columns:
            raise UserError(f"{where} lacks the column {column!r}; it needs {', '.join(columns)}")
