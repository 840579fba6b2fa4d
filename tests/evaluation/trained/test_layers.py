"""Convolutions, pools and linear layers against XLA's own, values and gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.evaluation.trained import convolution, native, pooling
from nasjax.evaluation.trained.linear import linear

BATCH, HEIGHT, WIDTH = 2, 9, 8


def lax_conv(x, w, kernel, stride):
    shaped = w.reshape(kernel, kernel, x.shape[-1], -1)
    layout = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, shaped, (stride,) * 2, "VALID", dimension_numbers=layout)


def lax_pool(x, kernel, stride, padding):
    pads = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    window, strides = (1, kernel, kernel, 1), (1, stride, stride, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, strides, pads)


def assert_same(ours, theirs, *arguments, tolerance=1e-5):
    """Values, and gradients for a random cotangent, within that part of the largest."""
    shape = jax.eval_shape(theirs, *arguments).shape
    cotangent = np.random.default_rng(7).normal(size=shape).astype(np.float32)

    @functools.partial(jax.jit, static_argnums=0)
    def both(function, arguments):
        value, pullback = jax.vjp(function, *arguments)
        return value, *pullback(cotangent)

    for got, wanted in zip(both(ours, arguments), both(theirs, arguments), strict=True):
        most = tolerance * max(1.0, float(jnp.abs(wanted).max()))
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=most)


def calls_kernels(function, *arguments):
    return "ffi_call" in str(jax.make_jaxpr(function)(*arguments))


def conv_arguments(kernel, channels, filters, lanes=()):
    rng = np.random.default_rng(kernel)
    x = rng.normal(size=(*lanes, BATCH, HEIGHT, WIDTH, channels))
    w = rng.normal(size=(*lanes, kernel**2 * channels, filters)) / kernel
    return tuple(jnp.float32(part) for part in (x, w, rng.normal(size=(*lanes, filters))))


# Widths that fill vectors of 4, 8 and 16 values, leave half of one, and make several tiles.
def long(*values):
    """Parameters of long tests."""
    given = [value if isinstance(value, tuple) else (value,) for value in values]
    return [pytest.param(*value, marks=pytest.mark.long) for value in given]


@pytest.mark.parametrize(("channels", "filters"), [(8, 8), (16, 24), *long((24, 16), (8, 120))])
@pytest.mark.parametrize("kernel", [1, 3, *long(5, 7)])
@pytest.mark.parametrize("stride", [1, 2, *long(3)])
def test_conv2d(way, kernel, stride, channels, filters):
    arguments = conv_arguments(kernel, channels, filters)

    def ours(x, w, b):
        return convolution.conv2d(x, w, b, kernel, stride)

    assert calls_kernels(ours, *arguments) == (way == "kernels")
    assert_same(
        ours, lambda x, w, b: lax_conv(x, w, kernel, stride) + b[None, None, None], *arguments
    )


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_weights_too_many_for_the_cache(monkeypatch, kernel, stride):
    """Then the kernel's rows go over all images one after another."""
    channels, filters = 96, 128 if kernel == 5 else 160
    assert native.load() and kernel**2 * channels * filters > 1 << 17
    assert_same(
        lambda x, w, b: convolution.conv2d(x, w, b, kernel, stride),
        lambda x, w, b: lax_conv(x, w, kernel, stride) + b[None, None, None],
        *conv_arguments(kernel, channels, filters),
        tolerance=1e-4,
    )


def test_an_image_of_any_channels_that_nobody_differentiates(way):
    x, w, b = conv_arguments(3, channels=3, filters=16)

    def ours(w, b):
        return convolution.conv2d(x, w, b, 3, 2, constant=True)

    assert calls_kernels(ours, w, b) == (way == "kernels")
    assert_same(ours, lambda w, b: lax_conv(x, w, 3, 2) + b[None, None, None], w, b)


@pytest.mark.parametrize(("channels", "filters"), [(2, 8), (8, 3)])
def test_other_widths_are_products(channels, filters):
    arguments = conv_arguments(3, channels, filters)

    def ours(x, w, b):
        return convolution.conv2d(x, w, b, 3, 1)

    assert not calls_kernels(ours, *arguments)
    assert_same(ours, lambda x, w, b: lax_conv(x, w, 3, 1) + b[None, None, None], *arguments)


@pytest.mark.parametrize("shared", [False, True])
def test_lanes_change_no_bit(way, shared):
    """Also where all lanes share their images."""
    x, w, b = conv_arguments(3, 8, 24, lanes=(3,))
    images = x[0] if shared else x

    @jax.jit
    def gradients(x, w, b):
        y, pullback = jax.vjp(lambda *of: convolution.conv2d(*of, 3, 1), x, w, b)
        return y, *pullback(jnp.cos(y))

    found = jax.vmap(gradients, (None if shared else 0, 0, 0))(images, w, b)
    for lane in range(3):
        alone = gradients(images if shared else images[lane], w[lane], b[lane])
        for got, wanted in zip(found, alone, strict=True):
            if way == "kernels":
                np.testing.assert_array_equal(got[lane], wanted)
            else:
                np.testing.assert_allclose(got[lane], wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("inputs", "outputs"), [(200, 3), (3, 200), (200, 200)])
def test_a_linear_layer_is_the_product_in_either_order(inputs, outputs):
    keys = jax.random.split(jax.random.key(inputs))
    x = jax.random.normal(keys[0], (5, inputs))
    w = jax.random.normal(keys[1], (inputs, outputs)) / inputs**0.5
    assert_same(linear, lambda x, w: x @ w, x, w)


@pytest.mark.parametrize("kernel", [2, 3, *long(5, 8)])
@pytest.mark.parametrize("stride", [1, 2, *long(3)])
@pytest.mark.parametrize("padding", [0, 1, *long(3)])
def test_max_pool(way, kernel, stride, padding):
    if 2 * padding > kernel:
        pytest.skip("padding is at most half the kernel")
    x = jnp.float32(np.random.default_rng(kernel).normal(size=(BATCH, HEIGHT, WIDTH, 3)))
    assert_same(
        lambda x: pooling.max_pool(x, kernel, stride, padding),
        lambda x: lax_pool(x, kernel, stride, padding),
        x,
    )


def test_of_equal_values_the_first_takes_the_gradient(way):
    x = jnp.zeros((1, 2, 2, 1))
    gradient = jax.grad(lambda x: pooling.max_pool(x, 2, 1, 1).sum())(x)
    # Nine windows; each gives 1 to its first element that is not padding.
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[4, 2], [2, 1]])


def test_of_equal_values_the_leftmost_goes_before_the_uppermost(way):
    x = jnp.array([[0.0, 1.0], [1.0, 0.0]])[None, :, :, None]
    gradient = jax.grad(lambda x: pooling.max_pool(x, 2, 1, 0).sum())(x)
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[0, 0], [1, 0]])


@pytest.mark.parametrize("where", [(0, 0), (1, 2), (2, 2)])
def test_what_is_not_a_number_stays_so_through_a_pool(way, where):
    x = jnp.zeros((1, 3, 3, 8)).at[0, where[0], where[1]].set(jnp.nan)
    assert jnp.isnan(pooling.max_pool(x, 3, 1, 0)).all()
