"""Support vector regression (Drucker et al., 1996): fitted by scikit-learn, evaluated in JAX."""

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.config import NonNegativeFloat, PositiveFloat, settings
from nasjax.predictors import scaling
from nasjax.predictors.predictor import Params, Prediction, Predictor


@settings("predictor")
class SupportVectorsConfig:
    """Settings; values are scaled to deviation 1 before they are fitted."""

    penalty: PositiveFloat = 3.0  # C, the price of an error
    tolerance: NonNegativeFloat = 0.05  # epsilon: errors up to it are free


def make_support_vectors(config: SupportVectorsConfig) -> Predictor:
    """The predictor: sum_i c_i exp(-gamma |x - v_i|^2) + offset, x scaled."""

    def fit(seed: int, features: np.ndarray, values: np.ndarray) -> Params:
        from sklearn.svm import SVR

        center, scale = scaling.center_and_scale(features)
        mean, deviation = values.mean(), values.std() or 1.0
        regression = SVR(C=config.penalty, epsilon=config.tolerance, gamma=1 / features.shape[1])
        scaled = np.asarray(scaling.apply(features, center, scale))
        regression.fit(scaled, (values - mean) / deviation)
        return {
            "center": center,
            "scale": scale,
            "vectors": regression.support_vectors_.astype(np.float32),
            "weights": (regression.dual_coef_[0] * deviation).astype(np.float32),
            "offset": np.float32(regression.intercept_[0] * deviation + mean),
        }

    return Predictor(fit, predict)


def predict(params: Params, features: jax.Array) -> Prediction:
    """The predicted values. There is no bag, so the spread is 0."""
    x = scaling.apply(features, params["center"], params["scale"])
    vectors = params["vectors"]
    squares = (x**2).sum(1)[:, None] + (vectors**2).sum(1)[None] - 2 * x @ vectors.T
    value = jnp.exp(-squares / x.shape[1]) @ params["weights"] + params["offset"]
    return Prediction(value, jnp.zeros_like(value))
