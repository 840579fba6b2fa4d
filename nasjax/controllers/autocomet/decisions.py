"""Which decisions shaping changes: the greedy choice with the potentials beside that of Q alone.

For reports: nothing is learned from it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nasjax.controllers.autocomet import shaping
from nasjax.types import Metrics


class Decisions(NamedTuple):
    """Of the L slots of an architecture, each after the choices in the slots before it.

    Attributes:
      changed: [L] bool: with the potentials another choice is preferred than by Q alone.
      potential_spread: [L] by how much sum_i epsilon_i Phi_i differs at most between the choices.
      q_spread: [L] the same of Q.
    """

    changed: jax.Array
    potential_spread: jax.Array
    q_spread: jax.Array


def compare(q: jax.Array, phi: jax.Array, epsilon: jax.Array, is_choice: jax.Array) -> Decisions:
    """[L, K], [S, L, K], [S] and whether a slot has that choice, [L, K]."""
    add = jax.vmap(shaping.preferences, in_axes=(0, 1, None))
    added, shaped = add(jnp.zeros_like(q), phi, epsilon), add(q, phi, epsilon)

    def greedy(values: jax.Array) -> jax.Array:
        return jnp.where(is_choice, values, -jnp.inf).argmax(-1)

    def spread(values: jax.Array) -> jax.Array:
        most = jnp.where(is_choice, values, -jnp.inf).max(-1)
        return most - jnp.where(is_choice, values, jnp.inf).min(-1)

    return Decisions(greedy(shaped) != greedy(q), spread(added), spread(q))


def by_slot(found: Decisions, slot_names: Sequence[str], is_on: jax.Array) -> Metrics:
    """ "changed/SLOT" (0 or 1), "potential_spread/SLOT", "q_spread/SLOT"; NaN where it is off."""
    return {
        f"{kind}/{slot}": jnp.where(is_on, values[i].astype(jnp.float32), jnp.nan)
        for kind, values in found._asdict().items()
        for i, slot in enumerate(slot_names)
    }
