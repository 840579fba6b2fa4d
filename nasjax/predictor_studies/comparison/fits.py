"""Fits a predictor to one split of what was measured, and scores it on the rest."""

import pathlib
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.data.tables import load_table
from nasjax.predictor_studies.comparison.config import CELLS, ComparisonConfig
from nasjax.predictor_studies.experiment import compiled
from nasjax.predictor_studies.sources import Measured, read_folder
from nasjax.predictors import scores
from nasjax.predictors.features import features_of
from nasjax.predictors.predictor import Predictor
from nasjax.spaces.slots import SlotSpace

_REPEATS = 5  # of a call that is timed


def read_measured(config: ComparisonConfig, space: SlotSpace) -> Measured:
    """Reads the table of cells or, where the config names one, the folder of measurements."""
    if config.folder is None:
        table = load_table(CELLS, config.data_set, config.costs)
        architectures = table.ops.astype(np.int32)[..., None] + 1
        return Measured(features_of(space, architectures, config.data_set), table.costs)
    return read_folder(pathlib.Path(config.folder), space, config.data_set, config.costs)


def split(costs: np.ndarray, train: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits the architectures that can run, [N] costs -> indices fitted, indices tested.

    At most four fifths are fitted. The split depends on costs and seed only: it is the same for
    all methods.
    """
    runs = np.flatnonzero(np.isfinite(costs))
    order = np.random.default_rng(seed).permutation(runs)
    fitted = min(train, len(runs) * 4 // 5)
    return order[:fitted], np.sort(order[fitted:])


def fit(
    predictor: Predictor, features: np.ndarray, costs: np.ndarray, train: int, seed: int
) -> tuple[dict[str, Any], Mapping[str, np.ndarray]]:
    """Fits one `split` of features [N, F] and costs [N].

    Returns:
      Scores on the T tested architectures, see `predictors/scores.py`, with the seconds of the fit
      and the microseconds of a prediction, among all tested ones and alone.
      Their predictions: `measured`, `value` and `spread`, [T] each.
    """
    fitted, test = split(costs, train, seed)
    values = costs.astype(np.float64)
    start = time.perf_counter()
    params = predictor.fit(seed, features[fitted], values[fitted])
    fit_seconds = time.perf_counter() - start
    predict, tested = compiled(predictor.predict), jnp.asarray(features[test])
    found = jax.device_get(predict(params, tested))
    value, spread = (np.asarray(leaf, np.float64) for leaf in found)
    row = {
        "fitted": len(fitted),
        "test": len(test),
        **scores.all_scores(values[test], value),
        **scores.calibration(values[test], value, spread),
        "fit_seconds": fit_seconds,
        "microseconds": seconds(lambda: predict(params, tested)) / len(test) * 1e6,
        "single_microseconds": seconds(lambda: predict(params, tested[:1])) * 1e6,
    }
    return row, {"measured": values[test], **found._asdict()}


def seconds(call: Callable[[], Any]) -> float:
    """The median duration of some calls, after one that compiles."""
    jax.block_until_ready(call())
    durations = []
    for _ in range(_REPEATS):
        start = time.perf_counter()
        jax.block_until_ready(call())
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)
