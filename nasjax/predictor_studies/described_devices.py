"""Measurements on described devices: one predictor that reads networks and devices (III.C).

It is tested on measurements that it has not seen, in three ways: rows at random; all rows of some
networks; all rows of some devices. Costs span orders of magnitude, so their logarithms are fitted
and scored.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import jax.numpy as jnp
import numpy as np
import pandas as pd
from pydantic import Field

from nasjax import files
from nasjax.config import PositiveInt, check, check_sections, parse_section, settings
from nasjax.devices import measurements
from nasjax.devices.measurements import Measurements
from nasjax.predictor_studies import experiment, methods
from nasjax.predictor_studies.experiment import FITS, Experiment, Job, compiled
from nasjax.predictor_studies.methods import Method
from nasjax.predictors import scores
from nasjax.predictors.oversampling import oversample

WAYS = ("rows", "networks", "devices")
_SAMPLINGS = {False: "as-measured", True: "oversampled"}


@settings("described")
class DescribedConfig:
    """Section `described` of a config."""

    # Measurements, see `devices/measurements.py`; a name alone is a folder of third_party.
    folder: str
    target: str = "latency_ms"  # the cost to predict, the unit at the end
    # Part of the rows, networks or devices that is left out and tested.
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seeds: PositiveInt = 5  # draws of the part that is left out
    # Whether rare contexts are over-sampled (SMOTE); with both values both ways are compared.
    oversample: tuple[bool, ...] = (False, True)

    def __post_init__(self) -> None:
        check(bool(self.oversample), "described.oversample", self.oversample, "one way or both")

    @property
    def path(self) -> pathlib.Path:
        """The folder."""
        published = files.shipped("third_party") / self.folder
        return published if published.is_dir() else pathlib.Path(self.folder)


@dataclasses.dataclass(frozen=True)
class DescribedDevices(Experiment):
    """An experiment on measurements of many described devices."""

    template: ClassVar[str] = "predictors_described_devices"
    config: DescribedConfig
    methods: dict[str, Method]  # section `predictors`, by label

    @functools.cached_property
    def measured(self) -> Measurements:
        """The rows of the target, read when they are first needed."""
        return measurements.read(self.config.path).select(self.config.target)

    @property
    def resolved(self) -> dict[str, Any]:
        digest = measurements.digest(self.config.path)
        section = dataclasses.asdict(self.config) | {"sha256": digest}
        return {"described": section, "predictors": methods.resolved(self.methods)}

    def check_measurements(self) -> None:
        _ = self.measured

    def all_jobs(self) -> list[Job]:
        """One for each fit, all of a seed before the next."""
        return [
            experiment.json_job(
                f"{FITS}/{label}--{way}--{_SAMPLINGS[oversampled]}--{seed}.json",
                functools.partial(self._fit, label, way, oversampled, seed),
            )
            for seed in range(self.config.seeds)
            for way in WAYS
            for oversampled in self.config.oversample
            for label in self.methods
        ]

    def split(self, way: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """[R] bool: rows that are fitted, rows that are tested.

        Rows of networks that the device cannot run are in neither.
        """
        measured = self.measured
        groups = {
            "rows": np.arange(len(measured.values)),
            "networks": measured.network,
            "devices": _devices(measured),
        }[way]
        names = np.unique(groups)
        count = round(len(names) * self.config.test)
        left_out = np.isin(groups, np.random.default_rng(seed).permutation(names)[:count])
        runs = np.isfinite(measured.values)
        return ~left_out & runs, left_out & runs

    def _fit(
        self, label: str, way: str, oversampled: bool, seed: int, directory: pathlib.Path
    ) -> dict[str, Any]:
        measured, predictor = self.measured, self.methods[label].predictor
        train, test = self.split(way, seed)
        inputs, values = measured.inputs(), measured.values
        fitted = inputs[train], values[train]
        if oversampled:
            fitted = oversample(seed, *fitted, measured.setting[train])
        params = predictor.fit(seed, fitted[0], np.log(fitted[1]))
        found = compiled(predictor.predict)(params, jnp.asarray(inputs[test]))
        logs, spread = (np.asarray(leaf, np.float64) for leaf in found)
        wanted, predicted = np.log(values[test]), np.exp(logs)
        return {
            "label": label,
            "way": way,
            "oversampled": oversampled,
            "seed": seed,
            "fitted": len(fitted[1]),
            "test": int(test.sum()),
            "r2_log": scores.all_scores(wanted, logs)["r2"],
            "within_10": scores.all_scores(values[test], predicted)["within_10"],
            "median_ratio": float(np.exp(np.median(np.abs(logs - wanted)))),
            "spearman": _spearman_by_setting(measured.setting[test], values[test], predicted),
            **scores.calibration(wanted, logs, spread),
        }

    def analyse(self, directory: pathlib.Path) -> dict[str, Any]:
        """`described` {way: {label or "label, over-sampled": {score: mean over seeds}}}.

        Scores: r2_log, of logarithms, and r2_log_sd over seeds; median_ratio of prediction and
        measurement or its inverse, at least 1; within_10, share of errors of at most 10 %;
        spearman, within a setting; within_1_spread; the number of splits.
        """
        rows = pd.DataFrame(experiment.read_fits(directory))
        names = ["r2_log", "median_ratio", "within_10", "spearman", "within_1_spread"]
        found: dict[str, Any] = {way: {} for way in WAYS}
        keys = ["way", "label", "oversampled"]
        for (way, label, oversampled), mine in rows.groupby(keys, sort=False):
            means = {name: _rounded(mine[name].mean()) for name in names}
            sd = _rounded(mine["r2_log"].std(ddof=1)) if len(mine) > 1 else 0.0
            name = f"{label}, over-sampled" if oversampled else str(label)
            found[way][name] = means | {"r2_log_sd": sd, "splits": len(mine)}
        return {"described": {way: methods for way, methods in found.items() if methods}}


def parse_described_devices(config: Mapping[str, Any]) -> DescribedDevices:
    """Checks a config; a UserError says which section, key, name or value is not allowed."""
    check_sections(config, ("described", "predictors"), "a study of described devices")
    described = parse_section(DescribedConfig, config["described"], "described")
    return DescribedDevices(described, methods.parse_methods(config["predictors"], space=None))


def _devices(measured: Measurements) -> np.ndarray:
    """[R] int: the device of every row, however it was used."""
    names = [setting.device for setting in measured.settings]
    return np.unique(names, return_inverse=True)[1][measured.setting]


def _spearman_by_setting(setting: np.ndarray, values: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over settings with five tested rows or more of the rank correlation within each."""
    found = [
        scores.all_scores(values[setting == one], predicted[setting == one])["spearman"]
        for one, count in zip(*np.unique(setting, return_counts=True), strict=True)
        if count >= 5
    ]
    return float(np.mean(found)) if found else float("nan")


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
