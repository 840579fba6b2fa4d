"""The interface of predictors: fitting on the host, and prediction that may be traced."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

Params = Mapping[str, Any]  # arrays, or mappings of arrays; they can be saved


class Prediction(NamedTuple):
    """Predictions for N rows of features."""

    value: jax.Array  # [N], in the unit of the fitted values
    # [N], standard deviation of a bag's members, including the noise of a measurement where the
    # method says so; zeros without a bag.
    spread: jax.Array


class Predictor(NamedTuple):
    """A method that predicts one target."""

    # (seed, features [N, F] float32, values [N]) -> params; NaN features are missing
    fit: Callable[[int, np.ndarray, np.ndarray], Params]
    # (params, features [N, F]) -> Prediction; may be traced, needs neither XGBoost nor scikit-learn
    predict: Callable[[Params, jax.Array], Prediction]
