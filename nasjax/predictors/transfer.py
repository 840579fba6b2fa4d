"""Predicts costs on a new device from known devices, its description and a few samples.

Each of K known devices has a predictor. One more device is ideal: its cost is the number of
multiply-adds. For architecture a and the new device

    log y(a) = b + s (w g(a) + v h(a)) + noise
    g(a)       [K + 1] log costs predicted for those devices, each of mean 0 and deviation 1
    h(a)       [H] features of the architecture, likewise
    w          before any sample: the known devices' likeness to the new one, see `likeness`
    v          before any sample: 0

Samples update w, v and b by Bayesian linear regression (Bishop, 2006, 3.3). The prior deviations of
w and v and the noise of the device are not set: the posterior is averaged over a grid of them,
weighted by the evidence of the samples (3.4). The scale s is that of the samples, or that of the
known devices if there are fewer than three samples.
"""

import functools
import itertools
from collections.abc import Sequence
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from nasjax.config import PositiveFloat, settings
from nasjax.devices.descriptions import CONTEXT
from nasjax.errors import UserError
from nasjax.predictors import scaling
from nasjax.predictors.predictor import Params, Prediction, Predictor

_OFFSET = 10.0  # prior deviation of b, in deviations of a device's log costs: uninformative
_FEWEST = 3  # samples that a scale is computed from


Grid = Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]


@settings("transfer")
class TransferConfig:
    """Settings of the prior; the grids are in deviations of a device's log costs."""

    bandwidth: PositiveFloat = 0.5  # distance between descriptions at which likeness is 0.6
    floor: PositiveFloat = 0.1  # likeness of an unlike device; large: descriptions do not count
    known_spread: Grid = (0.25, 0.5, 1.0, 2.0)  # of w
    feature_spread: Grid = (0.1, 0.3, 1.0)  # of v
    noise: Grid = (0.05, 0.1, 0.2, 0.4, 0.8)  # of the device


def likeness(contexts: np.ndarray, context: np.ndarray, config: TransferConfig) -> np.ndarray:
    """Likeness of K known devices to a new one: exp(-d^2 / 2 bandwidth^2) + floor, normalised.

    d^2 is the mean squared difference over the parts of a description. It is 2 for another kind of
    device. For a number it is that of logarithms, in deviations among the devices, or 2 (the mean
    for two random devices) if one is unknown. Constant parts are left out.

    From descriptions [K, C] and [C] it gives [K + 1], summing to 1; the last is the ideal device's.
    """
    everyone = np.concatenate([contexts, context[None]])
    numeric = np.array([not name.startswith("is_") for name in CONTEXT])
    other_kind = (everyone[:-1, ~numeric] != context[None, ~numeric]).any(1)
    numbers = np.log1p(everyone[:, numeric])
    there = ~np.isnan(numbers)
    known = numbers[:, there.sum(0) > 1]
    deviation = np.nanstd(known, axis=0)
    varies = deviation > 0
    scaled = known[:, varies] / deviation[varies]
    squares = np.nan_to_num((scaled[:-1] - scaled[-1:]) ** 2, nan=2.0)
    distance = (2.0 * other_kind + squares.sum(1)) / (1 + squares.shape[1])
    alike = np.append(np.exp(-distance / (2 * config.bandwidth**2)), 0.0)
    return (alike + config.floor) / (alike + config.floor).sum()


def prepare(
    known: Predictor, params: Sequence[Params], seen: np.ndarray, columns: np.ndarray, macs: int
) -> Params:
    """The input of `fit` that is the same for all new devices.

    Args:
      known: the method of the known devices' predictors; params: the fitted ones, K of them.
      seen: [M, F], features of architectures that g and h are standardised over; without costs.
      columns: [H] indices of the features in h; macs: index of the multiply-adds.
    """
    start: Params = {
        "known": {str(place): one for place, one in enumerate(params)},
        "macs": np.int32(macs),
    }
    logs = np.asarray(jax.jit(_logs, static_argnums=0)(known, start, jnp.asarray(seen)))
    feature_center, feature_scale = scaling.center_and_scale(seen[:, columns])
    return {
        **start,
        "center": logs.mean(1),
        "scale": np.maximum(logs.std(1), 1e-6),
        "columns": np.asarray(columns, np.int32),
        "feature_center": feature_center,
        "feature_scale": feature_scale,
    }


def fit(
    config: TransferConfig,
    prepared: Params,
    weights: np.ndarray,
    rows: np.ndarray,
    values: np.ndarray,
) -> Params:
    """Fits the params of `predict`.

    Args:
      prepared: see `prepare`; weights: [K + 1], the prior mean of w, see `likeness`.
      rows: [n, D], the `design` of n >= 0 samples; values: [n], their costs.

    Raises:
      UserError: a cost is not finite and above 0.
    """
    good = (values > 0) & np.isfinite(values)
    if not good.all():
        raise UserError(f"a sample costs {values[~good][0]}; costs must be finite and above 0")
    before = np.concatenate([weights, np.zeros(len(prepared["columns"]) + 1)])
    level, unit = float(weights @ prepared["center"]), float(weights @ prepared["scale"])
    rows, targets = np.asarray(rows, np.float64), np.log(values.astype(np.float64))
    if len(values):
        level = targets.mean()
    if len(values) >= _FEWEST:
        expected = max(float((rows @ before).std()), 1e-6)
        unit = float(np.clip(targets.std() / expected, unit / 10, unit * 10))
    scaled = (targets - level) / unit
    mean, covariance, noise = _posterior(config, len(weights), before, rows, scaled)
    learned = {"weights": mean, "covariance": covariance, "noise": noise}
    learned |= {"level": level, "unit": unit}
    return {**prepared, **{name: np.asarray(one, np.float32) for name, one in learned.items()}}


