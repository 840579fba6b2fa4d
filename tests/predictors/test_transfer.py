"""Transfer to a new device: Bayes by hand, likeness of descriptions, what samples change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from nasjax.devices.descriptions import Setting, context
from nasjax.errors import UserError
from nasjax.predictors import transfer
from nasjax.predictors.predictor import Prediction, Predictor
from nasjax.predictors.transfer import TransferConfig

# A known device's cost is a feature itself: its params say which.
KNOWN = Predictor(
    lambda seed, features, values: {},
    lambda params, features: Prediction(features[:, params["column"]], jnp.zeros(len(features))),
)
PARAMS = [{"column": np.int32(0)}, {"column": np.int32(1)}]
EVEN = [0.4, 0.4, 0.2]
GPU = {"kind": "gpu", "mobile": 0, "cores": 28}


def architectures(count, seed=0):
    """Two known devices' costs, two features of the architecture, its multiply-adds."""
    rng = np.random.default_rng(seed)
    logs = rng.normal(size=(count, 3)) * [0.5, 0.2, 1] + [1, 3, 9]
    columns = np.exp(logs[:, :2]), rng.normal(size=(count, 2)), np.exp(logs[:, 2:])
    return np.concatenate(columns, 1).astype(np.float32)


def prepared():
    return transfer.prepare(KNOWN, PARAMS, architectures(200), np.array([2, 3]), macs=4)


def fitted(config, weights, features, values):
    start = prepared()
    rows = (
        transfer.design(KNOWN, start, jnp.asarray(features)) if len(features) else np.zeros((0, 6))
    )
    return transfer.fit(config, start, np.array(weights), rows, np.asarray(values, float))


def test_the_design_is_standardised_logs_of_known_costs_features_and_one():
    seen = architectures(200)
    logs, features = np.log(seen[:, [0, 1, 4]].astype(float)), seen[:, 2:4]
    wanted = np.column_stack(
        [(logs - logs.mean(0)) / logs.std(0), (features - features.mean(0)) / features.std(0)]
    )
    found = transfer.design(KNOWN, prepared(), jnp.asarray(seen))
    np.testing.assert_allclose(found[:, :5], wanted, atol=1e-4)
    np.testing.assert_array_equal(found[:, 5], 1)


def test_without_samples_the_known_devices_are_averaged_as_they_are_alike():
    # log y = level + unit * (0.7 g1 + 0.2 g2 + 0.1 g3); level and unit are averaged likewise.
    weights = [0.7, 0.2, 0.1]
    seen, new = np.log(architectures(200)[:, [0, 1, 4]]), architectures(30, seed=1)
    g = (np.log(new[:, [0, 1, 4]]) - seen.mean(0)) / seen.std(0)
    wanted = np.exp(seen.mean(0) @ weights + seen.std(0) @ weights * (g @ weights))
    params = fitted(TransferConfig(), weights, architectures(0), [])
    np.testing.assert_allclose(
        transfer.predict(KNOWN, params, jnp.asarray(new)).value, wanted, rtol=1e-4
    )


def test_a_single_point_of_the_grid_is_bayesian_linear_regression():
    # Precision form (Bishop, 2006, eq. 3.50, 3.51); the code solves for the samples instead.
    config = TransferConfig(known_spread=(0.5,), feature_spread=(0.3,), noise=(0.2,))
    samples = architectures(12, seed=2)
    values = np.exp(0.4 * np.log(samples[:, 0]) + 0.1 * samples[:, 2])
    params = fitted(config, EVEN, samples, values)
    rows = np.asarray(transfer.design(KNOWN, prepared(), jnp.asarray(samples)), float)
    before = np.array([0.4, 0.4, 0.2, 0, 0, 0])
    targets = np.log(values)
    unit = targets.std() / (rows @ before).std()
    precision = np.diag(1 / np.array([*[0.5**2 / 3] * 3, *[0.3**2 / 2] * 2, 100]))
    covariance = np.linalg.inv(precision + rows.T @ rows / 0.2**2)
    scaled = (targets - targets.mean()) / unit
    mean = covariance @ (precision @ before + rows.T @ scaled / 0.2**2)
    np.testing.assert_allclose(params["unit"], unit, rtol=1e-5)
    np.testing.assert_allclose(params["weights"], mean, atol=1e-4)
    np.testing.assert_allclose(params["covariance"], covariance, atol=1e-4)
    found = transfer.predict(KNOWN, params, jnp.asarray(samples))
    deviation = np.sqrt(np.einsum("nd,de,ne->n", rows, covariance, rows) + 0.2**2)
    np.testing.assert_allclose(found.spread, found.value * unit * deviation, rtol=1e-3)


