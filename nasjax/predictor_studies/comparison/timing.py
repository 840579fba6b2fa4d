"""Times predictions inside compiled programs: of a whole table, and query by query in searches."""

import statistics

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.build import Search, assemble_table
from nasjax.predictor_studies.comparison.config import CELLS, ComparisonConfig
from nasjax.predictor_studies.comparison.fits import seconds, split
from nasjax.predictor_studies.sources import Measured
from nasjax.predictors.predictor import Params, Predictor
from nasjax.studies.simulate import Searches
from nasjax.types import Evaluator, Outcome, Proposal

_SEEDS, _QUERIES = 500, 100  # of the search that predictions are timed in
_REPEATS = 3


def measure(config: ComparisonConfig, predictor: Predictor, measured: Measured) -> dict[str, float]:
    """Times predictions inside a program.

    Returns:
      `seconds_NxT`: all N architectures on all T targets.
      `microseconds_each`: one of these predictions.
      `seconds_out_of_jit`: the same N x T, operation by operation.
      `microseconds_in_search`: one prediction in REINFORCE searches of 500 seeds and 100 queries in
        one program, beyond what these searches take when they look costs up.
    """
    fitted: list[Params] = []
    for costs in measured.costs.T:
        rows, _ = split(costs, config.train, seed=0)
        fitted.append(predictor.fit(0, measured.features[rows], costs[rows]))
    features = jnp.asarray(measured.features)

    def predict(fitted: list[Params], features: jax.Array) -> list[jax.Array]:
        return [predictor.predict(params, features).value for params in fitted]

    program = jax.jit(predict)
    taken = seconds(lambda: program(fitted, features))
    return {
        f"seconds_{len(features)}x{len(fitted)}": round(taken, 4),
        "microseconds_each": round(taken / measured.costs.size * 1e6, 4),
        "seconds_out_of_jit": round(seconds(lambda: predict(fitted, features)), 4),
        "microseconds_in_search": round(_in_search(config, predictor, fitted[0]), 4),
    }


def _in_search(config: ComparisonConfig, predictor: Predictor, params: Params) -> float:
    """Microseconds of one prediction in a search, beyond those of a look-up."""
    sections = {
        "space": {"name": CELLS},
        "controller": {"name": "reinforce"},
        "evaluator": {"data_set": config.data_set, "costs": config.costs[:1]},
        "reward": {"name": "weighted_product", "target": 1.0},
    }
    looked_up = assemble_table(sections, _QUERIES)
    predicted = _predicting(looked_up, predictor, params)
    both = [Searches(search, _SEEDS, _QUERIES) for search in (looked_up, predicted)]
    durations: list[list[float]] = [[], []]
    for _ in range(_REPEATS):
        for searches, kept in zip(both, durations, strict=True):
            kept.append(searches.run(np.arange(_SEEDS)).run_seconds)
    without, with_predictions = map(statistics.median, durations)
    return (with_predictions - without) / (_SEEDS * _QUERIES) * 1e6


def _predicting(search: Search, predictor: Predictor, params: Params) -> Search:
    """The same search, its cost predicted query by query."""

    def evaluate(key: jax.Array, proposal: Proposal) -> Outcome:
        features = jax.vmap(search.space.features)(proposal.architecture)
        costs = predictor.predict(params, features).value
        return search.evaluator.evaluate(key, proposal)._replace(costs=costs[:, None])

    predicting = search.evaluation._replace(
        evaluator_of=lambda rows: Evaluator(evaluate, pure=True)
    )
    return search._replace(evaluation=predicting)
