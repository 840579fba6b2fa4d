"""Valid convolutions as matrix products, with gradients that suit a CPU's memory.

Each of the three products (outputs, weights' gradient, inputs' gradient) can be had in two or three
forms, which move different amounts of memory; the sizes alone decide. The gradients that JAX
derives of `lax.conv` are up to a hundred times slower inside `scan` on a CPU. What was measured is
in WORKSPACE.md.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.evaluation.trained import linear
from nasjax.evaluation.trained.windows import output_side, taps

# How long it takes to write a value, in multiplications of a product: where a loop copies what lies
# together, and where it computes an index for each.
COPY, GATHER = 24, 48


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
    def by_rows(self) -> bool:
        """Whether the forward pass multiplies single rows of windows and adds up their products.

        Otherwise it gathers whole windows (im2col). A row of a window lies together in memory, so
        it is copied; but rows are multiplied that begin no window, too.
        """
        whole = GATHER * self.kernel * self.rows * self.channels
        copied = COPY * self.height * (self.channels + 2 * self.filters)
        return whole > copied + self._idle(self.height - self.rows)

    @property
    def gathers_gradient(self) -> bool:
        """Whether the inputs' gradient comes of one product of the outputs' gathered gradients.

        Otherwise there is a product for each of a window's rows, and none at idle columns.
        """
        rows = 2 * self.kernel * self.columns * self.channels
        gathered = COPY * self.width * (self.filters + 2 * self.channels)
        return COPY * rows > gathered + self._idle(self.width - self.columns)

    def _idle(self, pixels: int) -> int:
        """Multiplications for so many pixels of a side where no window begins."""
        return self.kernel * self.channels * self.filters * pixels

    def gather(self, x: jax.Array) -> jax.Array:
        """What the forward pass multiplies with the weights: [products, gathered inputs]."""
        if self.by_rows:
            return _row_windows(x, self.kernel, self.stride)
        rows = taps(self.height, self.kernel, self.stride, 0)
        columns = taps(self.width, self.kernel, self.stride, 0)
        pixels = rows[:, None, :, None] * self.width + columns[None, :, None, :]
        flat = x.reshape(x.shape[0], -1, self.channels)
        found = jnp.take(flat, pixels.reshape(-1), axis=1, mode="clip")
        return found.reshape(-1, self.kernel**2 * self.channels)

    def gathered_values(self) -> int:
        """Values that the forward pass holds for an image besides its inputs and outputs."""
        if self.by_rows:
            return self.kernel * self.height * self.columns * (self.channels + self.filters)
        return self.kernel**2 * self.rows * self.columns * self.channels

    def outputs(self, gathered: jax.Array, w: jax.Array) -> jax.Array:
        """[N, rows, columns, filters]."""
        if not self.by_rows:
            return (gathered @ w).reshape(-1, self.rows, self.columns, self.filters)
        w = w.reshape(self.kernel, -1, self.filters).transpose(1, 0, 2)
        products = gathered @ w.reshape(w.shape[0], -1)
        products = products.reshape(-1, self.height, self.columns, self.kernel, self.filters)
        span = self.stride * (self.rows - 1) + 1
        return _sum([products[:, i : i + span : self.stride, :, i] for i in range(self.kernel)])

    def weight_gradient(self, gathered: jax.Array, gradient: jax.Array) -> jax.Array:
        """Of the shape of the weights, from the outputs' gradient."""
        if not self.by_rows:
            return linear.weight_gradient(gathered, gradient.reshape(-1, self.filters))
        of_rows = jnp.stack([self._spread(gradient, i, 1) for i in range(self.kernel)], axis=3)
        dw = linear.weight_gradient(gathered, of_rows.reshape(len(gathered), -1))
        dw = dw.reshape(-1, self.kernel, self.filters)
        return dw.transpose(1, 0, 2).reshape(-1, self.filters)

    def input_gradient(self, w: jax.Array, gradient: jax.Array) -> jax.Array:
        """[N, height, width, channels], from the outputs' gradient."""
        if self.stride > 1 or self.channels <= self.filters:
            return self._gathered_input_gradient(w, gradient)

        @jax.custom_batching.custom_vmap
        def of_one(w: jax.Array, gradient: jax.Array) -> jax.Array:
            return _convolve(gradient, self._turned(w), self.kernel - 1)

        @of_one.def_vmap
        def of_lanes(
            size: int, batched: list[bool], w: jax.Array, gradient: jax.Array
        ) -> tuple[jax.Array, bool]:
            axes = [0 if is_batched else None for is_batched in batched]
            return jax.vmap(self._gathered_input_gradient, axes)(w, gradient), True

        return of_one(w, gradient)

    def _gathered_input_gradient(self, w: jax.Array, gradient: jax.Array) -> jax.Array:
        if self.gathers_gradient:
            last = self.width - self.stride * (self.columns - 1) - 1
            padding = ((0, 0, 0), (0, 0, 0), (self.kernel - 1, last, self.stride - 1), (0, 0, 0))
            padded = jax.lax.pad(gradient, jnp.zeros((), gradient.dtype), padding)
            turned = self._turned(w)[::-1].transpose(1, 2, 0, 3)
            turned = turned.reshape(self.kernel * self.filters, -1)
            found = _row_windows(padded, self.kernel, 1) @ turned
            found = found.reshape(-1, self.rows, self.width, self.kernel, self.channels)
            return _sum([self._spread(found[:, :, :, i], i, 1) for i in range(self.kernel)])
        by_rows = w.reshape(self.kernel, -1, self.filters)
        flat = gradient.reshape(-1, self.filters)
        of_rows = []
        for i in range(self.kernel):
            found = (flat @ by_rows[i].T).reshape(*gradient.shape[:3], self.kernel, self.channels)
            of_row = _sum([self._spread(found[:, :, :, j], j, 2) for j in range(self.kernel)])
            of_rows.append(of_row)
        dx = jnp.zeros((*of_rows[0].shape[:1], self.height, *of_rows[0].shape[2:]), w.dtype)
        span = self.stride * (self.rows - 1) + 1
        for i, of_row in enumerate(of_rows):
            dx = dx.at[:, i : i + span : self.stride].add(of_row)
        return dx

    def _turned(self, w: jax.Array) -> jax.Array:
        """[row, column, filter, channel], rows and columns in reverse."""
        shaped = w.reshape(self.kernel, self.kernel, self.channels, self.filters)
        return shaped[::-1, ::-1].transpose(0, 1, 3, 2)

    def _spread(self, gradient: jax.Array, tap: int, axis: int) -> jax.Array:
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


