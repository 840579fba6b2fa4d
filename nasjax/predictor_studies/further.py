"""What a study of predictors finds out beside single fits: executability, speed; what it keeps."""

import pathlib
import statistics
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.build import TableParts, assemble_table
from nasjax.data.tables import load_table
from nasjax.predictor_studies.config import PredictorStudy
from nasjax.predictor_studies.fits import Measured, compiled, seconds, split
from nasjax.predictors import piecewise, saved, scores
from nasjax.predictors.piecewise import ExecutabilityConfig, make_piecewise
from nasjax.predictors.predictor import Params, Predictor
from nasjax.predictors.saved import Saved
from nasjax.runs.workdir import versions
from nasjax.studies.simulate import Searches
from nasjax.types import Evaluator, Outcome, Proposal

SAVED = "saved"
_SEARCHES, _QUERIES = 500, 100  # of the search that predictions are timed in


def further(directory: pathlib.Path, study: PredictorStudy, data: Measured) -> dict[str, Any]:
    """`executability`, `in_jit` and `saved`, where they are asked for."""
    found: dict[str, Any] = {}
    if study.comparison.executability is not None:
        found["executability"] = executability(study, data)
    if study.comparison.in_jit is not None:
        found["in_jit"] = in_jit(study, data)
    if study.comparison.save is not None:
        found["saved"] = save(directory, study, data)
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
            odds = compiled(piecewise.log_odds)(params, jnp.asarray(data.features[unseen]))
            accuracies.append(scores.balanced_accuracy(can_run[unseen], np.asarray(odds) > 0))
        found[f"balanced_accuracy_{train}"] = round(float(np.mean(accuracies)), 6)
    return {"balanced_accuracy": found[f"balanced_accuracy_{train}"], **found}


def in_jit(study: PredictorStudy, data: Measured) -> dict[str, float]:
    """How long predictions take inside a program.

    seconds_NxT: all N architectures on all T targets; microseconds_each: of these, one;
    seconds_out_of_jit: the same, its operations one by one; microseconds_in_search: one in a search
    by REINFORCE, 500 seeds in one program, each of its 100 queries predicted when it is asked for,
    less what that search takes without.
    """
    predictor = study.predictors[study.comparison.in_jit or ""]
    fitted: list[Params] = []
    for column in range(data.costs.shape[1]):
        rows, _ = split(data.costs[:, column], study.comparison.train, seed=0)
        fitted.append(predictor.fit(0, data.features[rows], data.costs[rows, column]))
    features = jnp.asarray(data.features)

    def predict(fitted: list[Params], features: jax.Array) -> list[jax.Array]:
        return [predictor.predict(params, features).value for params in fitted]

    program = jax.jit(predict)
    taken = seconds(lambda: program(fitted, features))
    return {
        f"seconds_{len(features)}x{len(fitted)}": round(taken, 4),
        "microseconds_each": round(taken / data.costs.size * 1e6, 4),
        "seconds_out_of_jit": round(seconds(lambda: predict(fitted, features)), 4),
        "microseconds_in_search": round(_in_search(study, predictor, fitted[0]), 4),
    }


def _in_search(study: PredictorStudy, predictor: Predictor, params: Params) -> float:
    comparison = study.comparison
    config = {
        "space": {"name": "nas_bench_201"},
        "controller": {"name": "reinforce"},
        "evaluator": {"data_set": comparison.data_set, "costs": comparison.costs[:1]},
        "reward": {"name": "weighted_product", "target": 1.0},
    }
    looked_up = assemble_table(config, _QUERIES)
    both = [
        Searches(parts, _SEARCHES, _QUERIES)
        for parts in (looked_up, _predicting(looked_up, predictor, params))
    ]
    taken: list[list[float]] = [[], []]
    for _ in range(3):
        for search, kept in zip(both, taken, strict=True):
            kept.append(search.run(np.arange(_SEARCHES)).run_seconds)
    without, with_it = map(statistics.median, taken)
    return (with_it - without) / (_SEARCHES * _QUERIES) * 1e6


def _predicting(parts: TableParts, predictor: Predictor, params: Params) -> TableParts:
    """The same search, its costs predicted query by query."""

    def evaluate(key: jax.Array, proposal: Proposal) -> Outcome:
        features = jax.vmap(parts.space.features)(proposal.architecture)
        costs = predictor.predict(params, features).value
        return parts.evaluator.evaluate(key, proposal)._replace(costs=costs[:, None])

    return parts._replace(evaluator_of=lambda rows: Evaluator(evaluate, pure=True))


def save(
    directory: pathlib.Path, study: PredictorStudy, data: Measured
) -> dict[str, dict[str, Any]]:
    """Keeps a predictor for each cost, infinite where the device cannot run a cell.

    By cost: where it is, and of the cells it was not fitted on r2 (of those that can run) and
    balanced_accuracy (of whether they can), if there are such.
    """
    comparison = study.comparison
    label = comparison.save or ""
    settings = {key: value for key, value in study.settings[label].items() if key != "name"}
    predictor = make_piecewise(study.predictors[label])
    order = np.random.default_rng(0).permutation(len(data.features))
    found = {}
    for column, cost in enumerate(comparison.costs):
        values = data.costs[:, column].astype(np.float64)
        measured = order[~np.isnan(values[order])]
        seen, unseen = np.split(measured, [comparison.save_train])
        path = directory / SAVED / cost.rpartition("/")[2]
        if not (path / saved.PAGE).exists():
            params = predictor.fit(0, data.features[seen], values[seen])
            facts = {"data_set": comparison.data_set, "cost": cost, "fitted": len(seen)}
            if len(unseen):
                predict = compiled(predictor.predict)
                predicted = np.asarray(predict(params, jnp.asarray(data.features[unseen])).value)
                facts |= _unseen_scores(values[unseen], predicted.astype(np.float64))
            facts |= versions()
            method = study.settings[label]["name"]
            saved.save(path, Saved(method, settings, path.name, data.names, params, facts))
        facts = saved.load(path).facts
        found[cost] = {"path": str(path)} | {
            name: facts[name] for name in ("r2", "balanced_accuracy") if name in facts
        }
    return found


def _unseen_scores(values: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    can_run, said = np.isfinite(values), np.isfinite(predicted)
    both = can_run & said
    found = {"r2": round(scores.of(values[both], predicted[both])["r2"], 6)}
    if not can_run.all():
        found["balanced_accuracy"] = round(scores.balanced_accuracy(can_run, said), 6)
    return found
