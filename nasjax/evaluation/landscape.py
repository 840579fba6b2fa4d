"""A closed-form stand-in for training: the best action of every layer is known."""

import jax
import jax.numpy as jnp

from nasjax.spaces.unit_box import UnitBox
from nasjax.types import INVALID, OK, Evaluator, Outcome, Proposal


def make_landscape(
    space: UnitBox, best: jax.Array, *, performance_size: int, top: float = 0.9
) -> Evaluator:
    """Accuracy = top / L * sum over the layers built of (1 - mean_j |a_j - best_j|).

    Args:
      space: the space that actions decode to.
      best: [L, A] in [0, 1], the best action of every layer.
      performance_size: P; all accuracies of a row are equal.
      top: accuracy of the best architecture.
    """

    def accuracy(architecture: jax.Array) -> jax.Array:
        built = architecture[:, 0] > 0
        distance = jnp.abs(space.coordinates(architecture) - best).mean(-1)
        return top / space.num_layers * jnp.where(built, 1 - distance, 0).sum()

    def evaluate(seed_key: jax.Array, proposal: Proposal) -> Outcome:
        ok = jax.vmap(space.is_valid)(proposal.architecture)
        measured = jnp.where(ok, jax.vmap(accuracy)(proposal.architecture), 0)
        rows = len(measured)
        return Outcome(
            accuracies=jnp.broadcast_to(measured[:, None], (rows, performance_size)),
            accuracy=measured,
            costs=jnp.zeros((rows, 0)),
            status=jnp.where(ok, OK, INVALID).astype(jnp.int32),
        )

    return Evaluator(evaluate, pure=True)
