"""Grows models layer by layer: the state of a growth or validation episode."""

import flax.struct
import jax
import jax.numpy as jnp

from nasjax.controllers.trl_hpo.imr import Imr, encode_model
from nasjax.types import Outcome, Proposal, Space


class Growth(flax.struct.PyTreeNode):
    """R models growing side by side; all models still growing have `step` layers.

    Attributes:
      actions: [R, L, A]; performance: [R, L, P]; architecture: [R, L, F] int32.
      noise: [R, A], of the exploration process.
      growing: [R] bool.
      score: [R], accuracy of the latest prefix that did not lower it.
      step: [] int32, 0 at the start of an episode.
    """

    actions: jax.Array
    performance: jax.Array
    architecture: jax.Array
    noise: jax.Array
    growing: jax.Array
    score: jax.Array
    step: jax.Array


def start(rows: int, space: Space, performance_size: int) -> Growth:
    """The start of an episode of `rows` models."""
    layers = space.num_layers
    return Growth(
        actions=jnp.zeros((rows, layers, space.action_size)),
        performance=jnp.zeros((rows, layers, performance_size)),
        architecture=jnp.zeros((rows, layers, space.layer_width), jnp.int32),
        noise=jnp.zeros((rows, space.action_size)),
        growing=jnp.ones(rows, bool),
        score=jnp.zeros(rows),
        step=jnp.int32(0),
    )


def states(imr: Imr, growth: Growth) -> jax.Array:
    """The states [R, L, E] of the models so far, as the nets see them."""
    encode = jax.vmap(encode_model, in_axes=(None, 0, 0, None))
    return encode(imr, growth.actions, growth.performance, growth.step)


def baseline(growth: Growth) -> jax.Array:
    """The accuracies [R, P] of the models so far; zeros before a first layer."""
    last = growth.performance[:, jnp.maximum(growth.step - 1, 0)]
    return jnp.where(growth.step > 0, last, 0)


def put_layer(growth: Growth, action: jax.Array, space: Space) -> Growth:
    """Writes the actions [R, A] and the layers they decode to at position `step`."""
    decode = jax.vmap(space.decode, in_axes=(0, 0, None))
    layer = decode(action, growth.architecture, growth.step)
    return growth.replace(
        actions=growth.actions.at[:, growth.step].set(action),
        architecture=growth.architecture.at[:, growth.step].set(layer),
    )


def propose(growth: Growth, mask: jax.Array, purpose: int) -> Proposal:
    """The models as a proposal; rows that stopped growing are masked."""
    return Proposal(
        architecture=growth.architecture,
        mask=growth.growing & mask,
        purpose=jnp.full(growth.growing.shape, purpose, jnp.int32),
        baseline=baseline(growth),
    )


def observe(
    growth: Growth,
    outcome: Outcome,
    reward: jax.Array,
    *,
    min_gain: float | None,
    min_accuracy: float | None,
) -> Growth:
    """Writes the accuracies of the new layers and stops models; `step` is not advanced yet.

    An invalid layer is written with the accuracies before it. A model stops when it has all layers,
    or when its new layer could not be built, added less than `min_gain`, or left the mean accuracy
    of the validation batches below `min_accuracy` (TRL-HPO, IV: 0.001 and 60 %).
    """
    performance = jnp.where(outcome.ok[:, None], outcome.accuracies, baseline(growth))
    growing = growth.growing & outcome.ok & (growth.step + 1 < growth.actions.shape[1])
    if min_gain is not None:
        growing &= reward >= min_gain
    if min_accuracy is not None:
        growing &= outcome.accuracies.mean(-1) >= min_accuracy
    better = growth.growing & outcome.ok & (reward >= 0)
    return growth.replace(
        performance=growth.performance.at[:, growth.step].set(performance),
        growing=growing,
        score=jnp.where(better, outcome.accuracy, growth.score),
    )
