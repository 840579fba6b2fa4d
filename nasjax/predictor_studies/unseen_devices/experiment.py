"""Unseen devices as an experiment: its jobs, and what its report is written from."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from nasjax.config import check, check_label, check_sections, parse_section
from nasjax.predictor_studies import experiment
from nasjax.predictor_studies.experiment import FITS, Experiment, Job, json_job
from nasjax.predictor_studies.methods import Method, parse_method
from nasjax.predictor_studies.sources import SOURCES
from nasjax.predictor_studies.unseen_devices import analysis, methods
from nasjax.predictor_studies.unseen_devices.config import (
    SplitConfig,
    UnseenConfig,
    check_networks,
    check_split,
)
from nasjax.predictor_studies.unseen_devices.methods import KnownDevices
from nasjax.predictors import scores
from nasjax.predictors.predictor import Prediction
from nasjax.predictors.saved import Saved
from nasjax.predictors.transfer import TransferConfig
from nasjax.registry import TRANSFER
from nasjax.reports.render import Picture

_SEED_OF_SAVED = 0  # whose known devices the saved predictors start from


@dataclasses.dataclass(frozen=True)
class UnseenDevices(Experiment):
    """Known devices are fitted, new ones predicted before and after a few samples.

    Attributes:
      config: section `unseen`.
      splits: section `splits`, by label.
      known: section `known`, the method that known devices are fitted with.
      transfer: section `transfer`.
    """

    template: ClassVar[str] = "predictors_unseen_devices"
    config: UnseenConfig
    splits: dict[str, SplitConfig]
    known: Method
    transfer: TransferConfig

    @property
    def resolved(self) -> dict[str, Any]:
        """See `Experiment`."""
        return {
            "unseen": dataclasses.asdict(self.config),
            "splits": {label: split.resolved() for label, split in self.splits.items()},
            "known": self.known.resolved(),
            "transfer": dataclasses.asdict(self.transfer),
        }

    def check_measurements(self) -> None:
        """See `Experiment`."""
        for label, split in self.splits.items():
            check_networks(f"splits.{label}", split, self.config)

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
        source, new = self.splits[label].load()
        order = np.random.default_rng(seed).permutation(len(source.features))
        known = methods.fit_known_devices(
            self.known.predictor,
            self.transfer,
            self.splits[label],
            source,
            order,
            train=self.config.train,
            seed=seed,
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
        split, source = known.split, known.source
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
            params, settings = known.transfer(cost, rows), self.known.resolved()
            predictor = Saved(TRANSFER, settings, split.target, source.names, params, facts)
            experiment.save(directory, name, predictor)

    def analyse(self, directory: pathlib.Path) -> dict[str, Any]:
        """See `analysis.analyse`; and `saved` {name: path} of the predictors for searches."""
        rows = [row for fit in experiment.read_fits(directory) for row in fit["rows"]]
        found = analysis.analyse(rows, self.config.main)
        paths = experiment.saved_paths(directory)
        return {**found, "saved": {name: str(path) for name, path in paths.items()}}

    def pictures(self, directory: pathlib.Path, found: Mapping[str, Any]) -> list[Picture]:
        """One picture: rank correlation by samples, for every split and method."""
        return analysis.pictures(found)


def parse_unseen_devices(config: Mapping[str, Any]) -> UnseenDevices:
    """Checks a config.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed.
    """
    sections = ("unseen", "splits", "known", "transfer")
    check_sections(config, sections, "a study of unseen devices")
    unseen = parse_section(UnseenConfig, config["unseen"], "unseen")
    known = parse_method(config["known"], space=None)
    splits = {}
    for label, section in config["splits"].items():
        check_label("splits", label)
        splits[label] = parse_section(SplitConfig, section, f"splits.{label}")
        check_split(f"splits.{label}", splits[label])
    check(unseen.main in splits, "unseen.main", unseen.main, f"one of {', '.join(splits)}")
    transfer = parse_section(TransferConfig, config["transfer"], "transfer")
    return UnseenDevices(unseen, splits, known, transfer)


def _scores(values: np.ndarray, found: Prediction) -> dict[str, float]:
    """Scores of the order; of the values too, where a method has a unit and a spread."""
    predicted, spread = (np.asarray(leaf, np.float64) for leaf in found)
    scored = scores.of(values.astype(np.float64), predicted)
    if not spread.any():
        return {name: scored[name] for name in ("spearman", "kendall")}
    kept = ("spearman", "kendall", "mape", "within_10")
    return {name: scored[name] for name in kept} | scores.calibration(values, predicted, spread)
