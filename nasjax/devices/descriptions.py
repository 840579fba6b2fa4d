"""Devices as numbers: the context features of AUTOCoMET (III.C, IV.A), from public descriptions.

A description is plain data: `kind` and what is known of `NUMBERS`; what is not known is left out,
becomes NaN, and predictors take it as missing. `third_party/devices.json` describes the devices of
the tables, with the source of every value.
"""

import dataclasses
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from nasjax import files
from nasjax.config import unknown
from nasjax.errors import UserError

KINDS = ("cpu", "gpu", "dsp", "npu", "fpga", "asic")
NUMBERS = {
    "mobile": "1: a phone, a board or a chip for such; 0: plugged in",
    "cores": "CPU cores, or multiprocessors of a GPU",
    "compute_units": "what multiplies and adds once in a cycle: CUDA cores, SIMD lanes, DSP slices",
    "clock_ghz": "of the fastest cores, boost",
    "memory_gib": "of the device",
    "bandwidth_gb_s": "of that memory, theoretical",
}
SETTINGS = ("batch", "threads", "precision_bits")
TASK = ("image_size", "classes")
CONTEXT = (*(f"is_{kind}" for kind in KINDS), *NUMBERS, *SETTINGS, *TASK)
ABOUT = ("title", "sources", "note")  # of a description, for people

_PUBLISHED = files.shipped("third_party") / "devices.json"


@dataclasses.dataclass(frozen=True)
class Setting:
    """How networks were run on a device; None: not known.

    Attributes:
      device: its name among the descriptions.
      batch: images at a time; threads: of a CPU; precision_bits: of the weights, 32, 16 or 8.
    """

    device: str
    batch: int | None = 1
    threads: int | None = None
    precision_bits: int | None = None


def published() -> dict[str, dict[str, Any]]:
    """The devices of the tables, by name."""
    return read(_PUBLISHED)["devices"]


def columns() -> dict[str, Setting]:
    """How each column of the tables was measured: "help/1080ti_32_ms" -> 1080ti, batch 32."""
    return {name: Setting(**fields) for name, fields in read(_PUBLISHED)["columns"].items()}


def read(path: pathlib.Path) -> dict[str, Any]:
    """A file of descriptions: {"devices": {name: description}, "columns": {...}, if any}.

    Raises:
      UserError: it cannot be read, is no such file, or a description is not allowed.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the devices {path}: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"the devices {path} are no JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("devices"), dict):
        raise UserError(f"the devices {path} must be an object with the key 'devices'")
    for name, description in content["devices"].items():
        _check(f"{path}: devices.{name}", description)
    return content


def _check(where: str, description: Any) -> None:
    """Raises a UserError that names the key unless the description is one."""
    if not isinstance(description, Mapping) or description.get("kind") not in KINDS:
        raise UserError(f"{where} needs a 'kind', one of {', '.join(KINDS)}")
    for key, value in description.items():
        if key in ("kind", *ABOUT):
            continue
        if key not in NUMBERS:
            raise UserError(f"{where}: {unknown('key', key, [*NUMBERS, 'kind', *ABOUT])}")
        good = isinstance(value, int | float) and 0 <= value < float("inf")
        if not good:
            raise UserError(
                f"{where}.{key}={value!r}; it must be a number >= 0; leave out unknowns"
            )


def context(
    description: Mapping[str, Any],
    setting: Setting,
    *,
    image_size: int | None = None,
    classes: int | None = None,
) -> np.ndarray:
    """[len(CONTEXT)] float32: a described device, how it is used and for what; NaN is missing."""
    if (kind := description.get("kind")) not in KINDS:
        raise UserError(f"kind={kind!r} of a device; it must be one of {', '.join(KINDS)}")
    numbers = [
        *(description.get(name) for name in NUMBERS),
        *(getattr(setting, name) for name in SETTINGS),
        *(image_size, classes),
    ]
    is_kind = [float(description["kind"] == kind) for kind in KINDS]
    known = [np.nan if number is None else float(number) for number in numbers]
    return np.array([*is_kind, *known], np.float32)
