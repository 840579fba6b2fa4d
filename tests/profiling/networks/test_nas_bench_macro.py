"""NAS-Bench-Macro's forward passes against PyTorch, and the published parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.data.tables import load_table
from nasjax.profiling import layers
from nasjax.profiling.networks import nas_bench_macro as nets
from nasjax.profiling.programs import ForwardPass
from nasjax.spaces.nas_bench_macro import NasBenchMacro

ALL_KINDS = [1, 2, 0, 0, 1, 2, 1, 0]
NETWORKS = {
    "all kinds": ALL_KINDS,
    "left out": [0] * 8,
    "small blocks": [1] * 8,
    "large blocks": [2, 2, 0, 2, 0, 0, 2, 2],
}


def forward_pass(operations, image_shape=(16, 20, 3)):
    def function(weights, images):
        return nets.apply(weights, images, operations, 10)

    return ForwardPass(function, image_shape)


def drawn(operations, seed=0):
    random = np.random.default_rng(seed)

    def one(shape):
        # Kernels keep the scale, so that activations do; vectors are as large as what they meet.
        scale = 1.5 / np.sqrt(np.prod(shape[:-1])) if len(shape) > 1 else 1.0
        return (random.normal(size=shape) * scale).astype(np.float32)

    return [one(shape) for shape in forward_pass(operations).param_shapes()]


def in_torch(torch, operations, params):
    """The authors' network (their `train/model.py`), a norm's shift as its convolution's bias."""
    relu, arrays = torch.nn.ReLU(), [torch.tensor(array) for array in params]

    def conv(inputs, outputs, kernel, stride=1, groups=1):
        made = torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups)
        weight, bias = arrays.pop(0).permute(3, 2, 0, 1), arrays.pop(0)
        assert made.weight.shape == weight.shape
        made.weight.data, made.bias.data = weight, bias
        return made

    class Residual(torch.nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    modules, channels = [conv(3, 32, 3), relu], 32
    for place, operation in enumerate(operations):
        halves = place in (0, 2, 5)
        out, stride = (2 * channels, 2) if halves else (channels, 1)
        if operation == 0:
            modules += [conv(channels, out, 1, stride)] if halves else []
        else:
            kernel, wide = {1: (3, 3 * channels), 2: (5, 6 * channels)}[operation]
            inside = [
                *(conv(channels, wide, 1), relu),
                *(conv(wide, wide, kernel, stride, groups=wide), relu),
                conv(wide, out, 1),
            ]
            modules.append(torch.nn.Sequential(*inside) if halves else Residual(*inside))
        channels = out
    head, linear = conv(256, 1280, 1), torch.nn.Linear(1280, 10)
    linear.weight.data, linear.bias.data = arrays[0].T, arrays[1]
    pooled = [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    return torch.nn.Sequential(*modules, head, relu, *pooled, linear)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_computes_what_the_authors_does(name):
    torch = pytest.importorskip("torch")
    operations = NETWORKS[name]
    params = drawn(operations)
    images = np.random.default_rng(1).normal(size=(2, 16, 20, 3)).astype(np.float32)
    with torch.inference_mode():
        model = in_torch(torch, operations, params)
        wanted = model(torch.tensor(images).permute(0, 3, 1, 2)).numpy()
    found = jax.jit(forward_pass(operations).apply)(params, images)
    assert np.ptp(wanted, axis=0).max() > 0.1  # images matter
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())


@pytest.mark.parametrize(("kernel", "stride", "side"), [(3, 1, 6), (5, 2, 7), (5, 2, 1), (3, 2, 8)])
def test_a_depthwise_convolution_is_the_same_on_all_devices(kernel, stride, side):
    random = np.random.default_rng(0)
    x = random.normal(size=(2, side, side + 1, 4)).astype(np.float32)
    w = random.normal(size=(kernel, kernel, 1, 4)).astype(np.float32)
    expected = layers._conv(x, w, stride)
    np.testing.assert_allclose(layers._depthwise(x, w, stride), expected, atol=1e-5)
    assert expected.shape == (2, -(-side // stride), -(-(side + 1) // stride), 4)


def test_the_parameters_are_the_published_ones():
    table = load_table("nas_bench_macro", "cifar10")
    for row in np.random.default_rng(0).choice(len(table.ops), 50, replace=False):
        shapes = forward_pass(table.ops[row].tolist()).param_shapes()
        count = sum(np.prod(shape) for shape in shapes)
        # Of a folded norm's scale and shift one vector is left; the linear layer has no norm.
        folded_away = sum(shape[0] for shape in shapes if len(shape) == 1) - 10
        assert count + folded_away == table.params[row]


def test_multiply_adds_are_those_of_the_parsed_layers():
    operations = ALL_KINDS
    architecture = jnp.asarray(operations, jnp.int32)[:, None] + 1
    parsed = NasBenchMacro(image_size=16).parse_network(architecture)
    images = jnp.ones((1, 16, 16, 3))
    forward = forward_pass(operations)
    counted = macs_of(jax.make_jaxpr(forward.apply)(drawn(operations), images))
    assert counted == int((parsed.macs * parsed.repeats).sum())


def macs_of(jaxpr):
    """Multiply-adds of convolutions and products; of depthwise ones as other devices have them."""
    total = 0
    for equation in jaxpr.eqns:
        shapes = [np.shape(variable.aval) for variable in (*equation.invars, *equation.outvars)]
        match equation.primitive.name:
            case "conv_general_dilated":
                total += int(np.prod(shapes[1][:3]) * np.prod(shapes[2]))
            case "dot_general":
                total += int(shapes[0][1] * np.prod(shapes[2]))
            case "cond":
                total += max(macs_of(branch) for branch in equation.params["branches"])
            case _ if "jaxpr" in equation.params:
                total += macs_of(equation.params["jaxpr"])
    return total


def test_bfloat16_stays_bfloat16():
    params = [jnp.asarray(array, jnp.bfloat16) for array in drawn(ALL_KINDS)]
    images = jnp.ones((1, 8, 8, 3), jnp.bfloat16)
    logits = jax.eval_shape(forward_pass(ALL_KINDS).apply, params, images)
    assert logits.dtype == jnp.bfloat16 and logits.shape == (1, 10)
