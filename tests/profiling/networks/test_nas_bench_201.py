"""NAS-Bench-201's forward passes against a plain NumPy one and the published parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.data.tables import load_table
from nasjax.profiling.networks import nas_bench_201 as nets

ALL_KINDS = [3, 2, 4, 1, 0, 3]
CELLS = {
    "all kinds": ALL_KINDS,
    "nothing reaches node 2": [3, 0, 0, 2, 4, 3],
    "nothing reads node 1": [3, 2, 0, 1, 0, 4],
    "nothing reaches the output": [3, 3, 3, 0, 0, 0],
    "skips": [1] * 6,
    "pools": [4] * 6,
}


def drawn(operations, seed=0, classes=10):
    random = np.random.default_rng(seed)
    return [
        {
            name: random.normal(size=shape).astype(np.float32) / np.sqrt(np.prod(shape[:-1]))
            for name, shape in layer.items()
        }
        for layer in nets.param_shapes(operations, classes)
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
    layers = [{name: leaf.astype(np.float64) for name, leaf in layer.items()} for layer in params]

    def relu_conv(x, stride=1):
        layer = layers.pop(0)
        return plain_conv(np.maximum(x, 0), layer["w"], layer["b"], stride)

    stem = layers.pop(0)
    x = plain_conv(x, stem["w"], stem["b"])
    for stage in range(3):
        if stage:
            deep = relu_conv(relu_conv(x, 2))
            n, height, width, channels = x.shape
            halved = x.reshape(n, height // 2, 2, width // 2, 2, channels).mean((2, 4))
            x = deep + plain_conv(halved, layers.pop(0)["w"])
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
    norm, last = layers
    x = np.maximum(x * norm["scale"] + norm["shift"], 0).mean((1, 2))
    return x @ last["w"] + last["b"]


@pytest.mark.parametrize("name", CELLS)
def test_a_network_computes_what_a_plain_one_does(name):
    operations = CELLS[name]
    params = drawn(operations)
    images = np.random.default_rng(1).normal(size=(2, 8, 12, 3)).astype(np.float32)
    found = jax.jit(lambda params, images: nets.apply(params, images, operations))(params, images)
    wanted = plain(params, images.astype(np.float64), operations)
    assert np.ptp(wanted) > 0
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3 * np.abs(wanted).max())


def test_the_parameters_are_the_published_ones():
    table = load_table("nas_bench_201", "cifar10")
    for row in np.random.default_rng(0).choice(len(table.ops), 200, replace=False):
        layers = nets.param_shapes(table.ops[row].tolist(), 10)
        count = sum(np.prod(shape) for layer in layers for shape in layer.values())
        # Of a folded norm's scale and shift one vector is left.
        folded = sum(
            layer["b"][0] for layer in layers if len(layer.get("w", ())) == 4 and "b" in layer
        )
        assert count + folded == table.params[row]


def test_the_parameters_are_all_read():
    params = drawn(ALL_KINDS)
    images = jnp.ones((1, 8, 8, 3))
    gradients = jax.grad(lambda params: nets.apply(params, images, ALL_KINDS).sum())(params)
    for layer in gradients:
        for leaf in layer.values():
            assert np.abs(leaf).sum() > 0


def test_bfloat16_stays_bfloat16():
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.bfloat16), drawn(ALL_KINDS))
    logits = nets.apply(params, jnp.ones((1, 8, 8, 3), jnp.bfloat16), ALL_KINDS)
    assert logits.dtype == jnp.bfloat16 and logits.shape == (1, 10)
