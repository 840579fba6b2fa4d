"""Every random number of a run is a function of (seed, name, step).

A run creates one root key, `jax.random.key(seed)`. Whoever needs randomness derives it by name,
so a resumed run draws what an uninterrupted one would have drawn, and a new consumer of
randomness never shifts the numbers of another.
"""

import zlib

import jax


def stream(root_key: jax.Array, name: str, step: int | jax.Array = 0) -> jax.Array:
    """The key of the `step`-th draw of the stream called `name`.

    Args:
      root_key: the run's typed key; it is not consumed and may be used for any number of streams.
      name: e.g. "grow/propose"; two streams share numbers only if they share their name's CRC-32.
      step: a non-negative integer, traced or not.
    """
    named = jax.random.fold_in(root_key, zlib.crc32(name.encode()))
    return jax.random.fold_in(named, step)
