"""A matrix product that computes the gradient of its weights in the faster of two orders."""

import jax

NARROW = 64


@jax.custom_vjp
def linear(x: jax.Array, w: jax.Array) -> jax.Array:
    """x [N, inputs] @ w [inputs, outputs]."""
    return x @ w


def weight_gradient(x: jax.Array, gradient: jax.Array) -> jax.Array:
    """The product x.T @ gradient, [inputs, outputs]."""
    # On a CPU, XLA's product takes up to three times as long if its second factor is narrow.
    if gradient.shape[1] < min(NARROW, x.shape[1]):
        return (gradient.T @ x).T
    return x.T @ gradient


def _backward(
    residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    x, w = residuals
    return gradient @ w.T, weight_gradient(x, gradient)


linear.defvjp(lambda x, w: (x @ w, (x, w)), _backward)
