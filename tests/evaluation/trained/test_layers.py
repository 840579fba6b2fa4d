"""Convolutions, pools and linear layers against XLA's own, values and gradients."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.evaluation.trained import convolution, pooling
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


def assert_same(ours, theirs, *arguments):
    """Values, and gradients for a random cotangent."""
    value, pullback = jax.vjp(ours, *arguments)
    expected, expected_pullback = jax.vjp(theirs, *arguments)
    np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)
    cotangent = jax.random.normal(jax.random.key(7), expected.shape)
    for got, wanted in zip(pullback(cotangent), expected_pullback(cotangent), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("by_rows", [False, True])
@pytest.mark.parametrize("gathers_gradient", [False, True])
def test_conv2d(monkeypatch, kernel, stride, by_rows, gathers_gradient):
    monkeypatch.setattr(convolution.Convolution, "by_rows", by_rows)
    monkeypatch.setattr(convolution.Convolution, "gathers_gradient", gathers_gradient)
    x, w = conv_arguments(kernel, channels=2, filters=3)
    assert_same(
        lambda x, w: convolution.conv2d(x, w, kernel, stride),
        lambda x, w: lax_conv(x, w, kernel, stride),
        x,
        w,
    )


def conv_arguments(kernel, channels, filters):
    keys = jax.random.split(jax.random.key(kernel))
    x = jax.random.normal(keys[0], (BATCH, HEIGHT, WIDTH, channels))
    return x, jax.random.normal(keys[1], (kernel**2 * channels, filters)) / kernel


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_the_gradient_of_many_channels_is_xlas_convolution_alone_and_gathered_in_lanes(kernel):
    x, w = conv_arguments(kernel, channels=5, filters=2)

    def ours(x, w):
        return convolution.conv2d(x, w, kernel, 1)

    def theirs(x, w):
        return lax_conv(x, w, kernel, 1)

    def gradient_of(conv):
        return jax.grad(lambda x, w: (conv(x, w) ** 2).sum(), (0, 1))

    assert_same(ours, theirs, x, w)
    assert "conv_general_dilated" in str(jax.make_jaxpr(gradient_of(ours))(x, w))
    lanes = (jnp.stack([x, 2 * x, -x]), jnp.stack([w, w / 2, 3 * w]))
    assert "conv_general_dilated" not in str(jax.make_jaxpr(jax.vmap(gradient_of(ours)))(*lanes))
    found = jax.vmap(gradient_of(ours))(*lanes)
    for lane in range(3):
        expected = gradient_of(theirs)(lanes[0][lane], lanes[1][lane])
        for got, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(got[lane], wanted, rtol=1e-4, atol=1e-4)


def test_the_sizes_choose_the_form():
    many_to_few = convolution.Convolution(26, 26, 96, 16, 5, 1)
    assert many_to_few.by_rows and many_to_few.gathers_gradient
    assert convolution.Convolution(11, 11, 88, 48, 5, 1).by_rows
    assert not convolution.Convolution(21, 21, 72, 128, 7, 1).by_rows
    image = convolution.Convolution(28, 28, 1, 56, 7, 1)
    assert not image.by_rows and not image.gathers_gradient
    assert convolution.Convolution(11, 11, 88, 48, 5, 1).gathers_gradient


@pytest.mark.parametrize(("inputs", "outputs"), [(200, 3), (3, 200), (200, 200)])
def test_a_linear_layer_is_the_product_in_either_order(inputs, outputs):
    keys = jax.random.split(jax.random.key(inputs))
    x = jax.random.normal(keys[0], (5, inputs))
    w = jax.random.normal(keys[1], (inputs, outputs)) / inputs**0.5
    assert_same(linear, lambda x, w: x @ w, x, w)


@pytest.mark.parametrize("kernel", [2, 3, 5, 8])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", [0, 1, 3])
def test_max_pool(kernel, stride, padding):
    if 2 * padding > kernel:
        pytest.skip("padding is at most half the kernel")
    x = jax.random.normal(jax.random.key(kernel), (BATCH, HEIGHT, WIDTH, 3))
    assert_same(
        lambda x: pooling.max_pool(x, kernel, stride, padding),
        lambda x: lax_pool(x, kernel, stride, padding),
        x,
    )


def test_of_equal_values_the_first_takes_the_gradient():
    x = jnp.zeros((1, 2, 2, 1))
    gradient = jax.grad(lambda x: pooling.max_pool(x, 2, 1, 1).sum())(x)
    # Nine windows; each gives 1 to its first element that is not padding.
    np.testing.assert_array_equal(gradient[0, :, :, 0], [[4, 2], [2, 1]])
