"""Fits a predictor to one split of what was measured, and scores it on the rest."""

import itertools
import pathlib
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.config import check
from nasjax.data.tables import load_table
from nasjax.predictor_studies.comparison.config import CELLS, ComparisonConfig
from nasjax.predictor_studies.experiment import compiled
from nasjax.predictor_studies.sources import read_folder
from nasjax.predictors import scores
from nasjax.predictors.features import features_of
from nasjax.predictors.predictor import Predictor
from nasjax.spaces.slots import SlotSpace

_REPEATS = 5  # of a call that is timed


class Measured(NamedTuple):
    """All N architectures of a space, or those of a folder of measurements.

    Attributes:
      features: [N, F] float32.
      feature_names: [F].
      costs: [N, targets] float32, infinite where the device cannot run an architecture, NaN where
        it was not measured.
    """

    features: np.ndarray
    feature_names: tuple[str, ...]
    costs: np.ndarray


class Fit(NamedTuple):
    """One fit: a method, a cost, a split and the number of architectures fitted on."""

    label: str
    cost: str
    seed: int
    train: int

    @property
    def name(self) -> str:
        """Unique among the fits of a comparison; it names a file."""
        return f"{self.label}--{self.cost.replace('/', '--')}--{self.train}--{self.seed}"


def list_fits(config: ComparisonConfig, labels: Sequence[str]) -> list[Fit]:
    """The fits of the table, all methods of a split before the next, then those of the curves."""
    table = itertools.product(range(config.seeds), [config.train], config.costs, labels)
    curve = itertools.product(
        range(config.curve_seeds), config.curve, config.costs, config.curve_of
    )
    fits = [Fit(label, cost, seed, train) for seed, train, cost, label in (*table, *curve)]
    return list(dict.fromkeys(fits))


def read_measured(config: ComparisonConfig, space: SlotSpace) -> Measured:
    """Reads the table of cells or, where the config names one, the folder of measurements.

    Raises:
      UserError: data set or costs are unknown; see `sources.read_folder`.
    """
    if config.folder is None:
        table = load_table(CELLS, config.data_set, config.costs)
        architectures = table.ops.astype(np.int32)[..., None] + 1
        features = features_of(space, architectures, config.data_set)
        return Measured(features, space.feature_names, table.costs)
    folder = pathlib.Path(config.folder)
    features, costs = read_folder(folder, space, config.data_set, config.costs)
    return Measured(features, space.feature_names, costs)


def check_measured(config: ComparisonConfig, measured: Measured) -> None:
    """Raises a UserError unless some architectures are left to test on, for every cost."""
    fewest = int(np.isfinite(measured.costs).sum(0).min())
    allowed = f"below {fewest}, the networks that were measured and can be run, for all of costs"
    check(config.train < fewest, "comparison.train", config.train, allowed)


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
    fit: Fit, predictor: Predictor, features: np.ndarray, costs: np.ndarray
) -> tuple[dict[str, Any], Mapping[str, np.ndarray]]:
    """Fits one split.

    Args:
      features: [N, F].
      costs: [N], infinite or NaN where there is nothing to fit.

    Returns:
      Scores on the T tested architectures, see `predictors/scores.py`, with the seconds of the fit
      and the microseconds of a prediction, among all tested ones and alone.
      Their predictions: `measured`, `value` and `spread`, [T] each.
    """
    train, test = split(costs, fit.train, fit.seed)
    values = costs.astype(np.float64)
    start = time.perf_counter()
    params = predictor.fit(fit.seed, features[train], values[train])
    fit_seconds = time.perf_counter() - start
    predict, tested = compiled(predictor.predict), jnp.asarray(features[test])
    found = jax.device_get(predict(params, tested))
    value, spread = (np.asarray(leaf, np.float64) for leaf in found)
    row = {
        **fit._asdict(),
        "fitted": len(train),
        "test": len(test),
        **scores.of(values[test], value),
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
