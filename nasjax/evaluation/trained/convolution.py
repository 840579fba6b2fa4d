"""Valid convolutions as matrix products, with gradients that suit a CPU's memory.

Inside `scan` on a CPU, `lax.conv` is ten times slower than these; what was measured is in
WORKSPACE.md. Each of the three products (outputs, weights' gradient, inputs' gradient) can be had
in two forms, which move different amounts of memory; the sizes alone decide.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.evaluation.trained import linear
from nasjax.evaluation.trained.windows import output_side, taps, windows_of

WRITE = 24  # writing a value takes as long as so many multiplications in a product


class Convolution(NamedTuple):
    """The sizes of a convolution of images [N, height, width, channels].

    Weights are [kernel * kernel * channels, filters], their rows (row, column, channel) of the
    kernel.
    """

    height: int
    width: int
    channels: int
    filters: int
    kernel: int
    stride: int

    @property
    def rows(self) -> int:
        """Of the output."""
        return output_side(self.height, self.kernel, self.stride, 0)

    @property
    def columns(self) -> int:
        """Of the output."""
        return output_side(self.width, self.kernel, self.stride, 0)

    @property
    def gathers_rows(self) -> bool:
        """Whether the forward pass gathers a window's rows alone and adds up its columns.

        Otherwise it gathers whole windows (im2col). Rows alone take less memory, but multiply at
        columns where no window begins.
        """
        windows = self.kernel * self.columns * self.channels
        rows = self.width * (self.channels + 2 * self.filters)
        return WRITE * windows > WRITE * rows + self._idle

    @property
    def gathers_gradient(self) -> bool:
        """Whether the inputs' gradient comes of one product of the outputs' gathered gradients.

        Otherwise there is a product for each of a window's rows, and none at idle columns.
        """
        rows = 2 * self.kernel * self.columns * self.channels
        gathered = self.width * (self.filters + 2 * self.channels)
        return WRITE * rows > WRITE * gathered + self._idle

    @property
    def _idle(self) -> int:
        """Multiplications at columns where no window begins, in the same measure."""
        return self.kernel * self.channels * self.filters * (self.width - self.columns)

    def gather(self, x: jax.Array) -> jax.Array:
        """What the forward pass multiplies with the weights: [products, gathered inputs]."""
        rows = taps(self.height, self.kernel, self.stride, 0)
        if self.gathers_rows:
            pixels = rows[:, None, :] * self.width + np.arange(self.width)[None, :, None]
        else:
            columns = taps(self.width, self.kernel, self.stride, 0)
            pixels = rows[:, None, :, None] * self.width + columns[None, :, None, :]
        flat = x.reshape(x.shape[0], -1, self.channels)
        found = jnp.take(flat, pixels.reshape(-1), axis=1, mode="clip")
        return found.reshape(-1, math.prod(pixels.shape[2:]) * self.channels)

    def gathered_values(self) -> int:
        """Values that the forward pass holds for an image besides its inputs and outputs."""
        if self.gathers_rows:
            each = self.channels + self.filters
            return self.kernel * self.rows * self.width * each
        return self.kernel**2 * self.rows * self.columns * self.channels

    def outputs(self, gathered: jax.Array, w: jax.Array) -> jax.Array:
        """[N, rows, columns, filters]."""
        if not self.gathers_rows:
            return (gathered @ w).reshape(-1, self.rows, self.columns, self.filters)
        products = gathered @ self.by_rows(w).reshape(self.kernel * self.channels, -1)
        products = products.reshape(-1, self.rows, self.width, self.kernel, self.filters)
        span = self.stride * (self.columns - 1) + 1
        return _sum([products[:, :, j : j + span : self.stride, j] for j in range(self.kernel)])

    def weight_gradient(self, gathered: jax.Array, gradient: jax.Array) -> jax.Array:
        """Of the shape of the weights, from the outputs' gradient."""
        if not self.gathers_rows:
            return linear.weight_gradient(gathered, gradient.reshape(-1, self.filters))
        dw = linear.weight_gradient(gathered, self.gathered_gradient(gradient))
        dw = dw.reshape(self.kernel, self.channels, self.kernel, self.filters)
        return dw.transpose(0, 2, 1, 3).reshape(-1, self.filters)

    def input_gradient(self, w: jax.Array, gradient: jax.Array) -> jax.Array:
        """[N, height, width, channels], from the outputs' gradient."""
        by_rows = self.by_rows(w)
        if self.gathers_gradient:
            turned = by_rows.transpose(2, 3, 0, 1).reshape(self.kernel * self.filters, -1)
            found = self.gathered_gradient(gradient) @ turned
            found = found.reshape(-1, self.rows, self.width, self.kernel, self.channels)
            return _sum([self.spread(found[:, :, :, i], i, 1) for i in range(self.kernel)])
        flat = gradient.reshape(-1, self.filters)
        of_rows = []
        for i in range(self.kernel):
            turned = by_rows[i].transpose(2, 1, 0).reshape(self.filters, -1)
            found = (flat @ turned).reshape(-1, self.rows, self.columns, self.kernel, self.channels)
            of_row = _sum([self.spread(found[:, :, :, j], j, 2) for j in range(self.kernel)])
            of_rows.append(of_row)
        dx = jnp.zeros((*of_rows[0].shape[:1], self.height, *of_rows[0].shape[2:]), w.dtype)
        span = self.stride * (self.rows - 1) + 1
        for i, of_row in enumerate(of_rows):
            dx = dx.at[:, i : i + span : self.stride].add(of_row)
        return dx

    def by_rows(self, w: jax.Array) -> jax.Array:
        """Weights as [row of the kernel, channel, column of the kernel, filter]."""
        shape = (self.kernel, self.kernel, self.channels, self.filters)
        return w.reshape(shape).transpose(0, 2, 1, 3)

    def gathered_gradient(self, gradient: jax.Array) -> jax.Array:
        """For every row of windows and input column, the gradients of the windows it is in.

        Returns:
          [N * rows * width, kernel * filters]; zeros where there is no such window.
        """
        windows = windows_of(self.width, self.kernel, self.stride)
        padded = jnp.pad(gradient, ((0, 0), (0, 0), (0, 1), (0, 0)))
        found = jnp.take(padded, windows.reshape(-1), axis=2, mode="clip")
        return found.reshape(-1, self.kernel * self.filters)

    def spread(self, gradient: jax.Array, tap: int, axis: int) -> jax.Array:
        """Gradients of windows' tap, put where the tap lies along that axis, zeros elsewhere."""
        count, side = gradient.shape[axis], self.height if axis == 1 else self.width
        after = side - tap - self.stride * (count - 1) - 1
        padding = [(0, 0, 0)] * gradient.ndim
        padding[axis] = (tap, after, self.stride - 1)
        return jax.lax.pad(gradient, jnp.zeros((), gradient.dtype), padding)


