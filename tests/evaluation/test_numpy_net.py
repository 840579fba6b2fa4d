"""Check the plain NumPy reference against worked numbers, finite differences and PyTorch."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.oracles import numpy_net
from tests.oracles.numpy_net import Array, Layer, Params

# Every rule in one place: strides, overlapping and padded pools, a pool after a pool, no bias.
MIXED: list[Layer] = [
    ("conv", 3, 3, 2),
    ("conv", 4, 3, 1),
    ("pool", 3, 1, 1),
    ("pool", 2, 2, 1),
    ("fc", 6, False, "tanh"),
    ("fc", 5, True, "gelu"),
]


def _batch(rng: np.random.Generator, shape: tuple[int, ...], size: int) -> tuple[Array, Any]:
    return rng.normal(size=(size, *shape)), rng.integers(10, size=size)


# Chains with parameters and FLOPs worked by hand on an image of the given shape and 10 classes.
WORKED: list[tuple[tuple[int, int, int], list[Layer], int, int]] = [
    # 28 - 3 + 1 = 26, so the map is 26 x 26 x 8 = 5,408 wide.
    # parameters: conv 3*3*1*8 + 8 = 80; head 5,408*10 + 10 = 54,090; sum 54,170
    # MACs: conv 26*26*8*(3*3*1) = 48,672; head 54,080; sum 102,752; FLOPs 205,504
    ((28, 28, 1), [("conv", 8, 3, 1)], 54_170, 205_504),
    # 28 -> 24 (conv 5) -> 12 (pool 2/2) -> 8 (conv 5) -> 4 (pool 2/2), 4 x 4 x 32 = 512 wide.
    # parameters: 5*5*1*16 + 16 = 416; 5*5*16*32 + 32 = 12,832; 512*120 + 120 = 61,560;
    #   head 120*10 + 10 = 1,210; sum 76,018
    # MACs: 24*24*16*25 = 230,400; 8*8*32*400 = 819,200; 61,440; 1,200; sum 1,112,240;
    #   FLOPs 2,224,480
    (
        (28, 28, 1),
        [
            ("conv", 16, 5, 1),
            ("pool", 2, 2, 0),
            ("conv", 32, 5, 1),
            ("pool", 2, 2, 0),
            ("fc", 120, True, "relu"),
        ],
        76_018,
        2_224_480,
    ),
    # floor((32 - 7)/3) + 1 = 9; floor((9 + 2*2 - 4)/3) + 1 = 4; 4 x 4 x 24 = 384 wide.
    # parameters: 7*7*3*24 + 24 = 3,552; 384*64 = 24,576 (no bias); 64*16 + 16 = 1,040;
    #   head 16*10 + 10 = 170; sum 29,338
    # MACs: 9*9*24*147 = 285,768; 24,576; 1,024; 160; sum 311,528; FLOPs 623,056
    (
        (32, 32, 3),
        [
            ("conv", 24, 7, 3),
            ("pool", 4, 3, 2),
            ("fc", 64, False, "gelu"),
            ("fc", 16, True, "none"),
        ],
        29_338,
        623_056,
    ),
]


@pytest.mark.parametrize(("shape", "layers", "param_count", "flops"), WORKED)
def test_count_equals_the_hand_worked_numbers(
    shape: tuple[int, int, int], layers: list[Layer], param_count: int, flops: int
) -> None:
    assert numpy_net.count(layers, shape, 10) == (param_count, flops)


def test_count_equals_the_size_of_the_initial_parameters() -> None:
    rng = np.random.default_rng(0)
    for length in range(1, 7):
        layers = numpy_net.random_layers(rng, (16, 16, 1), length)
        params = numpy_net.init(layers, (16, 16, 1), 10, rng)
        sizes = [array.size for entry in params for array in entry.values()]
        assert sum(sizes) == numpy_net.count(layers, (16, 16, 1), 10)[0]


def test_initial_parameters_fill_plus_minus_one_over_root_fan_in() -> None:
    rng = np.random.default_rng(0)
    layers: list[Layer] = [("conv", 128, 5, 1), ("fc", 400, True, "relu")]
    params = numpy_net.init(layers, (7, 7, 3), 50, rng)
    # fan-in: 5*5*3 = 75; 3*3*128 = 1,152; 400
    for entry, fan_in in zip(params, (75, 1152, 400), strict=True):
        bound = 1 / math.sqrt(fan_in)
        for array in entry.values():
            # of n >= 50 draws the largest is below 0.8 of the bound with chance 0.8^50 = 1.4e-5
            assert 0.8 * bound < np.abs(array).max() <= bound
            assert array.min() < 0 < array.max()


def test_output_shapes_on_an_oblong_image() -> None:
    # H: (28-3)//2 + 1 = 13; (13-3)+1 = 11; (11+2-3)+1 = 11; (11+2-2)//2 + 1 = 6
    # W: (20-3)//2 + 1 = 9;   (9-3)+1 = 7;    (7+2-3)+1 = 7;   (7+2-2)//2 + 1 = 4
    expected = [(13, 9, 3), (11, 7, 4), (11, 7, 4), (6, 4, 4), (6,), (5,)]
    assert numpy_net.output_shapes(MIXED, (28, 20, 1)) == expected


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "first layer must be a conv"),
        ([("fc", 16, True, "relu")], "first layer must be a conv"),
        ([("pool", 2, 1, 0)], "first layer must be a conv"),
        ([("conv", 8, 7, 1)], "larger than its input"),  # W = 6
        ([("conv", 8, 5, 1), ("conv", 8, 3, 1)], "larger than its input"),  # 4 x 2
        ([("conv", 8, 3, 1), ("pool", 3, 1, 2)], "more than half the kernel"),
        ([("conv", 8, 5, 1), ("pool", 7, 1, 2)], "larger than its input"),  # 2 + 2*2 = 6 < 7
        ([("conv", 8, 3, 1), ("fc", 16, True, "relu"), ("conv", 8, 3, 1)], "follow an fc"),
        ([("conv", 8, 3, 1), ("fc", 16, True, "relu"), ("pool", 2, 1, 0)], "follow an fc"),
        ([("conv", 8, 3, 1), ("fc", 16, True, "swish")], "unknown activation"),
        ([("conv", 8, 3, 1), ("skip",)], "unknown kind"),
    ],
)
def test_a_layer_that_does_not_fit_is_refused(layers: list[Layer], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        numpy_net.output_shapes(layers, (8, 6, 1))


def test_layers_at_the_limit_fit() -> None:
    layers: list[Layer] = [("conv", 8, 5, 1), ("pool", 6, 1, 2)]  # 8 x 6 -> 4 x 2; 2 + 2*2 = 6
    assert numpy_net.output_shapes(layers, (8, 6, 1)) == [(4, 2, 8), (3, 1, 8)]


def test_activations_equal_tabulated_values() -> None:
    z = np.array([-1.0, 0.0, 1.0])
    # Phi(1) = 0.8413447460685429; tanh 1 = 0.7615941559557649; 1/(1 + 1/e) = 0.7310585786300049
    expected = {
        "none": (-1.0, 0.0, 1.0),
        "relu": (0.0, 0.0, 1.0),
        "leakyrelu": (-0.01, 0.0, 1.0),
        "tanh": (-0.7615941559557649, 0.0, 0.7615941559557649),
        "sigmoid": (0.2689414213699951, 0.5, 0.7310585786300049),
        "elu": (math.exp(-1) - 1, 0.0, 1.0),
        "gelu": (-0.1586552539314571, 0.0, 0.8413447460685429),
    }
    assert tuple(expected) == numpy_net.ACTIVATIONS
    for name, values in expected.items():
        assert_allclose(numpy_net.activate(name, z)[0], values, rtol=1e-14, err_msg=name)


def test_activations_stay_finite_far_from_zero() -> None:
    with np.errstate(over="raise", invalid="raise"):
        for name in numpy_net.ACTIVATIONS:
            for values in numpy_net.activate(name, np.array([-1e4, 1e4])):
                assert np.isfinite(values).all(), name


def _read_map(layers: list[Layer], params: Params, x: Array, shape: tuple[int, ...]) -> Array:
    """Return the last map itself, through a head which is the identity on its flat index."""
    size = math.prod(shape)
    head = {"w": np.eye(size), "b": np.zeros(size)}
    return numpy_net.forward(layers, [*params, head], x).reshape(-1, *shape)


def test_conv_equals_its_defining_sum_and_maps_flatten_row_column_channel() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 7, 6, 2))
    w, b = rng.normal(size=(3, 3, 2, 4)), rng.normal(size=4)
    y = _read_map([("conv", 4, 3, 2)], [{"w": w, "b": b}], x, (3, 2, 4))
    for n, i, j, f in np.ndindex(y.shape):
        total = b[f]
        for r, q, c in np.ndindex(3, 3, 2):
            total += x[n, 2 * i + r, 2 * j + q, c] * w[r, q, c, f]
        assert_allclose(y[n, i, j, f], total, rtol=1e-12)


def _pool_gradient(x: Array, layer: Layer, weights: Array) -> Array:
    """Return d sum(weights * pool(x)) / dx for one image [H, W] and weights [H', W']."""
    y, pullback = numpy_net._pool(layer, x[None, :, :, None])
    assert y.shape == (1, *weights.shape, 1)
    return pullback(weights[None, :, :, None])[0][0, :, :, 0]


def test_pool_pads_with_minus_infinity_and_returns_the_gradient_to_the_maximum() -> None:
    x = np.array([[-5.0, -3.0, -4.0], [-6.0, -2.0, -8.0], [-7.0, -9.0, -1.0]])
    layer = ("pool", 2, 2, 1)  # windows start at -1 and 1: floor((3 + 2 - 2)/2) + 1 = 2
    y, _ = numpy_net._pool(layer, x[None, :, :, None])
    # {-5}; {-3, -4}; {-6, -7}; {-2, -8, -9, -1}: with zeros as padding three would be 0
    assert_array_equal(y[0, :, :, 0], [[-5.0, -3.0], [-6.0, -1.0]])
    weights = np.array([[1.0, 2.0], [3.0, 4.0]])
    expected = [[1.0, 2.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 4.0]]
    assert_array_equal(_pool_gradient(x, layer, weights), expected)


def test_overlapping_pools_add_their_gradients() -> None:
    x = np.array([[1.0, 2.0, 3.0], [4.0, 9.0, 5.0], [6.0, 7.0, 8.0]])
    # all four 2 x 2 windows of stride 1 hold the 9 in the middle: 1 + 2 + 3 + 4 = 10
    gradient = _pool_gradient(x, ("pool", 2, 1, 0), np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert_array_equal(gradient, [[0, 0, 0], [0, 10, 0], [0, 0, 0]])


def test_a_tie_in_a_pool_goes_to_the_first_element() -> None:
    gradient = _pool_gradient(np.ones((4, 4)), ("pool", 2, 2, 0), np.ones((2, 2)))
    assert_array_equal(gradient, [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])


def test_loss_of_zero_logits_is_log_classes_and_large_logits_stay_finite() -> None:
    layers: list[Layer] = [("conv", 1, 3, 1)]
    x, labels = np.zeros((4, 3, 3, 1)), np.array([0, 1, 2, 2])
    conv = {"w": np.zeros((3, 3, 1, 1)), "b": np.zeros(1)}
    head = {"w": np.zeros((1, 3)), "b": np.zeros(3)}
    loss, grads = numpy_net.loss_and_gradients(layers, [conv, head], x, labels)
    assert_allclose(loss, math.log(3), rtol=1e-14)
    # softmax 1/3 each, label shares 1/4, 1/4, 1/2
    assert_allclose(grads[1]["b"], [1 / 3 - 1 / 4, 1 / 3 - 1 / 4, 1 / 3 - 1 / 2], rtol=1e-13)
    # logits (1000, 0, -1000) on labels 0, 1, 2, 2: (0 + 1000 + 2000 + 2000) / 4 = 1250
    head["b"] = np.array([1000.0, 0.0, -1000.0])
    loss, _ = numpy_net.loss_and_gradients(layers, [conv, head], x, labels)
    assert_allclose(loss, 1250.0, rtol=1e-14)


@pytest.mark.parametrize(
    "layers",
    [MIXED]
    + [[("conv", 2, 5, 3), ("fc", 5, True, name)] for name in numpy_net.ACTIVATIONS]
    + [[("conv", 2, 3, 3), ("pool", 3, 2, 1)], [("conv", 2, 3, 2), ("conv", 3, 3, 3)]],
)
def test_gradients_equal_central_differences(layers: list[Layer]) -> None:
    rng = np.random.default_rng(2)
    shape = (13, 11, 2)
    params = numpy_net.init(layers, shape, 10, rng)
    x, labels = _batch(rng, shape, 3)
    _, grads = numpy_net.loss_and_gradients(layers, params, x, labels)
    step = 1e-6  # truncation ~ step^2 = 1e-12, rounding ~ 1e-16 / step = 1e-10
    for entry, grad_entry in zip(params, grads, strict=True):
        assert entry.keys() == grad_entry.keys()
        for name, array in entry.items():
            assert grad_entry[name].shape == array.shape
            for index in np.ndindex(array.shape):
                kept, ends = array[index], []
                for shift in (step, -step):
                    array[index] = kept + shift
                    ends.append(numpy_net.loss_and_gradients(layers, params, x, labels)[0])
                array[index] = kept
                slope = (ends[0] - ends[1]) / (2 * step)
                assert_allclose(grad_entry[name][index], slope, rtol=1e-6, atol=2e-9)


def test_two_adam_steps_equal_the_equations() -> None:
    rng = np.random.default_rng(3)
    shape, lr, eps = (9, 9, 1), 0.01, 1e-3  # this eps shows whether it is inside the root
    layers: list[Layer] = [("conv", 2, 3, 2), ("pool", 2, 1, 1), ("fc", 4, False, "elu")]
    start = numpy_net.init(layers, shape, 10, rng)
    kept = [{name: array.copy() for name, array in entry.items()} for entry in start]
    batches = [_batch(rng, shape, 3) for _ in range(2)]
    one, losses_one = numpy_net.adam_steps(layers, start, batches[:1], learning_rate=lr, eps=eps)
    two, losses_two = numpy_net.adam_steps(layers, start, batches, learning_rate=lr, eps=eps)
    loss_1, grads_1 = numpy_net.loss_and_gradients(layers, start, *batches[0])
    loss_2, grads_2 = numpy_net.loss_and_gradients(layers, one, *batches[1])
    assert losses_one == [loss_1]
    assert losses_two == [loss_1, loss_2]
    for layer, entry in enumerate(start):
        for name, p in entry.items():
            assert_array_equal(p, kept[layer][name])
            g1, g2 = grads_1[layer][name], grads_2[layer][name]
            # step 1: m_hat = 0.1 g1 / 0.1 = g1 and v_hat = g1^2
            p1 = p - lr * g1 / (np.abs(g1) + eps)
            assert_allclose(one[layer][name], p1, rtol=1e-10)
            # step 2: m_hat = (0.09 g1 + 0.1 g2) / 0.19
            #         v_hat = (0.000999 g1^2 + 0.001 g2^2) / 0.001999
            m_hat = (0.09 * g1 + 0.1 * g2) / 0.19
            v_hat = (0.000999 * g1**2 + 0.001 * g2**2) / 0.001999
            assert_allclose(two[layer][name], p1 - lr * m_hat / (np.sqrt(v_hat) + eps), rtol=1e-10)


def test_random_chains_are_valid_and_reach_every_end_of_table_1() -> None:
    rng = np.random.default_rng(4)
    seen: dict[str, list[set[Any]]] = {"conv": [], "fc": [], "pool": []}
    for trial in range(1800):
        layers = numpy_net.random_layers(rng, (28, 28, 1), trial % 6 + 1)
        assert len(layers) == trial % 6 + 1
        numpy_net.output_shapes(layers, (28, 28, 1))
        for kind, *values in layers:
            seen[kind] = seen[kind] or [set() for _ in values]
            for choices, value in zip(seen[kind], values, strict=True):
                choices.add(value)
    # the rarest: an fc's 63 sizes, about 3,000 fcs, one missing with chance 63 (62/63)^3000 ~ 1e-19
    assert seen["conv"] == [set(range(8, 129, 8)), {3, 5, 7}, {1, 2, 3}]
    assert seen["fc"] == [set(range(16, 513, 8)), {False, True}, set(numpy_net.ACTIVATIONS)]
    assert seen["pool"] == [set(range(2, 9)), {1, 2, 3}, {0, 1, 2, 3}]


def _torch_net(torch: Any, layers: list[Layer], params: Params) -> tuple[Any, list[dict[str, Any]]]:
    """Return a float64 module on NCHW images and, per layer, {name: (tensor, our axis order)}."""
    nn = torch.nn

    class Flatten(nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x

    kinds = {
        "none": nn.Identity,
        "relu": nn.ReLU,
        "leakyrelu": nn.LeakyReLU,
        "tanh": nn.Tanh,
        "sigmoid": nn.Sigmoid,
        "elu": nn.ELU,
        "gelu": nn.GELU,
    }
    modules: list[Any] = []
    views: list[dict[str, Any]] = []
    for layer, entry in zip([*layers, ("fc", 0, True, "none")], params, strict=True):
        if layer[0] == "pool":
            modules.append(nn.MaxPool2d(*layer[1:]))
            views.append({})
            continue
        order: tuple[int, ...]
        back: tuple[int, ...]
        fan_in, fan_out = entry["w"].shape[-2:]
        if layer[0] == "conv":
            module, order, back = nn.Conv2d(fan_in, fan_out, *layer[2:]), (3, 2, 0, 1), (2, 3, 1, 0)
            modules.append(module.double())
        else:
            module, order, back = nn.Linear(fan_in, fan_out, bias="b" in entry), (1, 0), (1, 0)
            modules += [Flatten(), module.double(), kinds[layer[3]]()]
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(entry["w"].transpose(order).copy()))
            if "b" in entry:
                module.bias.copy_(torch.from_numpy(entry["b"]))
        views.append(
            {"w": (module.weight, back)} | ({"b": (module.bias, (0,))} if "b" in entry else {})
        )
    return nn.Sequential(*modules), views


def _torch_images(torch: Any, x: Array) -> Any:
    return torch.from_numpy(x.transpose(0, 3, 1, 2).copy())


@pytest.mark.parametrize("chain", range(24))
def test_three_adam_steps_equal_pytorch_eager(chain: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng([5, chain])
    shape = (28, 28, 1) if chain % 4 == 0 else (14, 13, 3)
    layers = MIXED if chain == 23 else numpy_net.random_layers(rng, shape, chain % 6 + 1)
    params = numpy_net.init(layers, shape, 10, rng)
    batches = [_batch(rng, shape, 8) for _ in range(3)]

    net, views = _torch_net(torch, layers, params)
    optimizer = torch.optim.Adam(net.parameters())
    loss_fn = torch.nn.CrossEntropyLoss()
    losses = []
    for step, (x, labels) in enumerate(batches):
        optimizer.zero_grad()
        logits = net(_torch_images(torch, x))
        loss = loss_fn(logits, torch.from_numpy(labels))
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            ours = numpy_net.forward(layers, params, x)
            assert_allclose(ours, logits.detach().numpy(), rtol=1e-10, atol=1e-12)
            _, grads = numpy_net.loss_and_gradients(layers, params, x, labels)
            for entry, view in zip(grads, views, strict=True):
                assert entry.keys() == view.keys()
                for name, (tensor, back) in view.items():
                    theirs = tensor.grad.numpy().transpose(back)
                    assert_allclose(entry[name], theirs, rtol=1e-9, atol=1e-13)
        optimizer.step()

    after, our_losses = numpy_net.adam_steps(layers, params, batches)
    assert_allclose(our_losses, losses, rtol=1e-9)
    for entry, view in zip(after, views, strict=True):
        for name, (tensor, back) in view.items():
            # a step is at most about 1e-3, so this is a millionth of one
            theirs = tensor.detach().numpy().transpose(back)
            assert_allclose(entry[name], theirs, rtol=0, atol=1e-9)


def test_the_pool_breaks_ties_as_pytorch_does() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(6)
    for kernel, stride, padding in [(2, 1, 1), (3, 2, 1), (5, 1, 2), (8, 3, 3)]:
        x = rng.integers(2, size=(2, 12, 11, 3)).astype(np.float64)  # nearly every window is tied
        theirs_in = _torch_images(torch, x).requires_grad_()
        theirs = torch.nn.functional.max_pool2d(theirs_in, kernel, stride, padding)
        y, pullback = numpy_net._pool(("pool", kernel, stride, padding), x)
        weights = rng.normal(size=y.shape)
        theirs.backward(_torch_images(torch, weights))
        assert_array_equal(y, theirs.detach().numpy().transpose(0, 2, 3, 1))
        expected = theirs_in.grad.numpy().transpose(0, 2, 3, 1)
        assert_allclose(pullback(weights)[0], expected, rtol=1e-12, atol=1e-14)
