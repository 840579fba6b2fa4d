"""Describes devices as numbers: the context features of AUTOCoMET (III.C, IV.A).

A description is a JSON object with a `kind`, any of NUMBERS, and any of the keys NOTES for readers:

    {"kind": "gpu", "mobile": 0, "cores": 28, "clock_ghz": 1.582, "title": "GeForce GTX 1080 Ti"}

Leave out what is unknown; it becomes NaN, which predictors take as missing.
`third_party/devices.json` describes the devices of the tables, with the source of every value.
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
    "mobile": "1: a phone, a board or a chip for one; 0: a device with mains power",
    "cores": "CPU cores, or multiprocessors of a GPU",
    "compute_units": "multiply-adds per cycle: CUDA cores, SIMD lanes or DSP slices",
    "clock_ghz": "boost clock of the fastest cores",
    "memory_gib": "size of the memory",
    "bandwidth_gb_s": "theoretical bandwidth of the memory",
}
SETTINGS = ("batch", "threads", "precision_bits")
TASK = ("image_size", "classes")
CONTEXT = (*(f"is_{kind}" for kind in KINDS), *NUMBERS, *SETTINGS, *TASK)
NOTES = ("title", "sources", "note")

_PUBLISHED = files.shipped("third_party") / "devices.json"


@dataclasses.dataclass(frozen=True)
class Setting:
    """The way in which networks were run on a device; None: unknown."""

    device: str  # name of its description
    batch: int | None = 1  # images per call
    threads: int | None = None  # used of a CPU
    precision_bits: int | None = None  # of the weights: 32, 16 or 8


def published() -> dict[str, dict[str, Any]]:
    """Descriptions of the tables' devices, by name."""
    return read(_PUBLISHED)["devices"]


def published_settings() -> dict[str, Setting]:
    """Settings of the tables' columns, by cost: "help/1080ti_32_ms" -> 1080ti, batch 32."""
    return {name: Setting(**fields) for name, fields in read(_PUBLISHED)["columns"].items()}


def read(path: pathlib.Path) -> dict[str, Any]:
    """Reads a file {"devices": {name: description}}, which may have other keys; or a UserError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the devices {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"the devices {path} are no JSON: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("devices"), dict):
        raise UserError(f"the devices {path} must be an object with the key 'devices'")
    for name, description in content["devices"].items():
        _check(f"{path}: devices.{name}", description)
    return content


def _check(where: str, description: Any) -> None:
    """Raises a UserError that names the key if a description is not allowed."""
    if not isinstance(description, Mapping) or description.get("kind") not in KINDS:
        raise UserError(f"{where} needs a 'kind', one of {', '.join(KINDS)}")
    for key, value in description.items():
        if key in ("kind", *NOTES):
            continue
        if key not in NUMBERS:
            raise UserError(f"{where}: {unknown('key', key, [*NUMBERS, 'kind', *NOTES])}")
        if not (isinstance(value, int | float) and 0 <= value < float("inf")):
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
    """The context features CONTEXT, float32 [len(CONTEXT)]; NaN is missing.

    Args:
      image_size: side of the images in pixels; classes: outputs of the networks.

    Raises:
      UserError: the description has no kind.
    """
    if (kind := description.get("kind")) not in KINDS:
        raise UserError(f"kind={kind!r} of a device; it must be one of {', '.join(KINDS)}")
    values = [
        *(kind == one for one in KINDS),
        *(description.get(name) for name in NUMBERS),
        *(getattr(setting, name) for name in SETTINGS),
        image_size,
        classes,
    ]
    return np.array([np.nan if value is None else value for value in values], np.float32)
