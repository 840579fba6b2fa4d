"""Diagnostics for reports: where shaping changes the greedy choice. Nothing learns from them."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp

from nasjax.controllers.autocomet import shaping
from nasjax.types import Metrics


def compare_choices(
    q: jax.Array, phi: jax.Array, epsilon: jax.Array, is_choice: jax.Array
) -> dict[str, jax.Array]:
    """Compares the greedy choices with the potentials to those of Q alone, slot by slot.

    Args:
      q: [L, K]; phi: [S, L, K]; epsilon: [S].
      is_choice: [L, K] bool, the choices that a slot has.

    Returns:
      changed: [L] bool, the potentials change the greedy choice.
      potential_spread, q_spread: [L], max minus min of sum_i epsilon_i Phi_i, and of Q.
    """
    add = jax.vmap(shaping.preferences, in_axes=(0, 1, None))
    added, shaped = add(jnp.zeros_like(q), phi, epsilon), add(q, phi, epsilon)

    def greedy(values: jax.Array) -> jax.Array:
        return jnp.where(is_choice, values, -jnp.inf).argmax(-1)

    def spread(values: jax.Array) -> jax.Array:
        most = jnp.where(is_choice, values, -jnp.inf).max(-1)
        return most - jnp.where(is_choice, values, jnp.inf).min(-1)

    changed = greedy(shaped) != greedy(q)
    return {"changed": changed, "potential_spread": spread(added), "q_spread": spread(q)}


def metrics_by_slot(
    found: Mapping[str, jax.Array], slot_names: Sequence[str], is_on: jax.Array
) -> Metrics:
    """Metrics "changed/SLOT" (0 or 1), "potential_spread/SLOT", "q_spread/SLOT"; NaN when off."""
    return {
        f"{kind}/{slot}": jnp.where(is_on, values[i].astype(jnp.float32), jnp.nan)
        for kind, values in found.items()
        for i, slot in enumerate(slot_names)
    }
