"""The contract of a predictor: `nasjax.predictors.predictor.Predictor`."""

import functools

import jax
import numpy as np

from nasjax.predictors.predictor import Predictor


def check_predictor(
    predictor: Predictor,
    features: np.ndarray,
    values: np.ndarray,
    *,
    unexplained: float = 0.1,
    missing: float = 0.0,
) -> None:
    """Raises an AssertionError unless the predictor keeps its contract.

    Args:
      features: [N, F], values: [N]: the first two thirds are fitted, the rest is predicted.
      unexplained: the most of the unseen values' variance that may be left.
      missing: the share of features that are then left out (NaN), and a fifth of the variance is
        all that must be explained; 0: the method takes no missing features.
    """
    seen = len(features) * 2 // 3
    unseen, wanted = features[seen:], values[seen:]
    params = predictor.fit(0, features[:seen], values[:seen])
    predict = functools.partial(predictor.predict, params)
    together = jax.jit(predict)(unseen)
    rest = _unexplained(together.value, wanted)
    assert rest < unexplained, f"{rest:.0%} of the variance of unseen rows is not explained"
    assert together.spread.shape == together.value.shape == wanted.shape, "both must be [N]"
    assert (np.asarray(together.spread) >= 0).all(), "a spread may not be negative"
    jax.tree.map(
        functools.partial(np.testing.assert_array_equal, err_msg="a seed must fit the same again"),
        predictor.fit(0, features[:seen], values[:seen]),
        params,
    )
    alone = jax.jit(jax.vmap(predict))(unseen[:6, None]).value[:, 0]
    message = "rows must be predicted as each alone, and under vmap"
    np.testing.assert_allclose(alone, together.value[:6], rtol=1e-5, err_msg=message)
    if missing:
        holes = np.random.default_rng(0).random(features.shape) < missing
        holed = np.where(holes, np.float32(np.nan), features)
        params = predictor.fit(0, holed[:seen], values[:seen])
        found = jax.jit(predictor.predict)(params, holed[seen:])
        rest = _unexplained(found.value, wanted)
        assert rest < 0.5, f"missing features leave {rest:.0%} of the variance"


def _unexplained(found: jax.Array, wanted: np.ndarray) -> float:
    return float(np.mean((np.asarray(found) - wanted) ** 2) / wanted.var())
