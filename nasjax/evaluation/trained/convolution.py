"""Valid convolutions: the project's own kernels on a CPU, matrix products elsewhere.

A product of gathered windows (im2col) becomes one batched product over the lanes, and XLA computes
it fast on every device. Inside `scan`, the gradients that JAX derives of `lax.conv` are up to a
hundred times slower on a CPU.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from nasjax.evaluation.trained import linear, native
from nasjax.evaluation.trained.windows import output_side, taps


class Convolution(NamedTuple):
    """The sizes of a convolution of images [N, height, width, channels].

    Weights are [kernel * kernel * channels, filters], rows (row, column, channel) of the kernel.
    """

    height: int
    width: int
    channels: int
    filters: int
    kernel: int
    stride: int

    @property
    def rows(self) -> int:
        """Rows of the output."""
        return output_side(self.height, self.kernel, self.stride, 0)

    @property
    def columns(self) -> int:
        """Columns of the output."""
        return output_side(self.width, self.kernel, self.stride, 0)

    def gather(self, x: jax.Array) -> jax.Array:
        """All windows of x, [N * rows * columns, kernel * kernel * channels]."""
        rows = taps(self.height, self.kernel, self.stride, 0)
        columns = taps(self.width, self.kernel, self.stride, 0)
        pixels = rows[:, None, :, None] * self.width + columns[None, :, None, :]
        flat = x.reshape(x.shape[0], -1, self.channels)
        found = jnp.take(flat, pixels.reshape(-1), axis=1, mode="clip")
        return found.reshape(-1, self.kernel**2 * self.channels)

    def gathered_values(self, constant: bool) -> int:
        """Values per image that the forward pass holds besides its inputs and outputs."""
        if native.fits(self.channels, self.filters, constant):
            return 0
        return self.kernel**2 * self.rows * self.columns * self.channels

    def outputs(self, gathered: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
        """The convolution [N, rows, columns, filters] of the gathered windows."""
        return (gathered @ w + b[None]).reshape(-1, self.rows, self.columns, self.filters)

    def input_gradient(self, w: jax.Array, dy: jax.Array) -> jax.Array:
        """The images' gradient from the outputs' gradient dy, a product per row of the kernel."""
        by_rows = w.reshape(self.kernel, -1, self.filters)
        flat = dy.reshape(-1, self.filters)
        dx = jnp.zeros((dy.shape[0], self.height, self.width, self.channels), w.dtype)
        span = self.stride * (self.rows - 1) + 1
        for i in range(self.kernel):
            found = (flat @ by_rows[i].T).reshape(*dy.shape[:3], self.kernel, self.channels)
            row = self._spread(found[:, :, :, 0], 0)
            for j in range(1, self.kernel):  # one by one: XLA fuses that, its sum writes all terms
                row = row + self._spread(found[:, :, :, j], j)
            dx = dx.at[:, i : i + span : self.stride].add(row)
        return dx

    def _spread(self, found: jax.Array, tap: int) -> jax.Array:
        """Gradients of a column of the windows at their places in an image row, else zeros."""
        after = self.width - tap - self.stride * (self.columns - 1) - 1
        padding = ((0, 0, 0), (0, 0, 0), (tap, after, self.stride - 1), (0, 0, 0))
        return jax.lax.pad(found, jnp.zeros((), found.dtype), padding)


def conv2d(
    x: jax.Array, w: jax.Array, b: jax.Array, kernel: int, stride: int, constant: bool = False
) -> jax.Array:
    """Valid convolution of x [N, H, W, C] with w [kernel * kernel * C, F], plus b [F].

    Args:
      constant: the gradient of x is not needed and not computed.
    """
    _, height, width, channels = shape = x.shape
    sizes = Convolution(height, width, channels, w.shape[1], kernel, stride)
    by_kernels = native.fits(channels, w.shape[1], constant, x, w, b)

    @jax.custom_vjp
    def conv(x: jax.Array, w: jax.Array, b: jax.Array) -> jax.Array:
        return forward(x, w, b)[0]

    def forward(x: jax.Array, w: jax.Array, b: jax.Array) -> tuple[jax.Array, _Residuals]:
        if by_kernels:
            return native.convolution(x, w, b, kernel, stride), (x, w)
        gathered = sizes.gather(x)
        return sizes.outputs(gathered, w, b), (gathered, w)

    def backward(residuals: _Residuals, dy: jax.Array) -> _Gradients:
        saved, w = residuals  # the images, or their gathered windows
        if by_kernels:
            dw, db = native.convolution_weight_gradient(saved, dy, kernel, stride)
            if constant:
                return None, dw, db
            return native.convolution_input_gradient(w, dy, shape, kernel, stride), dw, db
        dx = None if constant else sizes.input_gradient(w, dy)
        flat = dy.reshape(-1, sizes.filters)
        return dx, linear.weight_gradient(saved, flat), flat.sum(0)

    conv.defvjp(forward, backward)
    return conv(x, w, b)


_Residuals = tuple[jax.Array, jax.Array]
_Gradients = tuple[jax.Array | None, jax.Array, jax.Array]
