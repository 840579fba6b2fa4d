"""What every predictor is: a fit on the host, and a prediction that may be traced."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

Params = Mapping[str, Any]  # arrays, or mappings of such: what is saved


class Prediction(NamedTuple):
    """For N rows of features.

    Attributes:
      value: [N], in the unit of what was fitted.
      spread: [N], standard deviation: of a bag's members, and of a measurement's noise where the
        method says so; zeros where there is no bag.
    """

    value: jax.Array
    spread: jax.Array


class Predictor(NamedTuple):
    """One target of one method.

    fit: (seed, features [N, F] float32, values [N]) -> params; NaN features are missing.
    predict: (params, features [N, F]) -> Prediction; may be traced, needs neither XGBoost nor
      scikit-learn.
    """

    fit: Callable[[int, np.ndarray, np.ndarray], Params]
    predict: Callable[[Params, jax.Array], Prediction]
