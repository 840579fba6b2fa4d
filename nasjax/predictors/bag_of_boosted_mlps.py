"""The bag of boosted multi-layer perceptrons: the other inner form of AUTOCoMET's B-o-B (III.C).

    f_m,0 = mean of the member's sample
    f_m,k = f_m,k-1 + shrinkage MLP_m,k(x)     MLP_m,k fitted to the residuals of f_m,k-1

All members are fitted in one vmapped program. One member and one round are a plain MLP.
"""

import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nasjax.config import PositiveFloat, PositiveFraction, PositiveInt, settings
from nasjax.predictors import scaling
from nasjax.predictors.fit_network import fit_network
from nasjax.predictors.predictor import Params, Prediction, Predictor


@settings("predictor")
class BagOfBoostedMlpsConfig:
    """Settings of the bag and of its nets."""

    members: PositiveInt = 5  # of the bag
    sample: PositiveFraction = 0.9  # part of the measurements that each member is fitted on
    rounds: PositiveInt = 4  # nets of a member
    shrinkage: PositiveFraction = 0.7  # factor of each net's output
    width: PositiveInt = 64  # of a net's two hidden layers
    epochs: PositiveInt = 100  # of Adam, the learning rate decayed by a cosine
    batch_size: PositiveInt = 64  # rows of a step
    learning_rate: PositiveFloat = 3e-3


class _Net(nn.Module):
    """A perceptron with two hidden layers, [N, F] -> [N]."""

    width: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i in range(2):
            x = nn.relu(nn.Dense(self.width, name=f"hidden_{i}")(x))
        return nn.Dense(1, name="head")(x)[:, 0]


def _apply(width: int, params: Any, x: jax.Array) -> jax.Array:
    output: jax.Array = _Net(width).apply(params, x)  # type: ignore[assignment]
    return output


def make_bag_of_boosted_mlps(config: BagOfBoostedMlpsConfig) -> Predictor:
    """The predictor. Its params: `nets`, leaves [M, rounds, ...], and the scalings of x and y."""

    def fit(seed: int, features: np.ndarray, values: np.ndarray) -> Params:
        features, values = np.asarray(features, np.float32), np.asarray(values, np.float64)
        center, scale = scaling.center_and_scale(features)
        mean, deviation = values.mean(), values.std() or 1.0
        x = scaling.apply(features, center, scale)
        y = jnp.asarray((values - mean) / deviation, jnp.float32)
        keys = jax.random.split(jax.random.key(seed), config.members)
        nets = _fit_members(config, keys, x, y)
        return {
            "nets": jax.tree.map(np.asarray, nets),
            "center": center,
            "scale": scale,
            "mean": np.float32(mean),
            "deviation": np.float32(deviation),
            "shrinkage": np.float32(config.shrinkage),
        }

    return Predictor(fit, predict)


def predict(params: Params, features: jax.Array) -> Prediction:
    """The mean and the standard deviation of the members."""
    x = scaling.apply(features, params["center"], params["scale"])
    nets = params["nets"]
    width = nets["params"]["hidden_0"]["bias"].shape[-1]
    by_round = jax.vmap(functools.partial(_apply, width), in_axes=(0, None))
    members = params["shrinkage"] * jax.vmap(by_round, in_axes=(0, None))(nets, x).sum(1)
    members = members * params["deviation"] + params["mean"]
    return Prediction(members.mean(0), members.std(0))


@functools.partial(jax.jit, static_argnums=0)
def _fit_members(
    config: BagOfBoostedMlpsConfig, keys: jax.Array, x: jax.Array, y: jax.Array
) -> Any:
    """The nets of M members, leaves [M, rounds, ...]; the keys are consumed."""
    return jax.vmap(functools.partial(_fit_member, config), in_axes=(0, None, None))(keys, x, y)


def _fit_member(config: BagOfBoostedMlpsConfig, key: jax.Array, x: jax.Array, y: jax.Array) -> Any:
    """The nets of one member, leaves [rounds, ...]; the key is consumed."""
    sample_key, init_key, order_key = jax.random.split(key, 3)
    count = max(1, round(config.sample * len(y)))
    rows = jax.random.permutation(sample_key, len(y))[:count]
    x, y = x[rows], y[rows]
    net = _Net(config.width)
    initial = jax.vmap(net.init, in_axes=(0, None))(
        jax.random.split(init_key, config.rounds), x[:1]
    )
    drawn = jax.random.uniform(order_key, (config.rounds, config.epochs, count))

    def one_round(rest: jax.Array, start: tuple[Any, jax.Array]) -> tuple[jax.Array, Any]:
        params, orders = start
        params = fit_network(
            functools.partial(_apply, config.width),
            params,
            orders,
            x,
            rest,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
        )
        return rest - config.shrinkage * _apply(config.width, params, x), params

    return jax.lax.scan(one_round, y, (initial, drawn.argsort(axis=2)))[1]
