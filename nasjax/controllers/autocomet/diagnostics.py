"""Diagnostics for reports: where shaping changes the greedy choice. Nothing learns from them."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from nasjax.controllers.autocomet import shaping
from nasjax.types import Metrics


class ChoiceComparison(NamedTuple):
    """The greedy choice with the potentials beside that of Q alone, for the L slots in turn.

    Each slot is decided after the choices in the slots before it.

    Attributes:
      changed: [L] bool: the potentials change the greedy choice.
      potential_spread: [L] max minus min of sum_i epsilon_i Phi_i over the choices.
      q_spread: [L] max minus min of Q over the choices.
    """

    changed: jax.Array
    potential_spread: jax.Array
    q_spread: jax.Array


def compare_choices(
    q: jax.Array, phi: jax.Array, epsilon: jax.Array, is_choice: jax.Array
) -> ChoiceComparison:
    """Compares the greedy choices of one architecture.

    Args:
      q: [L, K]; phi: [S, L, K]; epsilon: [S].
      is_choice: [L, K] bool, the choices that a slot has.
    """
    add = jax.vmap(shaping.preferences, in_axes=(0, 1, None))
    added, shaped = add(jnp.zeros_like(q), phi, epsilon), add(q, phi, epsilon)

    def greedy(values: jax.Array) -> jax.Array:
        return jnp.where(is_choice, values, -jnp.inf).argmax(-1)

    def spread(values: jax.Array) -> jax.Array:
        most = jnp.where(is_choice, values, -jnp.inf).max(-1)
        return most - jnp.where(is_choice, values, jnp.inf).min(-1)

    return ChoiceComparison(greedy(shaped) != greedy(q), spread(added), spread(q))


def metrics_by_slot(
    found: ChoiceComparison, slot_names: Sequence[str], is_on: jax.Array
) -> Metrics:
    """Metrics "changed/SLOT" (0 or 1), "potential_spread/SLOT", "q_spread/SLOT"; NaN when off."""
    return {
        f"{kind}/{slot}": jnp.where(is_on, values[i].astype(jnp.float32), jnp.nan)
        for kind, values in found._asdict().items()
        for i, slot in enumerate(slot_names)
    }
