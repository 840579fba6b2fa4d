"""Rejection sampling inside a compiled program, which ends whatever is drawn."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

MOST_DRAWS = 10_000


def draw_until(
    is_good: Callable[[jax.Array], jax.Array],
    draw: Callable[[jax.Array], jax.Array],
    start: jax.Array,
) -> jax.Array:
    """The first good one among `start`, draw(0), draw(1), ...; the last of MOST_DRAWS if none is.

    A compiled loop cannot be interrupted, so it must end by itself.
    """

    def goes_on(carry: tuple[jax.Array, jax.Array]) -> jax.Array:
        return ~is_good(carry[1]) & (carry[0] < MOST_DRAWS)

    def again(carry: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        return carry[0] + 1, draw(carry[0])

    return jax.lax.while_loop(goes_on, again, (jnp.int32(0), start))[1]
