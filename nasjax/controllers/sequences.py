"""Architectures as sequences of choices among a space's options, layer by layer."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nasjax.types import DiscreteSpace


class Sequence(NamedTuple):
    """One architecture and the choices that built it.

    Attributes:
      choices: [L] int32, an option per layer; K = ended here or before.
      allowed: [L, K + 1] bool, the choices that were allowed; after the end, K alone.
      architecture: [L, F] int32.
    """

    choices: jax.Array
    allowed: jax.Array
    architecture: jax.Array


Choose = Callable[[int, jax.Array, jax.Array], jax.Array]


def build(space: DiscreteSpace, choose: Choose) -> Sequence:
    """Builds an architecture, one choice after another.

    Args:
      choose: (layer, the choice before or K [] int32, allowed [K + 1]) -> choice [] int32.
    """
    options = jnp.asarray(space.options)
    end = len(options)
    architecture = jnp.zeros((space.num_layers, space.layer_width), jnp.int32)
    choices: list[jax.Array] = []
    masks = []
    previous, ended = jnp.int32(end), jnp.bool_(False)
    for i in range(space.num_layers):
        only_end = jnp.arange(end + 1) == end
        mask = jnp.where(ended, only_end, space.allowed(architecture, jnp.int32(i)))
        choice = choose(i, previous, mask).astype(jnp.int32)
        choice = jnp.where(ended, end, choice)  # `choose` may ignore the mask
        ended = choice == end
        layer = jnp.where(ended, 0, options[jnp.minimum(choice, end - 1)])
        architecture = architecture.at[i].set(layer)
        choices.append(choice)
        masks.append(mask)
        previous = choice
    return Sequence(jnp.stack(choices), jnp.stack(masks), architecture)
