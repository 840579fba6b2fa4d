"""The piece-wise cost: infinite where a device cannot run a network (AUTOCoMET, equation 1).

    y(x) = infinity   where x is in B, what cannot run
           F(x)       elsewhere

B is learned too: boosted trees tell what can run, the predictor of F sees only what could.
"""

from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from nasjax.config import PositiveFraction, PositiveInt, settings
from nasjax.errors import UserError
from nasjax.predictors import trees
from nasjax.predictors.predictor import Params, Prediction, Predictor
from nasjax.predictors.trees import Trees

COST, CAN_RUN = "cost", "can_run"  # what its params hold


@settings("executability")
class ExecutabilityConfig:
    """Settings of the trees that tell which architectures a device can run."""

    rounds: PositiveInt = 300  # trees
    depth: Annotated[int, Field(ge=1, le=8)] = 6  # of a tree
    learning_rate: PositiveFraction = 0.1  # factor of each tree's output


def make_piecewise(predictor: Predictor, config: ExecutabilityConfig | None = None) -> Predictor:
    """The predictor, extended by infinite costs where a device cannot run an architecture.

    The values to fit are infinite there. `fit` raises a UserError if all of them are. Its params:
    `cost`, the predictor's, and `can_run`, trees, if any fitted architecture cannot run.
    """
    settings = config or ExecutabilityConfig()

    def fit(seed: int, features: np.ndarray, values: np.ndarray) -> Params:
        can_run = np.isfinite(values)
        if not can_run.any():
            raise UserError("all values to fit are infinite: nothing can run")
        params = {COST: predictor.fit(seed, features[can_run], values[can_run])}
        if not can_run.all():
            params[CAN_RUN] = fit_executability(settings, seed, features, can_run)
        return params

    def predict(params: Params, features: jax.Array) -> Prediction:
        cost = predictor.predict(params[COST], features)
        if CAN_RUN not in params:
            return cost
        runs = log_odds(params[CAN_RUN], features) > 0
        return Prediction(jnp.where(runs, cost.value, jnp.inf), jnp.where(runs, cost.spread, 0))

    return Predictor(fit, predict)


def fit_executability(
    config: ExecutabilityConfig, seed: int, features: np.ndarray, can_run: np.ndarray
) -> Params:
    """Fits boosted trees to features [N, F] and can_run [N] bool; both classes weigh the same."""
    import xgboost

    weights = np.where(can_run, 1 / max(can_run.sum(), 1), 1 / max((~can_run).sum(), 1))
    data = xgboost.DMatrix(features, can_run, weight=weights * len(can_run) / 2)
    settings = {
        "objective": "binary:logistic",
        "max_depth": config.depth,
        "eta": config.learning_rate,
        "seed": seed,
        "nthread": 1,
    }
    return trees.from_xgboost([xgboost.train(settings, data, config.rounds)])._asdict()


def log_odds(params: Params, features: jax.Array) -> jax.Array:
    """Log odds that the device can run the architectures, [N, F] -> [N]."""
    return trees.evaluate(Trees(**params), features)[0]
