"""Dropout (Srivastava et al., 2014): the masks of a whole net in one draw."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np


def dropout_masks(
    module: nn.Module, shape: tuple[int, ...], rate: float, train: bool
) -> jax.Array | np.ndarray:
    """Factors [N, ...] of N activations: 0 or 1 / (1 - rate); ones unless `train`.

    A value takes 16 random bits, so the rate is met to 1 / 2^17. There is one draw, because on a
    CPU every call of the generator is expensive.
    """
    if not train or rate == 0:
        return np.ones((shape[0], *[1] * (len(shape) - 1)), np.float32)
    bits = jax.random.bits(module.make_rng("dropout"), shape, jnp.uint16)
    return jnp.where(bits >= round(rate * 2**16), np.float32(1 / (1 - rate)), 0)