@pytest.mark.parametrize("count", [4, 15])
def test_points_of_the_grid_weigh_as_the_samples_are_likely(count):
    samples, noises = architectures(count, seed=3), (0.1, 0.8)
    values = np.exp(np.log(samples[:, 1]) + 0.02 * np.random.default_rng(0).normal(size=count))

    def of(*noises):
        grid = TransferConfig(known_spread=(1.0,), feature_spread=(0.1,), noise=noises)
        return fitted(grid, EVEN, samples, values)

    alone, both = [of(noise) for noise in noises], of(*noises)
    rows = np.asarray(transfer.design(KNOWN, prepared(), jnp.asarray(samples)), float)
    variance = np.diag([*[1 / 3] * 3, *[0.1**2 / 2] * 2, 100])
    before = np.array([0.4, 0.4, 0.2, 0, 0, 0])
    scaled = (np.log(values) - np.log(values).mean()) / alone[0]["unit"]
    likely = np.array(
        [
            scipy.stats.multivariate_normal.logpdf(
                scaled, rows @ before, rows @ variance @ rows.T + noise**2 * np.eye(count)
            )
            for noise in noises
        ]
    )
    chance = np.exp(likely - likely.max())
    chance /= chance.sum()
    # After 15 samples a device this quiet is known to be quiet; after four it is not.
    assert chance[0] > 0.9 if count == 15 else 0.1 < chance[0] < 0.9
    means = np.stack([params["weights"] for params in alone]).astype(float)
    wanted = chance @ means
    np.testing.assert_allclose(both["weights"], wanted, atol=1e-4)
    # What is not sure which noise it is, is not sure of the weights either: total variance.
    inside = chance @ np.stack([params["covariance"].ravel() for params in alone])
    between = np.einsum("p,pd,pe->de", chance, means - wanted, means - wanted)
    assert between.max() > 1e-3 or count == 15
    np.testing.assert_allclose(both["covariance"], inside.reshape(6, 6) + between, atol=1e-4)


def test_ten_samples_find_the_device_that_it_is_like():
    samples, new = architectures(10, seed=4), architectures(500, seed=5)
    params = fitted(TransferConfig(), [0.8, 0.1, 0.1], samples, 3 * samples[:, 1] ** 2)
    found = transfer.predict(KNOWN, params, jnp.asarray(new)).value
    assert scipy.stats.spearmanr(found, new[:, 1])[0] > 0.99
    before = fitted(TransferConfig(), [0.8, 0.1, 0.1], architectures(0), [])
    guessed = transfer.predict(KNOWN, before, jnp.asarray(new)).value
    assert scipy.stats.spearmanr(guessed, new[:, 1])[0] < 0.5


def test_what_is_measured_first_is_what_least_is_known_of_after_those_before():
    config = TransferConfig(known_spread=(1.0,), feature_spread=(0.3,), noise=(0.2,))
    start = prepared()
    rows = np.asarray(transfer.design(KNOWN, start, jnp.asarray(architectures(60, seed=6))), float)
    chosen = transfer.choose(config, start, rows, 8)
    variance = np.diag([*[1 / 3] * 3, *[0.3**2 / 2] * 2, 1])
    covariance = rows @ variance @ rows.T  # of all costs, before any is measured
    for place, best in enumerate(chosen):
        seen = chosen[:place]
        noisy = covariance[np.ix_(seen, seen)] + 0.2**2 * np.eye(place)
        told = covariance[:, seen] @ np.linalg.solve(noisy, covariance[seen])
        left = np.diag(covariance - told).copy()
        left[seen] = 0
        assert left[best] == pytest.approx(left.max(), rel=1e-6)
    everything = transfer.choose(config, start, rows, len(rows))
    assert sorted(everything.tolist()) == list(range(len(rows)))  # none is chosen twice


def test_predictions_are_traced_under_vmap():
    params = fitted(TransferConfig(), EVEN, architectures(5, 1), [1, 2, 3, 4, 5])
    new = jnp.asarray(architectures(6, 2))
    alone = transfer.predict(KNOWN, params, new).value
    each = jax.jit(jax.vmap(lambda one: transfer.predict(KNOWN, params, one[None]).value[0]))(new)
    np.testing.assert_allclose(each, alone, rtol=1e-5)


def test_likeness_is_one_and_a_floor_for_the_same_description():
    # The same: exp(0) + 0.1. Another kind, and no number that varies: the distance is 2 / (1 + 0).
    one, other = context(GPU, Setting("a")), context({"kind": "cpu"}, Setting("b", batch=None))
    found = transfer.likeness(np.stack([one, other]), one, TransferConfig())
    wanted = np.array([1, np.exp(-2 / 0.5), 0]) + 0.1  # the ideal device is like none
    np.testing.assert_allclose(found, wanted / wanted.sum(), rtol=1e-5)


def test_a_higher_floor_counts_descriptions_less():
    one, other = context(GPU, Setting("a")), context({"kind": "asic"}, Setting("b"))
    shares = [
        transfer.likeness(np.stack([one, other]), one, TransferConfig(floor=floor))[1]
        for floor in (0.1, 1.0, 1e6)
    ]
    assert shares[0] < shares[1] < shares[2]
    assert shares[2] == pytest.approx(1 / 3, abs=1e-5)


def test_unknown_values_are_taken_as_two_devices_at_random():
    # Three GPUs with 1, 3 and unknown cores; log1p: 0.693, 1.386, deviation 0.3466 (of two): the
    # first is 2 deviations from the second, squared 4; the third, unknown, counts as 2.
    few, more, unknown = (
        context({"kind": "gpu"} | cores, Setting("a", batch=None))
        for cores in ({"cores": 1}, {"cores": 3}, {})
    )
    found = transfer.likeness(np.stack([more, unknown]), few, TransferConfig())
    weights = np.append(np.exp(-np.array([4, 2]) / (1 + 1) / 0.5), 0) + 0.1
    np.testing.assert_allclose(found, weights / weights.sum(), rtol=1e-5)


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan])
def test_a_sample_without_a_cost_is_refused(value):
    with pytest.raises(UserError, match="finite and above 0"):
        fitted(TransferConfig(), EVEN, architectures(2), [1.0, value])


@pytest.mark.parametrize("key", ["floor", "bandwidth"])
def test_a_setting_of_nothing_is_refused(key):
    with pytest.raises(UserError, match=rf"transfer.{key}=0; it must be > 0"):
        TransferConfig(**{key: 0})
