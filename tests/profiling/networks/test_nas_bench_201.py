"""NAS-Bench-201's forward passes against a plain NumPy one and the published parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.data.tables import load_table
from nasjax.profiling.networks import nas_bench_201 as nets
from nasjax.profiling.programs import ForwardPass

ALL_KINDS = [3, 2, 4, 1, 0, 3]
CELLS = {
    "all kinds": ALL_KINDS,
    "nothing reaches node 2": [3, 0, 0, 2, 4, 3],
    "nothing reads node 1": [3, 2, 0, 1, 0, 4],
    "nothing reaches the output": [3, 3, 3, 0, 0, 0],
    "skips": [1] * 6,
    "pools": [4] * 6,
}


def forward_pass(operations, image_shape=(8, 12, 3)):
    def function(weights, images):
        return nets.apply(weights, images, operations, 10)

    return ForwardPass(function, image_shape)


def drawn(operations, seed=0):
    random = np.random.default_rng(seed)
    return [
        random.normal(size=shape).astype(np.float32) / np.sqrt(np.prod(shape[:-1]))
        for shape in forward_pass(operations).param_shapes()
    ]


def plain_conv(x, w, b=0.0, stride=1):
    """Tap by tap, in float64."""
    reach = w.shape[0] // 2
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    height, width = x.shape[1] // stride, x.shape[2] // stride
    y = np.zeros((len(x), height, width, w.shape[3])) + b
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            there = padded[:, i : i + stride * height : stride, j : j + stride * width : stride]
            y += there @ w[i, j]
    return y


def plain_pool(x):
    """Every pixel's mean over the up to nine pixels around it."""
    y = np.zeros_like(x)
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            window = x[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            y[:, i, j] = window.mean((1, 2))
    return y


def plain(params, x, operations):
    """The benchmark's network, written along its paper: matrices of edges, nodes as sums."""
    arrays = [array.astype(np.float64) for array in params]

    def relu_conv(x, stride=1):
        return plain_conv(np.maximum(x, 0), arrays.pop(0), arrays.pop(0), stride)

    x = plain_conv(x, arrays.pop(0), arrays.pop(0))
    for stage in range(3):
        if stage:
            deep = relu_conv(relu_conv(x, 2))
            n, height, width, channels = x.shape
            halved = x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
            x = deep + plain_conv(halved, arrays.pop(0))
        for _ in range(5):
            edges = iter(operations)
            nodes = [x]
            for target in range(1, 4):
                total = np.zeros_like(x)
                for source in range(target):
                    match next(edges):
                        case 1:
                            total = total + nodes[source]
                        case 2 | 3:
                            total = total + relu_conv(nodes[source])
                        case 4:
                            total = total + plain_pool(nodes[source])
                nodes.append(total)
            x = nodes[3]
    scale, shift, w, b = arrays
    x = np.maximum(x * scale + shift, 0).mean((1, 2))
    return x @ w + b


@pytest.mark.parametrize("name", CELLS)
def test_a_network_computes_what_a_plain_one_does(name):
    operations = CELLS[name]
    params = drawn(operations)
    images = np.random.default_rng(1).normal(size=(2, 8, 12, 3)).astype(np.float32)
    found = jax.jit(forward_pass(operations).apply)(params, images)
    wanted = plain(params, images.astype(np.float64), operations)
    assert np.ptp(wanted) > 0
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.long
def test_the_parameters_are_the_published_ones():
    table = load_table("nas_bench_201", "cifar10")
    for row in np.random.default_rng(0).choice(len(table.ops), 50, replace=False):
        shapes = forward_pass(table.ops[row].tolist()).param_shapes()
        count = sum(np.prod(shape) for shape in shapes)
        # Of a folded norm's scale and shift one vector is left, the bias of its convolution. The
        # last norm has both; the linear layer has no norm.
        folded = sum(shape[0] for shape in shapes if len(shape) == 1) - 2 * 64 - 10
        assert count + folded == table.params[row]


@pytest.mark.long
def test_the_parameters_are_all_read():
    params = drawn(ALL_KINDS)
    images = jnp.ones((1, 8, 8, 3))
    forward = forward_pass(ALL_KINDS)
    for gradient in jax.grad(lambda params: forward.apply(params, images).sum())(params):
        assert np.abs(gradient).sum() > 0


def test_bfloat16_stays_bfloat16():
    params = [jnp.asarray(array, jnp.bfloat16) for array in drawn(ALL_KINDS)]
    logits = forward_pass(ALL_KINDS).apply(params, jnp.ones((1, 8, 8, 3), jnp.bfloat16))
    assert logits.dtype == jnp.bfloat16 and logits.shape == (1, 10)
