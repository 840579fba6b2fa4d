"""Sections `unseen` and `splits` of a config."""

import dataclasses
import pathlib
from typing import Any

import numpy as np

from nasjax.config import check, unknown
from nasjax.devices import descriptions, measurements
from nasjax.errors import UserError
from nasjax.predictor_studies.sources import SOURCES, Source, load, with_folder


@dataclasses.dataclass(frozen=True)
class UnseenConfig:
    """Section `unseen`.

    Attributes:
      main: label of the split whose figures open the report.
      samples: numbers of networks measured on a new device.
      train: networks measured on every known device.
      seeds: number of draws of networks.
    """

    main: str
    samples: tuple[int, ...] = (0, 10, 100)
    train: int = 900
    seeds: int = 5

    def __post_init__(self) -> None:
        good = bool(self.samples) and min(self.samples) >= 0
        check(good, "unseen.samples", self.samples, "one number or more, >= 0")
        for name in ("train", "seeds"):
            check(getattr(self, name) >= 1, f"unseen.{name}", getattr(self, name), ">= 1")


@dataclasses.dataclass(frozen=True)
class SplitConfig:
    """Section `splits.LABEL`: devices that are known, and devices that are new.

    Attributes:
      source: whose measurements, a key of `sources.SOURCES`.
      known: costs on known devices, e.g. "help/1080ti_1_ms".
      new: costs on new devices; empty with a folder.
      folder: measurements of networks of the same space, whose devices are the new ones (see
        `launch/profile_device.py`).
      target: which of the folder's costs.
      keep: for each of these numbers of samples and each new cost, a predictor is saved for
        searches. With a folder one is saved anyway, fitted on all that the folder holds.
    """

    source: str
    known: tuple[str, ...]
    new: tuple[str, ...] = ()
    folder: str | None = None
    target: str = "latency_ms"
    keep: tuple[int, ...] = ()

    def resolved(self) -> dict[str, Any]:
        """Plain data; measured anew, a folder makes another split."""
        section = dataclasses.asdict(self)
        if self.folder is not None:
            section["sha256"] = measurements.digest(pathlib.Path(self.folder))
        return section

    def load(self) -> tuple[Source, tuple[str, ...]]:
        """The networks, and the names of the costs on new devices.

        Raises:
          UserError: the source has no such cost; the folder is missing, damaged or of other
            networks.
        """
        source = load(self.source, (*self.known, *self.new))
        if self.folder is None:
            return source, self.new
        return with_folder(source, pathlib.Path(self.folder), self.target)


def check_split(path: str, split: SplitConfig) -> None:
    """Raises a UserError if the split contradicts itself, or names what is not described."""
    if split.source not in SOURCES:
        what = f"config.{path}.source={split.source!r}"
        raise UserError(unknown(what, split.source, list(SOURCES)))
    described = descriptions.columns()
    allowed = "one cost or more" if split.folder is None else "nothing: there is a folder"
    check(bool(split.new) == (split.folder is None), f"{path}.new", split.new, allowed)
    check(bool(split.known), f"{path}.known", split.known, "one cost or more")
    for side, costs in (("known", split.known), ("new", split.new)):
        for cost in costs:
            if cost not in described:
                raise UserError(unknown(f"config.{path}.{side}={cost!r}", cost, list(described)))
    both = sorted(set(split.known) & set(split.new))
    check(not both, f"{path}.new", both, "devices that are not among the known ones")
    allowed = "nothing: there is a folder, of which all is kept"
    check(not split.keep or split.folder is None, f"{path}.keep", split.keep, allowed)
    check(min(split.keep, default=0) >= 0, f"{path}.keep", split.keep, ">= 0 each")


def check_networks(path: str, split: SplitConfig, unseen: UnseenConfig) -> None:
    """Raises a UserError unless enough networks are measured to fit, to sample and to test."""
    source, new = split.load()
    can_run = {cost: int(np.isfinite(values).sum()) for cost, values in source.costs.items()}
    most = min(can_run[cost] for cost in split.known) - 2 * max(unseen.samples) - 1
    check(unseen.train <= most, "unseen.train", unseen.train, f"at most {most} for {path}")
    for cost in new:
        most = can_run[cost] // 3
        allowed = f"at most {most}, a third of the networks that {cost} has"
        check(max(unseen.samples) <= most, "unseen.samples", unseen.samples, allowed)
        check(max(split.keep, default=0) <= most, f"{path}.keep", split.keep, allowed)
