"""Trees inside jit: XGBoost's own predictions, and a tree worked by hand."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.predictors import trees
from nasjax.predictors.trees import Trees

xgboost = pytest.importorskip("xgboost")

evaluate = jax.jit(trees.evaluate)


def rows(count, seed=0, missing=0.2):
    """Whole numbers, so that many values equal a threshold's neighbour; a fifth is missing."""
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 6, (count, 7)).astype(np.float32)
    values = features[:, 0] * features[:, 1] + 3 * features[:, 2] + rng.normal(size=count)
    features[rng.random(features.shape) < missing] = np.nan
    return features, values


def fitted(depth, rounds=40, seed=0, count=300, **settings):
    features, values = rows(count, seed)
    settings = {"max_depth": depth, "eta": 0.3, "nthread": 1, "seed": seed} | settings
    if settings.get("objective") == "binary:logistic":
        values = values > np.median(values)
    return xgboost.train(settings, xgboost.DMatrix(features, values), rounds)


@pytest.mark.parametrize("depth", [1, 3, 5, 8])
def test_the_sum_of_leaves_is_xgboosts_prediction_missing_values_included(depth):
    boosters = [fitted(depth, seed=seed) for seed in range(3)]
    unseen, _ = rows(2500, seed=9)
    found = evaluate(trees.from_xgboost(boosters), unseen)
    for row, booster in zip(found, boosters, strict=True):
        wanted = booster.predict(xgboost.DMatrix(unseen))
        np.testing.assert_allclose(row, wanted, rtol=1e-5, atol=1e-5)


def test_log_odds_are_those_of_a_logistic_objective():
    booster = fitted(3, objective="binary:logistic")
    unseen, _ = rows(200, seed=9)
    margin = booster.predict(xgboost.DMatrix(unseen), output_margin=True)
    found = evaluate(trees.from_xgboost([booster]), unseen)[0]
    np.testing.assert_allclose(found, margin, rtol=1e-5, atol=1e-5)


def test_members_of_unlike_size_and_a_single_leaf_are_filled_up():
    boosters = [fitted(4, rounds=7), fitted(2, rounds=3), fitted(2, rounds=2, gamma=1e9)]
    unseen, _ = rows(50, seed=9)
    found = evaluate(trees.from_xgboost(boosters), unseen)
    for row, booster in zip(found, boosters, strict=True):
        np.testing.assert_allclose(row, booster.predict(xgboost.DMatrix(unseen)), rtol=1e-5)


def test_a_row_goes_left_below_the_threshold_and_where_it_is_told_if_missing():
    #           x0 < 2 ?
    #     x1 < 5 ?     x1 < 7 ?       missing x0: right; missing x1: left on the left, else right
    #    10   20        30   40       plus a base of 1
    tree = Trees(
        feature=np.array([1, 0, 1], np.int32),
        threshold=np.array([7, 2, 5], np.float32),
        missing_left=np.array([False, False, True]),
        split=np.array([[[1, 2, 0]]], np.int32),
        leaf=np.array([[[10, 20, 30, 40]]], np.float32),
        base=np.ones(1, np.float32),
    )
    nan = np.nan
    cases = [
        (1, 4, 11),
        (1, 5, 21),
        (2, 6, 31),
        (2, 7, 41),
        (1, nan, 11),
        (nan, 6, 31),
        (3, nan, 41),
    ]
    features = jnp.asarray([case[:2] for case in cases], jnp.float32)
    np.testing.assert_array_equal(evaluate(tree, features)[0], [case[2] for case in cases])


def test_seeds_at_once_are_predicted_as_each_alone():
    forest = trees.from_xgboost([fitted(3)])
    features = np.stack([rows(5, seed)[0] for seed in range(4)])
    together = jax.jit(jax.vmap(functools.partial(trees.evaluate, forest)))(features)
    for found, alone in zip(together, features, strict=True):
        np.testing.assert_array_equal(found, evaluate(forest, alone))


def test_other_trees_for_each_are_evaluated_as_each_alone():
    forest = trees.from_xgboost([fitted(2)])
    doubled = forest._replace(leaf=2 * forest.leaf, base=2 * forest.base)
    both = jax.tree.map(lambda *leaves: np.stack(leaves), forest, doubled)
    features, _ = rows(40)
    found = jax.jit(jax.vmap(trees.evaluate, in_axes=(0, None)))(both, jnp.asarray(features))
    alone = evaluate(forest, features)
    np.testing.assert_allclose(found, np.stack([alone, 2 * alone]), rtol=1e-6)


def test_how_many_rows_are_evaluated_together_changes_nothing(monkeypatch):
    forest, (features, _) = trees.from_xgboost([fitted(3)]), rows(2500)
    together = evaluate(forest, features)
    monkeypatch.setattr(trees, "_DECIDED", 1)  # as with a million splits: a word at a time
    apart = jax.jit(lambda features: trees.evaluate(forest, features))(features)
    np.testing.assert_array_equal(apart, together)
