"""Convolution windows and max-pooling as gathers, forwards and backwards.

A gather's usual gradient is a scatter: slow on a CPU, and in no fixed order on a GPU. Here the
backward pass gathers too: every input element knows the windows it lies in. Slices that are put
side by side, added up or compared took longer to run and to compile: WORKSPACE.md has the figures.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np


def conv2d(x: jax.Array, w: jax.Array, kernel: int, stride: int) -> jax.Array:
    """Valid convolution of x [N, H, W, C] with w [kernel * kernel * C, F]: one matmul.

    Either every window's inputs are gathered and multiplied with all weights (im2col), or every
    input is multiplied with all taps' weights and every window adds up its products: less memory
    where there are far fewer filters than channels.

    Returns:
      [N, rows, columns, F].
    """
    batch, height, width, channels = x.shape
    filters = w.shape[1]
    rows, columns = (output_side(side, kernel, stride, 0) for side in (height, width))
    taps = _taps_2d(height, width, kernel, stride)
    flat = x.reshape(batch, height * width, channels)
    if products_first((height, width), (rows, columns), channels, filters):
        by_channel = w.reshape(kernel**2, channels, filters).transpose(1, 0, 2)
        products = flat.reshape(-1, channels) @ by_channel.reshape(channels, -1)
        out = _gather_sum(products.reshape(batch, height * width, kernel**2, filters), taps)
    else:
        out = _gather(flat, taps).reshape(-1, kernel**2 * channels) @ w
    return out.reshape(batch, rows, columns, filters)


def products_first(
    before: tuple[int, int], after: tuple[int, int], channels: int, filters: int
) -> bool:
    """Whether `conv2d` multiplies before it gathers: less than half the values to hold."""
    return 2 * filters * before[0] * before[1] <= channels * after[0] * after[1]


def max_pool(x: jax.Array, kernel: int, stride: int, padding: int) -> jax.Array:
    """Max over square windows of x [N, H, W, C], of rows and then of columns.

    Padding is at most half the kernel. Of equal values in a window, the first takes the gradient.
    """
    batch, height, width, channels = x.shape
    x = _pool_axis(x.reshape(batch, height, width * channels), kernel, stride, padding)
    rows = x.shape[1]
    x = _pool_axis(x.reshape(batch * rows, width, channels), kernel, stride, padding)
    return x.reshape(batch, rows, x.shape[1], channels)


def output_side(side: int, kernel: int, stride: int, padding: int) -> int:
    """How many windows fit along a side."""
    return (side + 2 * padding - kernel) // stride + 1


@functools.lru_cache(maxsize=1024)
def _taps(side: int, kernel: int, stride: int, padding: int) -> np.ndarray:
    """[windows, kernel]: the elements that every window covers, outside ones moved to the edge."""
    starts = np.arange(output_side(side, kernel, stride, padding)) * stride - padding
    return np.clip(starts[:, None] + np.arange(kernel), 0, side - 1)


@functools.lru_cache(maxsize=1024)
def _taps_2d(height: int, width: int, kernel: int, stride: int) -> np.ndarray:
    """[rows * columns, kernel * kernel]: the same for windows of a flattened image."""
    rows, columns = _taps(height, kernel, stride, 0), _taps(width, kernel, stride, 0)
    return (rows[:, None, :, None] * width + columns[None, :, None, :]).reshape(-1, kernel**2)


def _users(taps: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Inverse of taps [windows, kernel]: (windows, taps), [size, most] both; tap -1 = none.

    An element that a window covers several times (moved edges) counts at its first tap alone.
    """
    users: list[dict[int, int]] = [{} for _ in range(size)]
    for window, elements in enumerate(taps.tolist()):
        for tap, element in enumerate(elements):
            users[element].setdefault(window, tap)
    most = max(map(len, users))
    windows = [[*u.keys(), *[0] * (most - len(u))] for u in users]
    positions = [[*u.values(), *[-1] * (most - len(u))] for u in users]
    return np.array(windows), np.array(positions)


def _gather(x: jax.Array, taps: np.ndarray) -> jax.Array:
    """[N, size, C] -> [N, windows, kernel, C]."""
    kernel = taps.shape[1]

    @jax.custom_vjp
    def gather(x: jax.Array) -> jax.Array:
        return _take(x, taps)

    def backward(size: int, gradient: jax.Array) -> tuple[jax.Array]:
        windows, positions = _users(taps, size)
        flat = gradient.reshape(gradient.shape[0], -1, gradient.shape[-1])
        found = _take(flat, windows * kernel + np.maximum(positions, 0))
        return (jnp.where(positions[None, :, :, None] >= 0, found, 0).sum(2),)

    gather.defvjp(lambda x: (gather(x), x.shape[1]), backward)
    return gather(x)


def _gather_sum(products: jax.Array, taps: np.ndarray) -> jax.Array:
    """[N, size, kernel, F] -> [N, windows, F]: the sum over a window's taps of their products."""
    kernel = taps.shape[1]

    @jax.custom_vjp
    def gather_sum(products: jax.Array) -> jax.Array:
        flat = products.reshape(products.shape[0], -1, products.shape[-1])
        return _take(flat, taps * kernel + np.arange(kernel)).sum(2)

    def backward(size: int, gradient: jax.Array) -> tuple[jax.Array]:
        windows = np.full((size, kernel), -1)
        windows[taps, np.arange(kernel)] = np.arange(len(taps))[:, None]
        found = _take(gradient, np.maximum(windows, 0))
        return (jnp.where(windows[None, :, :, None] >= 0, found, 0),)

    gather_sum.defvjp(lambda products: (gather_sum(products), products.shape[1]), backward)
    return gather_sum(products)


def _pool_axis(x: jax.Array, kernel: int, stride: int, padding: int) -> jax.Array:
    """Max over windows of the middle axis of x [N, size, C]."""
    taps = _taps(x.shape[1], kernel, stride, padding)

    @jax.custom_vjp
    def pool(x: jax.Array) -> jax.Array:
        return _take(x, taps).max(2)

    def forward(x: jax.Array) -> tuple[jax.Array, tuple[jax.Array, int]]:
        covered = _take(x, taps)
        return covered.max(2), (covered.argmax(2).astype(jnp.int8), x.shape[1])

    def backward(residuals: tuple[jax.Array, int], gradient: jax.Array) -> tuple[jax.Array]:
        chosen, size = residuals
        windows, positions = _users(taps, size)
        mine = _take(chosen, windows) == positions[None, :, :, None].astype(np.int8)
        return (jnp.where(mine, _take(gradient, windows), 0).sum(2),)

    pool.defvjp(forward, backward)
    return pool(x)


def _take(x: jax.Array, indices: np.ndarray) -> jax.Array:
    """[N, size, C] at indices [A, B] -> [N, A, B, C]."""
    taken = jnp.take(x, indices.reshape(-1), axis=1, mode="clip")
    return taken.reshape(x.shape[0], *indices.shape, x.shape[2])
