"""The intermediate model representation: a model as actor and critic see it (TRL-HPO, IV)."""

import flax.struct
import jax
import jax.numpy as jnp

EMPTY = -1.0  # the rows of layers not built yet


class Imr(flax.struct.PyTreeNode):
    """A random net that is never trained: w_action [A, E], w_performance [P, E], no bias."""

    w_action: jax.Array
    w_performance: jax.Array


def init_imr(key: jax.Array, action_size: int, performance_size: int, embed_size: int) -> Imr:
    """Weights from U(+-1/sqrt(fan_in)), as in the released code; the key is consumed."""

    def uniform(key: jax.Array, fan_in: int) -> jax.Array:
        bound = fan_in**-0.5
        return jax.random.uniform(key, (fan_in, embed_size), minval=-bound, maxval=bound)

    action_key, performance_key = jax.random.split(key)
    return Imr(uniform(action_key, action_size), uniform(performance_key, performance_size))


def encode_layer(imr: Imr, action: jax.Array, performance: jax.Array) -> jax.Array:
    """The embedded layer tanh(W_a action + W_p performance), [..., A], [..., P] -> [..., E]."""
    return jnp.tanh(action @ imr.w_action + performance @ imr.w_performance)


def encode_model(
    imr: Imr, actions: jax.Array, performance: jax.Array, length: jax.Array
) -> jax.Array:
    """The state [L, E] of a model: a row per layer built, the rest EMPTY.

    Args:
      actions: [L, A]; performance: [L, P], accuracies in [0, 1] of every prefix.
      length: [] int32, layers built.
    """
    built = (jnp.arange(actions.shape[0]) < length)[:, None]
    return jnp.where(built, encode_layer(imr, actions, performance), EMPTY)


def write_layer(
    imr: Imr, state: jax.Array, position: jax.Array, action: jax.Array, performance: jax.Array
) -> jax.Array:
    """The state [L, E] with the layer written at `position` []; differentiable in the action."""
    here = (jnp.arange(state.shape[0]) == position)[:, None]
    return jnp.where(here, encode_layer(imr, action, performance)[None], state)