def _convolve(x: jax.Array, w: jax.Array, padding: int) -> jax.Array:
    """XLA's own, of stride 1, of x [N, H, W, C] with w [row, column, C, F].

    Written as a forward pass, it is a fast kernel on a CPU, also within `scan`; the gradients that
    JAX derives of one are not.
    """
    pads = ((padding, padding),) * 2
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, w, (1, 1), pads, dimension_numbers=layout)


def _row_windows(x: jax.Array, kernel: int, stride: int) -> jax.Array:
    """Every row of every window, as it lies in memory: [N * H * columns, kernel * C]."""
    count, height, width, channels = x.shape
    starts = np.arange(output_side(width, kernel, stride, 0), dtype=np.int32)[:, None]
    found = jax.lax.gather(
        x.reshape(count * height, width * channels),
        jnp.asarray(starts * stride * channels),
        jax.lax.GatherDimensionNumbers(
            offset_dims=(0, 2), collapsed_slice_dims=(), start_index_map=(1,)
        ),
        slice_sizes=(count * height, kernel * channels),
        mode=jax.lax.GatherScatterMode.PROMISE_IN_BOUNDS,
    )
    return found.reshape(-1, kernel * channels)


def _sum(terms: list[jax.Array]) -> jax.Array:
    """Added up one by one: XLA computes a fused sum where its reduction would write every term."""
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
