"""Costs on a device that was hardly measured: from known devices, its description, a few samples.

K known devices have a predictor each; one more is ideal and takes as long as there are
multiply-adds. For architecture a and the new device

    log y(a) = b + s (w g(a) + v h(a)) + noise
    g(a)       [K + 1] log costs predicted for those devices, each of mean 0 and deviation 1
    h(a)       [H] features of the architecture, likewise
    w          before any sample: the known devices' likeness to the new one, see `likeness`
    v          before any sample: 0

Samples update w, v and b as in Bayesian linear regression (Bishop, 2006, 3.3). How far w and v may
be from what they were before, and how noisy the device is, is not set: all of a grid are
tried, and their answers weighed by the evidence that the samples give for each (3.4). The scale s
is that of the samples, of the known devices where there are fewer than three.
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

_OFFSET = 10.0  # deviation of b, in deviations of a device's log costs: anything
_FEWEST = 3  # samples that a scale can be read from


Grid = Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]


@settings("transfer")
class TransferConfig:
    """Settings of the prior, before the first sample.

    The grids are deviations of w, v and the noise, in units of the deviation of a device's log
    costs.
    """

    bandwidth: PositiveFloat = 0.5  # distance between descriptions at which likeness is 0.6
    floor: PositiveFloat = 0.1  # likeness of an unlike device; large: descriptions do not count
    known_spread: Grid = (0.25, 0.5, 1.0, 2.0)  # of w
    feature_spread: Grid = (0.1, 0.3, 1.0)  # of v
    noise: Grid = (0.05, 0.1, 0.2, 0.4, 0.8)


def likeness(contexts: np.ndarray, context: np.ndarray, config: TransferConfig) -> np.ndarray:
    """[K, C] known, [C] new -> [K + 1], sums to 1: exp(-d^2 / 2 bandwidth^2) + floor, normalised.

    d^2 is the mean over the description's parts of squared differences: 2 for another kind; for a
    number that of logarithms, in deviations among the devices, 2 (what two at random differ by) if
    one is not known. Parts that no device or all devices share do not tell them apart.
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
    """What `fit` starts from, for any new device.

    Args:
      known: the known devices' predictor; params: of each of the K.
      seen: [M, F] architectures that give g and h their mean and deviation; no costs are needed.
      columns: [H] of the features, those that are h; macs: the one that is multiply-adds.
    """
    of_known = {str(place): one for place, one in enumerate(params)}
    start: Params = {"known": of_known, "macs": np.int32(macs)}
    logs = np.asarray(jax.jit(_logs, static_argnums=0)(known, start, jnp.asarray(seen)))
    feature_center, feature_scale = scaling.of(seen[:, columns])
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
    """Params of `predict`.

    Args:
      prepared: see `prepare`; weights: [K + 1] before any sample, see `likeness`.
      rows: [n, D] the samples' `design`, n >= 0; values: [n] their costs, finite and above 0.
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
    """[N, F] -> costs, in the unit of the known devices' and the samples'; may be traced.

    The spread is that of a measurement: of what is believed of the weights, and the noise.
    """
    return of_design(params, design(known, params, features))


def make_transfer(known: Predictor) -> Predictor:
    """What `fit` has fitted, as a predictor; more than features and values is needed to fit it."""

    def refused(seed: int, features: np.ndarray, values: np.ndarray) -> Params:
        raise UserError("transfer is fitted by a study of unseen devices, which knows the others")

    return Predictor(refused, functools.partial(predict, known))


def of_design(params: Params, rows: jax.Array) -> Prediction:
    """`predict` of rows of `design`, which are the same for all new devices: [N, D] -> [N]."""
    logs = params["level"] + params["unit"] * (rows @ params["weights"])
    variance = jnp.maximum(((rows @ params["covariance"]) * rows).sum(1), 0)
    value = jnp.exp(logs)
    return Prediction(value, value * params["unit"] * jnp.sqrt(variance + params["noise"] ** 2))


def _logs(known: Predictor, prepared: Params, features: jax.Array) -> jax.Array:
    """[N, F] -> [K + 1, N]: log costs on the known devices and on the ideal one."""
    of_known = [prepared["known"][str(place)] for place in range(len(prepared["known"]))]
    costs = [known.predict(params, features).value for params in of_known]
    return jnp.log(jnp.maximum(jnp.stack([*costs, features[:, prepared["macs"]]]), 1e-9))


def design(known: Predictor, prepared: Params, features: jax.Array) -> jax.Array:
    """[N, F] -> [N, D = K + 1 + H + 1]: g, h and 1."""
    logs = _logs(known, prepared, features)
    g = (logs - prepared["center"][:, None]) / prepared["scale"][:, None]
    columns = features[:, prepared["columns"]]
    h = scaling.apply(columns, prepared["feature_center"], prepared["feature_scale"])
    return jnp.concatenate([g.T, h, jnp.ones((len(features), 1))], axis=1)


def choose(config: TransferConfig, prepared: Params, rows: np.ndarray, count: int) -> np.ndarray:
    """Which of the rows [N, D] of `design` to measure first: [count] indices.

    One by one, that of which least is known: whose cost has the largest variance after those
    before it were measured (at the middle of the grid). No cost of the new device is needed.
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
    """Mean [D], covariance [D, D] of the weights, deviation of the noise: after the samples."""
    count = len(before) - known - 1
    evidence, means, covariances, noises = [], [], [], []
    for on_known, on_features, noise in itertools.product(
        config.known_spread, config.feature_spread, config.noise
    ):
        variance = _variance(known, count, on_known, on_features, _OFFSET)
        spread = rows * variance
        of_samples = spread @ rows.T + noise**2 * np.eye(len(targets))
        error = targets - rows @ before
        solved = np.linalg.solve(of_samples, np.column_stack([error, spread]))
        means.append(before + spread.T @ solved[:, 0])
        covariances.append(np.diag(variance) - spread.T @ solved[:, 1:])
        noises.append(noise)
        evidence.append(-0.5 * (error @ solved[:, 0] + np.linalg.slogdet(of_samples)[1]))
    chance = np.exp(np.array(evidence) - max(evidence))
    chance /= chance.sum()
    mean = chance @ np.array(means)
    around = np.array(means) - mean
    covariance = np.tensordot(chance, np.array(covariances), 1) + (around.T * chance) @ around
    return mean, covariance, float(np.sqrt(chance @ np.square(noises)))


def _variance(
    known: int, count: int, on_known: float, on_features: float, offset: float
) -> np.ndarray:
    """[D] of the weights before any sample."""
    of_known = np.full(known, on_known**2 / known)
    of_features = np.full(count, on_features**2 / max(count, 1))
    return np.concatenate([of_known, of_features, [offset**2]])
