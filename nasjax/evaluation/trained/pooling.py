"""Max-pooling: the project's own kernels on a CPU, gathers forwards and backwards elsewhere.

The usual gradient of a gather is a scatter, whose order of summation is not fixed on a GPU. Here
the backward pass is a gather too: for every input element, the windows that contain it.
"""

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.evaluation.trained import native
from nasjax.evaluation.trained.windows import taps


def max_pool(x: jax.Array, kernel: int, stride: int, padding: int) -> jax.Array:
    """Max over square windows of x [N, H, W, C], over rows first, then over columns.

    Padding is at most half the kernel. Among equal values in a window, the leftmost takes the
    gradient; among these, the uppermost.
    """
    batch, height, width, channels = x.shape
    if x.dtype == jnp.float32 and native.load():
        return _with_kernels(x, kernel, stride, padding)
    x = _pool_axis(x.reshape(batch, height, width * channels), kernel, stride, padding)
    rows = x.shape[1]
    x = _pool_axis(x.reshape(batch * rows, width, channels), kernel, stride, padding)
    return x.reshape(batch, rows, x.shape[1], channels)


def _with_kernels(x: jax.Array, kernel: int, stride: int, padding: int) -> jax.Array:
    """`max_pool` by the kernels of native/."""
    shape = x.shape

    @jax.custom_vjp
    def pool(x: jax.Array) -> jax.Array:
        return native.max_pool(x, kernel, stride, padding)[0]

    def backward(chosen: jax.Array, dy: jax.Array) -> tuple[jax.Array]:
        return (native.max_pool_gradient(dy, chosen, shape),)

    pool.defvjp(lambda x: native.max_pool(x, kernel, stride, padding), backward)
    return pool(x)


def _users(covered: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The inverse of `covered` [windows, kernel]: windows and taps [size, most]; tap -1: none.

    At the image's edge a window may cover an element several times; its first tap counts.
    """
    users: list[dict[int, int]] = [{} for _ in range(size)]
    for window, elements in enumerate(covered.tolist()):
        for tap, element in enumerate(elements):
            users[element].setdefault(window, tap)
    most = max(map(len, users))
    windows = [[*u.keys(), *[0] * (most - len(u))] for u in users]
    positions = [[*u.values(), *[-1] * (most - len(u))] for u in users]
    return np.array(windows), np.array(positions)


def _pool_axis(x: jax.Array, kernel: int, stride: int, padding: int) -> jax.Array:
    """Max over windows of the middle axis of x [N, size, C]."""
    covered_by = taps(x.shape[1], kernel, stride, padding)

    @jax.custom_vjp
    def pool(x: jax.Array) -> jax.Array:
        return _take(x, covered_by).max(2)

    def forward(x: jax.Array) -> tuple[jax.Array, tuple[jax.Array, int]]:
        covered = _take(x, covered_by)
        return covered.max(2), (covered.argmax(2).astype(jnp.int8), x.shape[1])

    def backward(residuals: tuple[jax.Array, int], gradient: jax.Array) -> tuple[jax.Array]:
        chosen, size = residuals
        windows, positions = _users(covered_by, size)
        mine = _take(chosen, windows) == positions[None, :, :, None].astype(np.int8)
        return (jnp.where(mine, _take(gradient, windows), 0).sum(2),)

    pool.defvjp(forward, backward)
    return pool(x)


def _take(x: jax.Array, indices: np.ndarray) -> jax.Array:
    """x [N, size, C] at indices [A, B], [N, A, B, C]."""
    taken = jnp.take(x, indices.reshape(-1), axis=1, mode="clip")
    return taken.reshape(x.shape[0], *indices.shape, x.shape[2])