def predict(known: Predictor, params: Params, features: jax.Array) -> Prediction:
    """Predicts costs from features [N, F]; the spread is that of a measurement, noise included."""
    return predict_from_design(params, design(known, params, features))


def make_transfer(known: Predictor) -> Predictor:
    """A predictor of params from this module's `fit`; its own `fit` raises a UserError."""

    def refused(seed: int, features: np.ndarray, values: np.ndarray) -> Params:
        raise UserError("transfer is fitted by a study of unseen devices, which knows the others")

    return Predictor(refused, functools.partial(predict, known))


def predict_from_design(params: Params, rows: jax.Array) -> Prediction:
    """`predict` from rows of `design` [N, D], which are the same for all new devices."""
    logs = params["level"] + params["unit"] * (rows @ params["weights"])
    variance = jnp.maximum(((rows @ params["covariance"]) * rows).sum(1), 0)
    value = jnp.exp(logs)
    return Prediction(value, value * params["unit"] * jnp.sqrt(variance + params["noise"] ** 2))


def _logs(known: Predictor, prepared: Params, features: jax.Array) -> jax.Array:
    """Log costs on the known devices and the ideal one, features [N, F] -> [K + 1, N]."""
    each = [prepared["known"][str(place)] for place in range(len(prepared["known"]))]
    costs = [known.predict(params, features).value for params in each]
    return jnp.log(jnp.maximum(jnp.stack([*costs, features[:, prepared["macs"]]]), 1e-9))


def design(known: Predictor, prepared: Params, features: jax.Array) -> jax.Array:
    """The design matrix [N, D = K + 1 + H + 1]: g, h and 1, from features [N, F]."""
    logs = _logs(known, prepared, features)
    g = (logs - prepared["center"][:, None]) / prepared["scale"][:, None]
    columns = features[:, prepared["columns"]]
    h = scaling.apply(columns, prepared["feature_center"], prepared["feature_scale"])
    return jnp.concatenate([g.T, h, jnp.ones((len(features), 1))], axis=1)


def choose(config: TransferConfig, prepared: Params, rows: np.ndarray, count: int) -> np.ndarray:
    """Chooses samples: [count] indices of the rows [N, D] of `design`, the first to measure first.

    Each has the largest variance given those before it, at the middle of the grid.
    """
    spreads = (config.known_spread, config.feature_spread, config.noise)
    on_known, on_features, noise = (float(np.median(grid)) for grid in spreads)
    known = len(prepared["center"])
    variance = _variance(known, rows.shape[1] - known - 1, on_known, on_features, offset=1.0)
    scaled = np.asarray(rows, np.float64) * np.sqrt(variance)
    left, seen = np.square(scaled).sum(1), np.zeros((len(rows), count))
    chosen = np.zeros(count, int)
    for place in range(count):  # pivoted Cholesky decomposition of the rows' covariance
        chosen[place] = best = int(left.argmax())
        shared = scaled @ scaled[best] - seen[:, :place] @ seen[best, :place]
        seen[:, place] = shared / np.sqrt(left[best] + noise**2)
        left = np.maximum(left - np.square(seen[:, place]), 0)
        left[best] = 0  # not twice
    return chosen


def _posterior(
    config: TransferConfig, known: int, before: np.ndarray, rows: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """The posterior mean [D] and covariance [D, D] of the weights, and the noise's deviation."""
    count = len(before) - known - 1
    evidence, means, covariances, noises = [], [], [], []
    for on_known, on_features, noise in itertools.product(
        config.known_spread, config.feature_spread, config.noise
    ):
        variance = _variance(known, count, on_known, on_features, _OFFSET)
        spread = rows * variance
        sample_covariance = spread @ rows.T + noise**2 * np.eye(len(targets))
        error = targets - rows @ before
        solved = np.linalg.solve(sample_covariance, np.column_stack([error, spread]))
        means.append(before + spread.T @ solved[:, 0])
        covariances.append(np.diag(variance) - spread.T @ solved[:, 1:])
        noises.append(noise)
        evidence.append(-0.5 * (error @ solved[:, 0] + np.linalg.slogdet(sample_covariance)[1]))
    chance = np.exp(np.array(evidence) - max(evidence))
    chance /= chance.sum()
    mean = chance @ np.array(means)
    around = np.array(means) - mean
    covariance = np.tensordot(chance, np.array(covariances), 1) + (around.T * chance) @ around
    return mean, covariance, float(np.sqrt(chance @ np.square(noises)))


def _variance(
    known: int, count: int, on_known: float, on_features: float, offset: float
) -> np.ndarray:
    """The prior variances [D] of the weights."""
    w = np.full(known, on_known**2 / known)
    v = np.full(count, on_features**2 / max(count, 1))
    return np.concatenate([w, v, [offset**2]])
