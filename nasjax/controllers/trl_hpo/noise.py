"""Exploration noise for continuous actions."""

import jax


def ornstein_uhlenbeck(
    key: jax.Array, noise: jax.Array, *, theta: float, sigma: float
) -> jax.Array:
    """The next value of the process x <- x - theta x + sigma N(0, 1) (Lillicrap et al., 7).

    One process per element of `noise`, 0 at the start of an episode; theta is .15 and sigma .2 in
    DDPG and in TRL-HPO. The key is consumed.
    """
    return noise - theta * noise + sigma * jax.random.normal(key, noise.shape)
