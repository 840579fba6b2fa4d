"""Q and the potentials: perceptrons that read the features of the prefix that an action leads to.

The paper's state is the predictor's feature vector (III.D.1). An action's successor is certain, so
Q(s, a) is read from the features of the prefix s with a appended, and how many slots it fills.
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from nasjax.spaces.slots import SlotSpace

_SAMPLED = 512  # random architectures that features are standardised over
_LISTED = 2**17  # largest space whose features are computed once, in a list


class ValueNet(nn.Module):
    """Two hidden layers: [..., features] -> [...]."""

    width: int
    initial_value: float = 0.0

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for i in range(2):
            x = nn.relu(nn.Dense(self.width, name=f"hidden_{i}")(x))
        bias = nn.initializers.constant(self.initial_value)
        # Zeros: before it has learned every action is worth the same.
        head = nn.Dense(1, kernel_init=nn.initializers.zeros, bias_init=bias, name="head")
        return head(x)[..., 0]


@functools.cache
def make_encoder(space: SlotSpace) -> Callable[[jax.Array, jax.Array], jax.Array]:
    """Makes the encoder: (prefixes [N, L], filled slots []) -> [N, features + L].

    Features are standardised over random architectures; constant features are 0. The last L
    values are the number of filled slots, one-hot.
    """
    keys = jax.random.split(jax.random.key(0), _SAMPLED)
    # In float64 the mean of a constant feature is that constant, to the last bit.
    drawn = np.float64(jax.jit(jax.vmap(space.features))(jax.vmap(space.sample)(keys)))
    mean, deviation = drawn.mean(0), drawn.std(0)
    deviation = np.where(deviation > 1e-6 * np.maximum(1, np.abs(mean)), deviation, 1)

    @jax.vmap
    def standardised(prefix: jax.Array) -> jax.Array:
        return (space.features(prefix) - mean) / deviation

    listed = None
    if space.size <= _LISTED:
        listed = jax.jit(standardised)(jnp.asarray(space.from_index(np.arange(space.size))))

    def encode(prefixes: jax.Array, length: jax.Array) -> jax.Array:
        rows = prefixes[..., None]
        # A prefix has the features of the architecture that closes it.
        found = standardised(rows) if listed is None else listed[jax.vmap(space.index)(rows)]
        depth = jax.nn.one_hot(length - 1, space.num_layers)
        return jnp.concatenate([found, jnp.tile(depth, (len(rows), 1))], axis=1)

    return encode
