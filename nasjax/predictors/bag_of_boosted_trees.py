"""The bag of boosted trees (B-o-B): AUTOCoMET's meta-behaviour predictor (III.C, Algorithm 1).

    member_m   boosted trees (XGBoost), fitted on a sample of the measurements without replacement
    value      the mean of the members
    spread     deviation of a measurement: sqrt(deviation of the members^2 + noise^2). noise is such
               that 68 % of members' errors on rows they did not see are smaller, as normal errors

Members alternate between two forms of a function of the features x, because costs are both:

    sum        w_m x + trees_m(x)     layers add up; w_m is a ridge regression, trees fit the rest
    product    exp(trees_m(x))        a device slows an operation down by a factor

A single form can be set, also "trees", trees_m(x) alone: with one member, that is XGBoost itself.
"""

import functools
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from nasjax.config import PositiveFraction, PositiveInt, settings
from nasjax.errors import UserError
from nasjax.predictors import scaling, trees
from nasjax.predictors.predictor import Params, Prediction, Predictor
from nasjax.predictors.trees import Trees

_WITHIN = 0.6827  # share of normal errors within one deviation


@settings("predictor")
class BagOfBoostedTreesConfig:
    """Settings of the bag and of its trees."""

    members: PositiveInt = 10  # of the bag
    sample: PositiveFraction = 0.9  # part of the measurements that each member is fitted on
    # See above; with "both" members alternate between "sum" and "product". A product needs
    # positive values.
    form: Literal["both", "sum", "product", "trees"] = "both"
    rounds: PositiveInt = 400  # trees of a member
    depth: Annotated[int, Field(ge=1, le=8)] = 4  # of a tree
    learning_rate: PositiveFraction = 0.05  # factor of each tree's output
    row_sample: PositiveFraction = 0.8  # part of the rows that a tree may use
    column_sample: PositiveFraction = 0.5  # part of the features that a tree may use


def make_bag_of_boosted_trees(config: BagOfBoostedTreesConfig) -> Predictor:
    """The predictor. Its params: `trees`, and `is_product`, `weights`, `offset` of each member.

    `noise` is relative to the value, or absolute (`is_absolute`) if not all values are above 0.
    """
    return Predictor(functools.partial(_fit, config), predict)


def predict(params: Params, features: jax.Array) -> Prediction:
    """The mean of the members and the spread; no member is below the smallest fitted value."""
    members = predict_members(params, features)
    value = members.mean(0)
    noise = params["noise"] * jnp.where(params["is_absolute"], 1, value)
    return Prediction(value, jnp.sqrt(members.var(0) + noise**2))


def predict_members(params: Params, features: jax.Array) -> jax.Array:
    """The predictions of each member, [N, F] -> [M, N]."""
    margins = trees.evaluate(Trees(**params["trees"]), features)
    scaled = scaling.apply(features, params["center"], params["scale"])
    linear = params["weights"] @ scaled.T + params["offset"][:, None]
    values = jnp.where(params["is_product"][:, None], jnp.exp(margins), margins + linear)
    return jnp.maximum(values, params["smallest"])


def _fit(
    config: BagOfBoostedTreesConfig, seed: int, features: np.ndarray, values: np.ndarray
) -> Params:
    import xgboost

    features = np.asarray(features, np.float32)
    values = np.asarray(values, np.float64)
    positive = config.form in ("sum", "trees") or bool((values > 0).all())
    if not positive:
        raise UserError(
            f"the smallest value to fit is {values.min()}; products need values above 0"
        )
    center, scale = scaling.center_and_scale(features)
    scaled = np.asarray(scaling.apply(features, center, scale))
    rng = np.random.default_rng(seed)
    count = max(1, round(config.sample * len(values)))
    boosters, weights, offsets, products = [], [], [], []
    is_unseen = np.ones((config.members, len(values)), bool)
    for member in range(config.members):
        rows = rng.permutation(len(values))[:count]
        is_unseen[member, rows] = False
        is_product = config.form == "product" or (config.form == "both" and member % 2 == 0)
        weight, offset = np.zeros(features.shape[1]), 0.0
        target = np.log(values[rows]) if is_product else values[rows]
        if not is_product and config.form != "trees":
            weight, offset = _ridge(scaled[rows], target)
            target = target - scaled[rows] @ weight - offset
        settings = {
            "max_depth": config.depth,
            "eta": config.learning_rate,
            "subsample": config.row_sample,
            "colsample_bytree": config.column_sample,
            "seed": int(rng.integers(2**31)),
            "nthread": 1,  # with so few rows, threads would wait for each other
        }
        boosters.append(
            xgboost.train(settings, xgboost.DMatrix(features[rows], target), config.rounds)
        )
        weights.append(weight)
        offsets.append(offset)
        products.append(is_product)
    params = {
        "trees": trees.from_xgboost(boosters)._asdict(),
        "weights": np.array(weights, np.float32),
        "offset": np.array(offsets, np.float32),
        "is_product": np.array(products),
        "center": center,
        "scale": scale,
        "smallest": np.float32(values.min()),
        "is_absolute": np.bool_(values.min() <= 0),
    }
    predicted = np.asarray(jax.jit(predict_members)(params, jnp.asarray(features)), np.float64)
    return {**params, "noise": np.float32(_noise(predicted, values, is_unseen))}


def _noise(predicted: np.ndarray, values: np.ndarray, is_unseen: np.ndarray) -> float:
    """The noise with which 68 % of members' errors [M, N] on unseen rows are within the spread."""
    if not is_unseen.any():
        return 0.0
    scale = predicted.mean(0) if values.min() > 0 else np.ones(len(values))
    beyond = np.maximum((predicted - values) ** 2 - predicted.var(0), 0)
    return float(np.quantile((np.sqrt(beyond) / scale)[is_unseen], _WITHIN))


def _ridge(features: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights [F] and offset of a ridge regression; leave-one-out errors choose its penalty."""
    from sklearn.linear_model import RidgeCV

    ridge = RidgeCV(np.logspace(-1, 4, 11)).fit(features, values)
    return ridge.coef_, float(ridge.intercept_)
