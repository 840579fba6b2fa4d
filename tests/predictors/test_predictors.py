"""Each predictor agrees with its library; tests/contracts has what all must do."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.errors import UserError
from nasjax.predictors import scaling
from nasjax.predictors.bag_of_boosted_mlps import (
    BagOfBoostedMlpsConfig,
    make_bag_of_boosted_mlps,
)
from nasjax.predictors.bag_of_boosted_trees import (
    BagOfBoostedTreesConfig,
    make_bag_of_boosted_trees,
    predict_members,
)
from nasjax.predictors.piecewise import ExecutabilityConfig, make_piecewise
from nasjax.predictors.random_forest import RandomForestConfig, make_random_forest
from nasjax.predictors.support_vectors import SupportVectorsConfig, make_support_vectors
from tests.contracts.sums import measurements

pytest.importorskip("xgboost")

PREDICTORS = {
    "bag_of_boosted_trees": make_bag_of_boosted_trees(BagOfBoostedTreesConfig(4, rounds=80)),
    "bag_of_boosted_mlps": make_bag_of_boosted_mlps(
        BagOfBoostedMlpsConfig(2, rounds=2, width=16, epochs=60, batch_size=32)
    ),
    "random_forest": make_random_forest(RandomForestConfig(20)),
    "support_vectors": make_support_vectors(SupportVectorsConfig()),
}


@functools.cache
def fitted(name):
    return PREDICTORS[name].fit(0, *measurements(300))


def test_a_member_is_its_form_of_xgboosts_trees():
    import xgboost

    features, values = measurements(300)
    settings = BagOfBoostedTreesConfig(1, sample=1.0, rounds=30, row_sample=1.0, column_sample=1.0)
    plain = {"max_depth": 4, "eta": 0.05, "nthread": 1}
    unseen = measurements(50, seed=3)[0]

    def by_hand(target):
        booster = xgboost.train(plain, xgboost.DMatrix(features, target), 30)
        return booster.predict(xgboost.DMatrix(unseen))

    def member(form):
        bag = make_bag_of_boosted_trees(dataclasses.replace(settings, form=form))
        params = bag.fit(0, features, values)
        return params, predict_members(params, unseen)[0]

    np.testing.assert_allclose(member("trees")[1], by_hand(values), rtol=1e-5)
    np.testing.assert_allclose(member("product")[1], np.exp(by_hand(np.log(values))), rtol=1e-5)
    params, found = member("sum")

    def line(rows):
        scaled = np.asarray(scaling.apply(rows, params["center"], params["scale"]))
        return scaled @ params["weights"][0] + params["offset"][0]

    wanted = line(unseen) + by_hand(values - line(features))
    np.testing.assert_allclose(found, np.maximum(wanted, values.min()), rtol=1e-4)


def test_the_bags_spread_is_its_members_deviation_and_noise_that_is_learned_from_unseen_rows():
    # Values are e^x0 times lognormal noise of deviation 0.1, which no feature tells.
    rng = np.random.default_rng(0)
    features = rng.uniform(0, 2, (1500, 3)).astype(np.float32)
    values = np.exp(features[:, 0] + 0.1 * rng.normal(size=1500))
    bag = make_bag_of_boosted_trees(
        BagOfBoostedTreesConfig(members=4, sample=0.7, rounds=30, learning_rate=0.2, depth=3)
    )
    params = bag.fit(0, features[:700], values[:700])
    assert 0.07 < params["noise"] < 0.13
    unseen = jnp.asarray(features[700:])
    found, members = bag.predict(params, unseen), np.asarray(predict_members(params, unseen))
    wanted = np.sqrt(members.var(0) + (params["noise"] * members.mean(0)) ** 2)
    np.testing.assert_allclose(found.spread, wanted, rtol=1e-4)
    # Of 800 normal errors 68 % lie within a deviation, give or take 5 (three deviations).
    within = np.abs(found.value - values[700:]) <= found.spread
    assert 0.6 < within.mean() < 0.8
    # With a value of 0 noise is of the values' unit; a bag of all rows has none it did not see.
    sums = BagOfBoostedTreesConfig(members=1, sample=1.0, rounds=5, form="sum")
    whole = make_bag_of_boosted_trees(sums).fit(0, features[:50], values[:50] - values[:50].min())
    assert whole["is_absolute"] and whole["noise"] == 0


def test_the_forest_and_the_support_vectors_are_scikit_learns():
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.svm import SVR

    features, values = measurements(300)
    unseen = np.random.default_rng(4).uniform(0, 3, (200, 5)).astype(np.float32)
    forest = RandomForestRegressor(20, max_features=0.5, random_state=0).fit(features, values)
    found = PREDICTORS["random_forest"].predict(fitted("random_forest"), jnp.asarray(unseen))
    np.testing.assert_allclose(found.value, forest.predict(unseen), rtol=1e-5)
    of_trees = np.stack([tree.predict(unseen) for tree in forest.estimators_])
    np.testing.assert_allclose(found.spread, of_trees.std(0), rtol=1e-3, atol=1e-4)

    mean, deviation = features.mean(0), features.std(0)
    machine = SVR(C=3, epsilon=0.05, gamma=1 / 5)
    machine.fit((features - mean) / deviation, (values - values.mean()) / values.std())
    wanted = machine.predict((unseen - mean) / deviation) * values.std() + values.mean()
    found = PREDICTORS["support_vectors"].predict(fitted("support_vectors"), jnp.asarray(unseen))
    np.testing.assert_allclose(found.value, wanted, rtol=1e-3)


def test_a_boosted_member_is_the_mean_and_its_shrunk_nets():
    params = fitted("bag_of_boosted_mlps")
    features, _ = measurements(7, seed=4)
    x = (features - params["center"]) / params["scale"]
    members = []
    for member in range(2):
        total = np.zeros(7)
        for boost in range(2):
            hidden = x
            for name in ("hidden_0", "hidden_1", "head"):
                layer = {k: v[member, boost] for k, v in params["nets"]["params"][name].items()}
                hidden = hidden @ layer["kernel"] + layer["bias"]
                hidden = np.maximum(hidden, 0) if name != "head" else hidden
            total += 0.7 * hidden[:, 0]
        members.append(total * measurements(300)[1].std() + measurements(300)[1].mean())
    found = PREDICTORS["bag_of_boosted_mlps"].predict(params, jnp.asarray(features))
    np.testing.assert_allclose(found.value, np.mean(members, 0), rtol=1e-4)
    np.testing.assert_allclose(found.spread, np.std(members, 0), rtol=1e-2, atol=1e-4)


def test_what_cannot_run_is_infinite_and_the_rest_is_as_without_it():
    features, values = measurements(400)
    cannot = features[:, 0] == 3
    values = np.where(cannot, np.inf, values)
    bag = PREDICTORS["bag_of_boosted_trees"]
    piecewise = make_piecewise(bag, ExecutabilityConfig(rounds=30))
    params = piecewise.fit(0, features, values)
    unseen = measurements(200, seed=5)[0]
    found = jax.jit(piecewise.predict)(params, unseen)
    np.testing.assert_array_equal(np.isinf(found.value), unseen[:, 0] == 3)
    alone = bag.predict(bag.fit(0, features[~cannot], values[~cannot]), jnp.asarray(unseen))
    runs = unseen[:, 0] != 3
    np.testing.assert_allclose(found.value[runs], alone.value[runs], rtol=1e-5)


def test_a_mistake_ends_in_one_line():
    features, values = measurements(20)
    bag = PREDICTORS["bag_of_boosted_trees"]
    with pytest.raises(UserError, match="smallest value to fit is -.*above 0"):
        bag.fit(0, features, values - 50)
    with pytest.raises(UserError, match="all values to fit are infinite"):
        make_piecewise(bag).fit(0, features, np.full(20, np.inf))
    with pytest.raises(UserError, match="depth=9; it must be from 1 to 8"):
        BagOfBoostedTreesConfig(depth=9)
