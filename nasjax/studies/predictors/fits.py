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
from nasjax.data.tables import IMAGES, load_table
from nasjax.errors import UserError
from nasjax.predictors import piecewise, scores
from nasjax.predictors.piecewise import ExecutabilityConfig
from nasjax.predictors.predictor import Params, Predictor
from nasjax.runs.workdir import write_json
from nasjax.studies.predictors.config import PredictorStudy

FITS, PREDICTIONS = "fits", "predictions"
_TIMED = 5  # repeats, of which the median counts


class Measured(NamedTuple):
    """All architectures of a space.

    Attributes:
      features: [N, F] float32; names: of the features.
      costs: [N, targets] float32, infinite where the device cannot run it.
    """

    features: np.ndarray
    names: tuple[str, ...]
    costs: np.ndarray


class Job(NamedTuple):
    """A fit that is still to be made."""

    label: str
    cost: str
    seed: int


def measured(study: PredictorStudy) -> Measured:
    """The features and costs of all cells.

    Raises:
      UserError: data set or costs are unknown, too few cells can be run.
    """
    comparison, space = study.comparison, study.space
    table = load_table("nas_bench_201", comparison.data_set, comparison.costs)
    architectures = jnp.asarray(table.ops.astype(np.int32)[..., None] + 1)
    image_size, classes = IMAGES[comparison.data_set]
    features = jax.jit(
        jax.vmap(
            lambda architecture: space.features(
                architecture, image_size=image_size, num_classes=classes
            )
        )
    )(architectures)
    fewest = int(np.isfinite(table.costs).sum(0).min())
    allowed = f"below {fewest}, the cells that each device can run"
    check(comparison.train < fewest, "comparison.train", comparison.train, allowed)
    return Measured(np.asarray(features), space.feature_names, table.costs)


def missing(directory: pathlib.Path, study: PredictorStudy) -> list[Job]:
    """What is not there yet; all methods of a split before the next, so that any part compares."""
    done = {(row["label"], row["cost"], row["seed"]) for row in read(directory)}
    jobs = [
        Job(label, cost, seed)
        for seed in range(study.comparison.seeds)
        for cost in study.comparison.costs
        for label in study.predictors
    ]
    return [job for job in jobs if tuple(job) not in done]


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
    train, test = split(data.costs[:, column], study.comparison.train, job.seed)
    values = data.costs[:, column].astype(np.float64)
    predictor = study.predictors[job.label]
    start = time.perf_counter()
    params = predictor.fit(job.seed, data.features[train], values[train])
    seconds = time.perf_counter() - start
    features = jnp.asarray(data.features[test])
    predict = _compiled(predictor.predict)
    found = jax.device_get(predict(params, features))
    row = {
        **job._asdict(),
        "train": len(train),
        "test": len(test),
        **scores.of(values[test], np.asarray(found.value, np.float64)),
        "fit_seconds": seconds,
        "microseconds": _seconds(lambda: predict(params, features)) / len(test) * 1e6,
        "single_microseconds": _seconds(lambda: predict(params, features[:1])) * 1e6,
    }
    for folder in (FITS, PREDICTIONS):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    if job.seed == 0:
        path = predictions_path(directory, job.label, job.cost)
        np.savez_compressed(path, allow_pickle=False, measured=values[test], **found._asdict())
    cost = job.cost.replace("/", "--")
    write_json(directory / FITS / f"{job.label}--{cost}--{job.seed}.json", row)


def predictions_path(directory: pathlib.Path, label: str, cost: str) -> pathlib.Path:
    """Where the first split's predictions are kept."""
    return directory / PREDICTIONS / f"{label}--{cost.replace('/', '--')}.npz"


def split(costs: np.ndarray, train: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of what is fitted and what is tested, of those that can run; the same for all."""
    runs = np.flatnonzero(np.isfinite(costs))
    order = np.random.default_rng(seed).permutation(runs)
    return order[:train], np.sort(order[train:])


def further(study: PredictorStudy, data: Measured) -> dict[str, Any]:
    """What is not about one fit: `executability` and `in_jit`, where they are asked for."""
    found: dict[str, Any] = {}
    if study.comparison.executability is not None:
        found["executability"] = executability(study, data)
    if study.comparison.in_jit is not None:
        predictor = study.predictors[study.comparison.in_jit]
        found["in_jit"] = in_jit(predictor, data, study.comparison.train)
    return found


def executability(study: PredictorStudy, data: Measured) -> dict[str, float]:
    """Balanced accuracy on unseen cells of trees that tell what a device can run.

    `balanced_accuracy`: after the largest number of cells seen; `balanced_accuracy_N`: after N;
    means over splits.
    """
    comparison = study.comparison
    costs = load_table("nas_bench_201", comparison.data_set, [comparison.executability or ""]).costs
    can_run = np.isfinite(costs[:, 0])
    found = {}
    for train in sorted(comparison.executability_train):
        accuracies = []
        for seed in range(comparison.seeds):
            order = np.random.default_rng(seed).permutation(len(can_run))
            seen, unseen = order[:train], order[train:]
            params = piecewise.fit_executability(
                ExecutabilityConfig(), seed, data.features[seen], can_run[seen]
            )
            odds = _compiled(piecewise.log_odds)(params, jnp.asarray(data.features[unseen]))
            accuracies.append(scores.balanced_accuracy(can_run[unseen], np.asarray(odds) > 0))
        found[f"balanced_accuracy_{train}"] = round(float(np.mean(accuracies)), 6)
    return {"balanced_accuracy": found[f"balanced_accuracy_{train}"], **found}


def in_jit(predictor: Predictor, data: Measured, train: int) -> dict[str, float]:
    """Seconds for all architectures on all targets in one program."""
    fitted: list[Params] = []
    for column in range(data.costs.shape[1]):
        rows, _ = split(data.costs[:, column], train, seed=0)
        fitted.append(predictor.fit(0, data.features[rows], data.costs[rows, column]))
    features = jnp.asarray(data.features)
    predict = jax.jit(
        lambda fitted, features: [predictor.predict(params, features).value for params in fitted]
    )
    seconds = _seconds(lambda: predict(fitted, features))
    return {
        f"seconds_{len(features)}x{len(fitted)}": round(seconds, 4),
        "microseconds_each": round(seconds / data.costs.size * 1e6, 4),
    }


@functools.cache
def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Jitted once, so that fits of the same shapes share a program."""
    return jax.jit(function)


def _seconds(call: Callable[[], Any]) -> float:
    """Of a call, compiled before; the median of some."""
    jax.block_until_ready(call())
    taken = []
    for _ in range(_TIMED):
        start = time.perf_counter()
        jax.block_until_ready(call())
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
