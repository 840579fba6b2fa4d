"""Predictors of whether a device can run an architecture, alone and as part of a cost."""

import functools
from typing import Any

import jax.numpy as jnp
import numpy as np

from nasjax.data.tables import load_table
from nasjax.predictor_studies.comparison.config import CELLS, ComparisonConfig
from nasjax.predictor_studies.experiment import compiled
from nasjax.predictors import piecewise, scores
from nasjax.predictors.piecewise import ExecutabilityConfig, make_piecewise
from nasjax.predictors.predictor import Params, Predictor


def load_costs(config: ComparisonConfig) -> np.ndarray:
    """The cost `comparison.executability` of all cells, [N]; a UserError if it is unknown."""
    found: np.ndarray = load_table(CELLS, config.data_set, [config.executability or ""]).costs[:, 0]
    return found


def measure(config: ComparisonConfig, features: np.ndarray) -> dict[str, float]:
    """Balanced accuracy, on cells not fitted, of trees that tell what a device can run.

    Takes features [N, F] of all cells. `balanced_accuracy_M` after M cells, means over splits;
    `balanced_accuracy` after the most.
    """
    can_run = np.isfinite(load_costs(config))
    found: dict[str, float] = {}
    for train in sorted(config.executability_train):
        accuracies = []
        for seed in range(config.seeds):
            seen, unseen = np.split(np.random.default_rng(seed).permutation(len(can_run)), [train])
            params = piecewise.fit_executability(
                ExecutabilityConfig(), seed, features[seen], can_run[seen]
            )
            odds = compiled(piecewise.log_odds)(params, jnp.asarray(features[unseen]))
            accuracies.append(scores.balanced_accuracy(can_run[unseen], np.asarray(odds) > 0))
        found[f"balanced_accuracy_{train}"] = round(float(np.mean(accuracies)), 6)
    return {"balanced_accuracy": found[f"balanced_accuracy_{train}"], **found}


def fit_piecewise(
    predictor: Predictor, features: np.ndarray, costs: np.ndarray, train: int
) -> tuple[Params, dict[str, Any]]:
    """Fits a cost that is infinite where the device cannot run an architecture.

    Takes features [N, F] and costs [N], NaN where not measured; fits at most `train` of them.

    Returns:
      Params of `make_piecewise(predictor)`.
      The number `fitted` and, where some architectures are left to test on, `r2` of those that can
      run and are said to, and `balanced_accuracy` of whether they can, if not all can.
    """
    order = np.random.default_rng(0).permutation(len(features))
    fitted, tested = np.split(order[~np.isnan(costs[order])], [train])
    both_parts = _piecewise(predictor)
    params = both_parts.fit(0, features[fitted], costs[fitted])
    facts: dict[str, Any] = {"fitted": len(fitted)}
    if len(tested):
        found = compiled(both_parts.predict)(params, jnp.asarray(features[tested])).value
        facts |= _scores(costs[tested], np.asarray(found).astype(np.float64))
    return params, facts


@functools.cache
def _piecewise(predictor: Predictor) -> Predictor:
    return make_piecewise(predictor)  # one for all costs, whose predictions share a program


def _scores(costs: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    can_run, said = np.isfinite(costs), np.isfinite(predicted)
    both = can_run & said
    found = {"r2": round(scores.all_scores(costs[both], predicted[both])["r2"], 6)}
    if not can_run.all():
        found["balanced_accuracy"] = round(scores.balanced_accuracy(can_run, said), 6)
    return found
