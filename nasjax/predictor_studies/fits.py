"""Fits every predictor to every target and split, scores it on what it has not seen."""

import functools
import json
import pathlib
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.config import check
from nasjax.data.tables import load_table
from nasjax.errors import UserError
from nasjax.predictor_studies.config import PredictorStudy
from nasjax.predictor_studies.sources import of_folder
from nasjax.predictors import scores
from nasjax.predictors.features import features_of
from nasjax.predictors.predictor import Predictor
from nasjax.runs.workdir import write_json

FITS, PREDICTIONS = "fits", "predictions"
_TIMED = 5  # repeats, of which the median counts


class Measured(NamedTuple):
    """All architectures of a space, or those of a folder of measurements.

    Attributes:
      features: [N, F] float32; names: of the features.
      costs: [N, targets] float32, infinite where the device cannot run it, NaN where it was not
        measured.
    """

    features: np.ndarray
    names: tuple[str, ...]
    costs: np.ndarray


class Job(NamedTuple):
    """A fit that is still to be made."""

    label: str
    cost: str
    seed: int
    train: int


def measured(study: PredictorStudy) -> Measured:
    """The features and costs of all cells, or of the folder's networks.

    Raises:
      UserError: data set or costs are unknown, too few networks can be run; see
        `sources.of_folder`.
    """
    comparison, space = study.comparison, study.space
    data_set, targets = comparison.data_set, comparison.costs
    if comparison.folder is None:
        table = load_table("nas_bench_201", data_set, targets)
        architectures = table.ops.astype(np.int32)[..., None] + 1
        features, costs = features_of(space, architectures, data_set), table.costs
    else:
        features, costs = of_folder(pathlib.Path(comparison.folder), space, data_set, targets)
    fewest = int(np.isfinite(costs).sum(0).min())
    allowed = f"below {fewest}, the networks that were measured and can be run, for all of costs"
    check(comparison.train < fewest, "comparison.train", comparison.train, allowed)
    return Measured(features, space.feature_names, costs)


def missing(directory: pathlib.Path, study: PredictorStudy) -> list[Job]:
    """What is not there yet; all methods of a split before the next, so that any part compares."""
    comparison = study.comparison
    jobs = [
        Job(label, cost, seed, comparison.train)
        for seed in range(comparison.seeds)
        for cost in comparison.costs
        for label in study.predictors
    ] + [
        Job(label, cost, seed, train)
        for seed in range(comparison.curve_seeds)
        for train in comparison.curve
        for cost in comparison.costs
        for label in comparison.curve_of
    ]
    return [job for job in dict.fromkeys(jobs) if not _path(directory, job).exists()]


def _path(directory: pathlib.Path, job: Job) -> pathlib.Path:
    parts = (job.label, job.cost.replace("/", "--"), str(job.train), str(job.seed))
    return directory / FITS / f"{'--'.join(parts)}.json"


def read(directory: pathlib.Path) -> list[dict[str, Any]]:
    """The fits that are there, a dict each.

    Raises:
      UserError: a file is damaged.
    """
    rows = []
    for path in sorted((directory / FITS).glob("*.json")):
        try:
            rows.append(json.loads(path.read_text(encoding="utf-8")))
        except ValueError as error:
            raise UserError(f"{path} is damaged; remove it, and it is made again") from error
    return rows


def make(directory: pathlib.Path, study: PredictorStudy, data: Measured, job: Job) -> None:
    """Makes a fit and keeps its scores; of the first split its predictions too."""
    column = study.comparison.costs.index(job.cost)
    train, test = split(data.costs[:, column], job.train, job.seed)
    values = data.costs[:, column].astype(np.float64)
    predictor = study.predictors[job.label]
    start = time.perf_counter()
    params = predictor.fit(job.seed, data.features[train], values[train])
    fit_seconds = time.perf_counter() - start
    features = jnp.asarray(data.features[test])
    predict = compiled(predictor.predict)
    found = jax.device_get(predict(params, features))
    row = {
        **job._asdict(),
        "fitted": len(train),
        "test": len(test),
        **scores.all_scores(values[test], np.asarray(found.value, np.float64)),
        **scores.calibration(values[test], *(np.asarray(leaf, np.float64) for leaf in found)),
        "fit_seconds": fit_seconds,
        "microseconds": seconds(lambda: predict(params, features)) / len(test) * 1e6,
        "single_microseconds": seconds(lambda: predict(params, features[:1])) * 1e6,
    }
    for folder in (FITS, PREDICTIONS):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    if job.seed == 0 and job.train == study.comparison.train:
        path = predictions_path(directory, job.label, job.cost)
        np.savez_compressed(path, allow_pickle=False, measured=values[test], **found._asdict())
    write_json(_path(directory, job), row)


def predictions_path(directory: pathlib.Path, label: str, cost: str) -> pathlib.Path:
    """Where the first split's predictions are kept."""
    return directory / PREDICTIONS / f"{label}--{cost.replace('/', '--')}.npz"


def split(costs: np.ndarray, train: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of what is fitted and what is tested, of those that can run; the same for all.

    At most four fifths are fitted.
    """
    runs = np.flatnonzero(np.isfinite(costs))
    order = np.random.default_rng(seed).permutation(runs)
    most = min(train, len(runs) * 4 // 5)
    return order[:most], np.sort(order[most:])


@functools.cache
def compiled(function: Callable[..., Any], *first: Predictor) -> Callable[..., Any]:
    """Jitted once, the first arguments given, so that fits of the same shapes share a program."""
    return jax.jit(functools.partial(function, *first))


def seconds(call: Callable[[], Any]) -> float:
    """Of a call, compiled before; the median of some."""
    jax.block_until_ready(call())
    taken = []
    for _ in range(_TIMED):
        start = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
