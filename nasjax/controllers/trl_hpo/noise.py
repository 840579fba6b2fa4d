"""Exploration noise for continuous actions."""

import jax


def ornstein_uhlenbeck(
    key: jax.Array, noise: jax.Array, *, theta: float, sigma: float
) -> jax.Array:
    """The next value of the process x <- x - theta x + sigma N(0, 1) (Lillicrap et al., 7).

    Args:
      key: consumed.
      noise: any shape, one process per element, 0 at the start of an episode.
      theta, sigma: .15 and .2 in DDPG and in TRL-HPO.
    """
    return noise - theta * noise + sigma * jax.random.normal(key, noise.shape)
