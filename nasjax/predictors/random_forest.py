"""A random forest (Breiman, 2001): fitted by scikit-learn, evaluated in JAX."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.config import PositiveFraction, PositiveInt, settings
from nasjax.predictors.predictor import Params, Prediction, Predictor


@settings("predictor")
class RandomForestConfig:
    """Settings of the forest."""

    members: PositiveInt = 100  # trees
    column_sample: PositiveFraction = 0.5  # part of the features that a split may use


def make_random_forest(config: RandomForestConfig) -> Predictor:
    """The predictor. Its params: the nodes of M trees [M, most nodes], and the largest depth."""

    def fit(seed: int, features: np.ndarray, values: np.ndarray) -> Params:
        from sklearn.ensemble import RandomForestRegressor

        forest = RandomForestRegressor(
            config.members, max_features=config.column_sample, random_state=seed
        ).fit(features, values)
        return _nodes([tree.tree_ for tree in forest.estimators_])

    return Predictor(fit, predict)


def predict(params: Params, features: jax.Array) -> Prediction:
    """The mean and the standard deviation of the trees."""
    trees = {name: leaf for name, leaf in params.items() if name != "depth"}
    members = jax.vmap(_walk, in_axes=(0, None, None))(trees, params["depth"], features)
    return Prediction(members.mean(0), members.std(0))


def _walk(tree: Params, depth: jax.Array, features: jax.Array) -> jax.Array:
    """Predictions [N] of one tree [nodes]. A leaf is its own child; missing values go right."""
    rows = jnp.arange(len(features))

    def down(step: jax.Array, node: jax.Array) -> jax.Array:
        goes_left = features[rows, tree["feature"][node]] <= tree["threshold"][node]
        return jnp.where(goes_left, tree["left"][node], tree["right"][node])

    return tree["value"][jax.lax.fori_loop(0, depth, down, jnp.zeros(len(features), jnp.int32))]


def _nodes(forest: list[Any]) -> Params:
    """The trees of scikit-learn as arrays. Rounded down, thresholds compare the same in float32."""
    most = max(tree.node_count for tree in forest)

    def stacked(read: Any, dtype: type) -> np.ndarray:
        padded = np.zeros((len(forest), most), dtype)
        for row, tree in zip(padded, forest, strict=True):
            row[: tree.node_count] = read(tree)
        return padded

    def or_itself(children: np.ndarray) -> np.ndarray:
        return np.where(children < 0, np.arange(len(children)), children)

    def rounded_down(values: np.ndarray) -> np.ndarray:
        rounded = values.astype(np.float32)
        return np.where(rounded > values, np.nextafter(rounded, np.float32(-np.inf)), rounded)

    return {
        "feature": stacked(lambda tree: np.maximum(tree.feature, 0), np.int32),
        "threshold": stacked(lambda tree: rounded_down(tree.threshold), np.float32),
        "left": stacked(lambda tree: or_itself(tree.children_left), np.int32),
        "right": stacked(lambda tree: or_itself(tree.children_right), np.int32),
        "value": stacked(lambda tree: tree.value[:, 0, 0], np.float32),
        "depth": np.int32(max(tree.max_depth for tree in forest)),
    }
