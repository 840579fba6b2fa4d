"""Measurements on described devices: one predictor that reads networks and contexts (III.C).

It is tested on rows it has not seen, in three ways: rows at random; all rows of some networks; all
rows of some devices. Costs span orders of magnitude, so their logarithms are fitted and scored.
"""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd

from nasjax import files
from nasjax.config import check, check_sections, parse_section
from nasjax.devices import measurements
from nasjax.devices.measurements import Measurements
from nasjax.errors import UserError
from nasjax.predictor_studies import fits
from nasjax.predictor_studies.config import parse_predictors
from nasjax.predictors import scores
from nasjax.predictors.oversampling import oversample
from nasjax.predictors.predictor import Predictor
from nasjax.runs.workdir import write_json

SECTIONS = ("described", "predictors")
WAYS = ("rows", "networks", "devices")
_PUBLISHED = files.shipped("third_party")


@dataclasses.dataclass(frozen=True)
class DescribedConfig:
    """Section `described`.

    Attributes:
      folder: of measurements, see `predictors/measurements.py`; a name alone is one of
        `third_party`.
      target: what to predict, with its unit: "latency_ms".
      test: part of the rows, networks or devices that is left out and tested.
      seeds: each leaves out others.
      oversample: whether rare contexts are over-sampled; both are compared.
    """

    folder: str
    target: str = "latency_ms"
    test: float = 0.2
    seeds: int = 5
    oversample: tuple[bool, ...] = (False, True)

    def __post_init__(self) -> None:
        check(0 < self.test < 1, "described.test", self.test, "above 0, below 1")
        check(self.seeds >= 1, "described.seeds", self.seeds, ">= 1")
        check(bool(self.oversample), "described.oversample", self.oversample, "one way or both")


class DescribedStudy(NamedTuple):
    """A checked config and what was measured."""

    described: DescribedConfig
    predictors: dict[str, Predictor]
    measured: Measurements
    resolved: dict[str, Any]


class Job(NamedTuple):
    """A fit that is still to be made."""

    label: str
    way: str
    oversampled: bool
    seed: int


def parse(config: Mapping[str, Any]) -> DescribedStudy:
    """Checks a study's config and reads the measurements.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed; the folder is
        missing or damaged.
    """
    check_sections(config, SECTIONS, "a study of described devices")
    described = parse_section(DescribedConfig, config["described"], "described")
    predictors, settings = parse_predictors(config["predictors"], space=None)
    published = _PUBLISHED / described.folder
    folder = published if published.is_dir() else pathlib.Path(described.folder)
    measured = measurements.read(folder).select(described.target)
    resolved = {
        "described": dataclasses.asdict(described) | {"sha256": measurements.digest(folder)},
        "predictors": settings,
    }
    return DescribedStudy(described, predictors, measured, resolved)


def missing(directory: pathlib.Path, study: DescribedStudy) -> list[Job]:
    """What is not there yet."""
    jobs = [
        Job(label, way, oversampled, seed)
        for seed in range(study.described.seeds)
        for way in WAYS
        for oversampled in study.described.oversample
        for label in study.predictors
    ]
    return [job for job in jobs if not _path(directory, job).exists()]


def _path(directory: pathlib.Path, job: Job) -> pathlib.Path:
    how = "oversampled" if job.oversampled else "as-measured"
    return directory / fits.FITS / f"{job.label}--{job.way}--{how}--{job.seed}.json"


def split(study: DescribedStudy, way: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """[R] bool: rows that are fitted, rows that are tested; none where the device cannot run."""
    measured = study.measured
    groups = {
        "rows": np.arange(len(measured.values)),
        "networks": measured.network,
        "devices": _devices(measured),
    }[way]
    names = np.unique(groups)
    out = np.random.default_rng(seed).permutation(names)[: round(len(names) * study.described.test)]
    is_out, runs = np.isin(groups, out), np.isfinite(measured.values)
    return ~is_out & runs, is_out & runs


def _devices(measured: Measurements) -> np.ndarray:
    """[R] int: of every row its device, however it was used."""
    names = [setting.device for setting in measured.settings]
    return np.unique(names, return_inverse=True)[1][measured.setting]


def make(directory: pathlib.Path, study: DescribedStudy, job: Job) -> None:
    """Makes a fit and keeps its scores."""
    measured = study.measured
    train, test = split(study, job.way, job.seed)
    inputs, values = measured.inputs(), measured.values
    fitted = inputs[train], values[train]
    if job.oversampled:
        fitted = oversample(job.seed, *fitted, measured.setting[train])
    predictor = study.predictors[job.label]
    params = predictor.fit(job.seed, fitted[0], np.log(fitted[1]))
    found = fits.compiled(predictor.predict)(params, jnp.asarray(inputs[test]))
    logs, spread = (np.asarray(leaf, np.float64) for leaf in found)
    wanted, predicted = np.log(values[test]), np.exp(logs)
    row = {
        **job._asdict(),
        "fitted": len(fitted[1]),
        "test": int(test.sum()),
        "r2_log": scores.all_scores(wanted, logs)["r2"],
        "within_10": scores.all_scores(values[test], predicted)["within_10"],
        "median_ratio": float(np.exp(np.median(np.abs(logs - wanted)))),
        "spearman": _within_settings(measured.setting[test], values[test], predicted),
        **scores.calibration(wanted, logs, spread),
    }
    path = _path(directory, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, row)


def _within_settings(setting: np.ndarray, values: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over settings with five tested rows or more of the rank correlation within each."""
    found = [
        scores.all_scores(values[setting == one], predicted[setting == one])["spearman"]
        for one, count in zip(*np.unique(setting, return_counts=True), strict=True)
        if count >= 5
    ]
    return float(np.mean(found)) if found else float("nan")


def page(directory: pathlib.Path, study: DescribedStudy) -> dict[str, Any]:
    """`described` {way: {label or "label, over-sampled": {score: mean over seeds, r2_log_sd}}}.

    Raises:
      UserError: nothing is there yet, or a file is damaged.
    """
    rows = pd.DataFrame(fits.read(directory))
    if rows.empty:
        raise UserError(f"{directory} holds no finished fit yet")
    names = ["r2_log", "median_ratio", "within_10", "spearman", "within_1_spread"]
    found: dict[str, Any] = {way: {} for way in WAYS}
    for (way, label, oversampled), of in rows.groupby(["way", "label", "oversampled"], sort=False):
        means = {name: _rounded(of[name].mean()) for name in names}
        sd = of["r2_log"].std(ddof=1) if len(of) > 1 else 0.0
        name = f"{label}, over-sampled" if oversampled else str(label)
        found[way][name] = means | {"r2_log_sd": _rounded(sd), "splits": len(of)}
    return {"described": {way: of_way for way, of_way in found.items() if of_way}}


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def markdown(page: dict[str, Any]) -> str:
    """The report as text."""
    columns = ("R2 of logs", "sd", "median ratio", "within 10 %", "Spearman within a setting")
    lines = ["# Described devices", ""]
    for way, of_way in page["described"].items():
        lines += [f"## Unseen {way}", "", f"| predictor | {' | '.join(columns)} |"]
        lines.append("|" + " --- |" * (len(columns) + 1))
        for label, row in of_way.items():
            rho = "" if row["spearman"] is None else f"{row['spearman']:.3f}"
            lines.append(
                f"| {label} | {row['r2_log']:.3f} | {row['r2_log_sd']:.3f} "
                f"| {row['median_ratio']:.2f} | {100 * row['within_10']:.0f} % | {rho} |"
            )
        lines.append("")
    return "\n".join(lines)
