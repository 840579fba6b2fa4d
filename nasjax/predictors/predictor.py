"""The interface of predictors: fitting on the host, and prediction that may be traced."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

Params = Mapping[str, Any]  # arrays, or mappings of arrays; they can be saved


class Prediction(NamedTuple):
    """Predictions for N rows of features.

    Attributes:
      value: [N], in the unit of the fitted values.
      spread: [N], standard deviation of a bag's members, including the noise of a measurement where
        the method says so; zeros without a bag.
    """

    value: jax.Array
    spread: jax.Array


class Predictor(NamedTuple):
    """A method that predicts one target.

    fit: (seed, features [N, F] float32, values [N]) -> params; NaN features are missing.
    predict: (params, features [N, F]) -> Prediction; may be traced, needs neither XGBoost nor
      scikit-learn.
    """

    fit: Callable[[int, np.ndarray, np.ndarray], Params]
    predict: Callable[[Params, jax.Array], Prediction]
