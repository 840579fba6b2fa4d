"""Proposals of controllers that propose whole architectures."""

import jax
import jax.numpy as jnp

from nasjax.types import PROPOSE, Proposal


def propose_whole(
    architecture: jax.Array,
    performance_size: int,
    mask: jax.Array | bool = True,
    purpose: int = PROPOSE,
) -> Proposal:
    """A proposal of architectures [B, L, F] with mask [B] bool, without a baseline."""
    rows = len(architecture)
    return Proposal(
        architecture=architecture,
        mask=jnp.broadcast_to(mask, rows),
        purpose=jnp.full(rows, purpose, jnp.int32),
        baseline=jnp.zeros((rows, performance_size)),
    )
