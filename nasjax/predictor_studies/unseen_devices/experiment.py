"""Unseen devices as an experiment: its jobs, and what its report is written from."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from nasjax.config import (
    PositiveInt,
    check,
    check_label,
    check_sections,
    parse_section,
    settings,
    unknown,
)
from nasjax.devices import descriptions, measurements
from nasjax.errors import UserError
from nasjax.predictor_studies import experiment
from nasjax.predictor_studies.experiment import FITS, Experiment, Job, json_job
from nasjax.predictor_studies.methods import Method, parse_method
from nasjax.predictor_studies.sources import SOURCES, Source, load, with_folder
from nasjax.predictor_studies.unseen_devices import analysis, methods
from nasjax.predictor_studies.unseen_devices.methods import KnownDevices
from nasjax.predictors import scores
from nasjax.predictors.predictor import Prediction
from nasjax.predictors.saved import Saved
from nasjax.predictors.transfer import TransferConfig
from nasjax.registry import TRANSFER
from nasjax.reports.render import Picture

_SEED_OF_SAVED = 0  # whose known devices the saved predictors start from


@settings("unseen")
class UnseenConfig:
    """Section `unseen` of a config."""

    main: str  # label of the split whose figures open the report
    samples: tuple[int, ...] = (0, 10, 100)  # numbers of networks measured on a new device
    train: PositiveInt = 900  # networks measured on every known device
    seeds: PositiveInt = 5  # draws of networks

    def __post_init__(self) -> None:
        good = bool(self.samples) and min(self.samples) >= 0
        check(good, "unseen.samples", self.samples, "one number or more, >= 0")


@dataclasses.dataclass(frozen=True)  # checked by `parse_section`, whose messages name the label
class SplitConfig:
    """Section `splits.LABEL` of a config: devices that are known, and devices that are new."""

    source: str  # the measurements, a key of `sources.SOURCES`
    known: tuple[str, ...]  # costs on known devices, e.g. "help/1080ti_1_ms"
    new: tuple[str, ...] = ()  # costs on new devices; empty with a folder
    # Measurements of networks of the same space, whose devices are the new ones, from `nasjax
    # profile`; and the one of its costs that is predicted.
    folder: str | None = None
    target: str = "latency_ms"
    # Numbers of samples after which a predictor of each new cost is saved for searches. With a
    # folder one is saved anyway, fitted on all that the folder holds.
    keep: tuple[int, ...] = ()

    def resolved(self) -> dict[str, Any]:
        """Plain data; measured anew, a folder makes another split."""
        section = dataclasses.asdict(self)
        if self.folder is not None:
            section["sha256"] = measurements.digest(pathlib.Path(self.folder))
        return section

    def load(self) -> tuple[Source, tuple[str, ...]]:
        """The networks, and the names of the costs on new devices; see `sources`."""
        source = load(self.source, (*self.known, *self.new))
        if self.folder is None:
            return source, self.new
        return with_folder(source, pathlib.Path(self.folder), self.target)


@dataclasses.dataclass(frozen=True)
class UnseenDevices(Experiment):
    """Known devices are fitted, new ones predicted before and after a few samples."""

    template: ClassVar[str] = "predictors_unseen_devices"
    config: UnseenConfig
    splits: dict[str, SplitConfig]  # by label
    known: Method  # that known devices are fitted with
    transfer: TransferConfig

    @property
    def resolved(self) -> dict[str, Any]:
        return {
            "unseen": dataclasses.asdict(self.config),
            "splits": {label: split.resolved() for label, split in self.splits.items()},
            "known": self.known.resolved(),
            "transfer": dataclasses.asdict(self.transfer),
        }

    def check_measurements(self) -> None:
        for label, split in self.splits.items():
            _check_networks(f"splits.{label}", split, self.config)

    def all_jobs(self) -> list[Job]:
        """One for each seed and split; the first seed saves predictors for searches too."""
        return [
            json_job(
                f"{FITS}/{label}--{seed}.json",
                functools.partial(self._fit, label, seed),
                saves=self._saved_names(label) if seed == _SEED_OF_SAVED else (),
            )
            for seed in range(self.config.seeds)
            for label in self.splits
        ]

    def _fit(self, label: str, seed: int, directory: pathlib.Path) -> dict[str, Any]:
        """Fits the known devices, predicts the new ones, and scores all methods."""
        split = self.splits[label]
        source, new = split.load()
        order = np.random.default_rng(seed).permutation(len(source.features))
        runs = np.any([np.isfinite(source.costs[cost][order]) for cost in split.known], axis=0)
        fitted = order[runs][: self.config.train]
        known = methods.fit_known_devices(
            self.known.predictor, seed, self.transfer, source, split.known, fitted
        )
        if seed == _SEED_OF_SAVED:
            self._save(directory, label, known, order)
        trees = methods.fit_described_trees(known) if 0 in self.config.samples else None
        most, rows = max(self.config.samples), []
        for cost in new:
            candidates = known.measurable(order, cost)
            random = candidates[:most]
            chosen = known.choose(candidates, len(random))
            test = np.setdiff1d(candidates, np.concatenate([random, chosen]))
            for count in self.config.samples:
                found = methods.predict(known, trees, cost, random[:count], chosen[:count], test)
                facts = {"split": label, "seed": seed, "new": cost, "samples": count}
                rows += [
                    {**facts, "method": method, **_scores(source.costs[cost][test], prediction)}
                    for method, prediction in found.items()
                ]
        return {"rows": rows}

    def _saved_names(self, label: str) -> dict[str, tuple[str, int | None]]:
        """(cost, number of samples) by the name of a saved predictor; None: all samples.

        Predictors of a folder are named by the cost alone.
        """
        split = self.splits[label]
        if split.folder is not None:
            return {cost.replace("/", "--"): (cost, None) for cost in split.load()[1]}
        return {
            f"{label}--{cost.rpartition('/')[2]}--{count}": (cost, count)
            for cost in split.new
            for count in split.keep
        }

    def _save(
        self, directory: pathlib.Path, label: str, known: KnownDevices, order: np.ndarray
    ) -> None:
        split, source = self.splits[label], known.source
        for name, (cost, count) in self._saved_names(label).items():
            if count is None:
                rows = np.flatnonzero(np.isfinite(source.costs[cost]))
            else:
                rows = known.measurable(order, cost)[:count]
            facts = {
                "data_set": SOURCES[split.source].data_set,
                "cost": cost,
                "measured": len(rows),
                "known": list(split.known),
            }
            params, method = known.transfer(known.config, cost, rows), self.known.resolved()
            predictor = Saved(TRANSFER, method, split.target, source.names, params, facts)
            experiment.save(directory, name, predictor)

    def analyse(self, directory: pathlib.Path) -> dict[str, Any]:
        """See `analysis.analyse`; and `saved` {name: path} of the predictors for searches."""
        rows = [row for fit in experiment.read_fits(directory) for row in fit["rows"]]
        saved = experiment.saved_paths(directory)
        return {**analysis.analyse(rows, self.config.main), "saved": saved}

    def pictures(self, directory: pathlib.Path, found: Mapping[str, Any]) -> list[Picture]:
        """One picture: rank correlation by samples, for every split and method."""
        draw = functools.partial(analysis.draw, found["splits"])
        return [Picture("unseen_devices", "unseen_devices.png", "mean Spearman by samples", draw)]


def parse_unseen_devices(config: Mapping[str, Any]) -> UnseenDevices:
    """Checks a config; a UserError says which section, key, name or value is not allowed."""
    sections = ("unseen", "splits", "known", "transfer")
    check_sections(config, sections, "a study of unseen devices")
    unseen = parse_section(UnseenConfig, config["unseen"], "unseen")
    known = parse_method(config["known"], space=None)
    splits = {}
    for label, section in config["splits"].items():
        check_label("splits", label)
        splits[label] = parse_section(SplitConfig, section, f"splits.{label}")
        _check_split(f"splits.{label}", splits[label])
    check(unseen.main in splits, "unseen.main", unseen.main, f"one of {', '.join(splits)}")
    transfer = parse_section(TransferConfig, config["transfer"], "transfer")
    return UnseenDevices(unseen, splits, known, transfer)


def _scores(values: np.ndarray, found: Prediction) -> dict[str, float]:
    """Scores of the order; of the values too, where a method has a unit and a spread."""
    predicted, spread = (np.asarray(leaf, np.float64) for leaf in found)
    scored = scores.all_scores(values.astype(np.float64), predicted)
    if not spread.any():
        return {name: scored[name] for name in ("spearman", "kendall")}
    kept = ("spearman", "kendall", "mape", "within_10")
    return {name: scored[name] for name in kept} | scores.calibration(values, predicted, spread)


def _check_split(path: str, split: SplitConfig) -> None:
    """Raises a UserError if the split contradicts itself, or names what is not described."""
    if split.source not in SOURCES:
        what = f"config.{path}.source={split.source!r}"
        raise UserError(unknown(what, split.source, list(SOURCES)))
    described = descriptions.published_settings()
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


def _check_networks(path: str, split: SplitConfig, unseen: UnseenConfig) -> None:
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