def conv2d(
    x: jax.Array, w: jax.Array, kernel: int, stride: int, constant: bool = False
) -> jax.Array:
    """Valid convolution of x [N, H, W, C] with w [kernel * kernel * C, F].

    Args:
      constant: nobody asks for the gradient of x; then tracing leaves it out, which would not
        survive compilation anyway, but is most of a small net's operations.

    Returns:
      [N, rows, columns, F].
    """
    _, height, width, channels = x.shape
    sizes = Convolution(height, width, channels, w.shape[1], kernel, stride)

    @jax.custom_vjp
    def conv(x: jax.Array, w: jax.Array) -> jax.Array:
        return sizes.outputs(sizes.gather(x), w)

    def forward(x: jax.Array, w: jax.Array) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        gathered = sizes.gather(x)
        return sizes.outputs(gathered, w), (gathered, w)

    def backward(
        residuals: tuple[jax.Array, jax.Array], gradient: jax.Array
    ) -> tuple[jax.Array | None, jax.Array]:
        gathered, w = residuals
        dx = None if constant else sizes.input_gradient(w, gradient)
        return dx, sizes.weight_gradient(gathered, gradient)

    conv.defvjp(forward, backward)
    return conv(x, w)


def _sum(terms: list[jax.Array]) -> jax.Array:
    """Added up one by one: XLA computes a fused sum where its reduction would write every term."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
