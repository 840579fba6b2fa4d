"""Fits the networks among the predictors."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax


def fit_network(
    apply: Callable[[Any, jax.Array], Any],
    params: Any,
    orders: jax.Array,
    x: jax.Array,
    y: jax.Array,
    *,
    batch_size: int,
    learning_rate: float,
) -> Any:
    """Fits params by Adam on the mean squared error; the learning rate falls to 0 as a cosine.

    Args:
      apply: (params, [N, F]) -> [N]; params: the initial ones; x: [N, F]; y: [N].
      orders: [epochs, N] int32, the rows of each epoch; an incomplete last batch is left out.
    """
    size = min(batch_size, len(y))
    steps = len(y) // size
    batches = orders[:, : steps * size].reshape(-1, size)
    optimizer = optax.adam(optax.cosine_decay_schedule(learning_rate, len(batches)))

    def loss(params: Any, batch: jax.Array) -> jax.Array:
        return jnp.mean((apply(params, x[batch]) - y[batch]) ** 2)

    def step(carry: tuple[Any, Any], batch: jax.Array) -> tuple[tuple[Any, Any], None]:
        params, state = carry
        updates, state = optimizer.update(jax.grad(loss)(params, batch), state)
        return (optax.apply_updates(params, updates), state), None

    return jax.lax.scan(step, (params, optimizer.init(params)), batches)[0][0]
