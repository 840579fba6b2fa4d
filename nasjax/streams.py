"""Streams of random numbers: every random number of a run is a function of (seed, name, step).

A run creates one root key, `jax.random.key(seed)`, and every consumer derives its key by name. A
resumed run therefore draws the same numbers as an uninterrupted one, and a new consumer never
shifts the numbers of another.
"""

import zlib

import jax


def stream(root_key: jax.Array, name: str, step: int | jax.Array = 0) -> jax.Array:
    """The key of the `step`-th draw of the stream called `name`.

    Args:
      root_key: the run's typed key; it is not consumed and serves any number of streams.
      name: e.g. "grow/propose"; streams share numbers only if their names share a CRC-32.
      step: a non-negative integer, traced or not.
    """
    named = jax.random.fold_in(root_key, zlib.crc32(name.encode()))
    return jax.random.fold_in(named, step)
