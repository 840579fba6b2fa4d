"""Train one candidate CNN in plain NumPy, float64: the reference for the fast trainer's tests.

It follows the candidates of TRL-HPO's Table I (a chain of at most six layers) and is written from
their definition alone. A chain is a list of layers, each one of

    ("conv", filters, kernel, stride)        valid padding, bias, no activation
    ("fc", neurons, bias, activation)        the activation map before the first one is flattened
    ("pool", kernel, stride, padding)        max pool, padded with -inf, floor((H + 2p - k) / s) + 1

closed by flatten and a linear layer with bias ("the head"). Maps are NHWC, so the flat index of
(h, w, c) is (h * W + w) * C + c. Parameters are a list with a dict per layer and one for the head:

    conv {"w": [k, k, Cin, F] (row, column, in channel, filter), "b": [F]}
    fc   {"w": [in, out], "b": [out]}        "b" is absent where the layer has no bias
    pool {}
    head {"w": [in, classes], "b": [classes]}

A max pool sends its gradient to the maximal element. Where several are equal the subgradient is a
choice: here the first in row-major window order, which is also PyTorch's. Values must be finite.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

Layer = tuple[Any, ...]
Array = NDArray[np.float64]
Params = list[dict[str, Array]]
# From the gradient of a layer's output to that of its input and those of its parameters.
Pullback = Callable[[Array], tuple[Array, dict[str, Array]]]

BLOCK = 1 << 14  # elements Adam updates at a time: they stay in cache
LEAK = 0.01  # PyTorch's default negative slope
ACTIVATIONS = ("none", "relu", "leakyrelu", "tanh", "sigmoid", "elu", "gelu")
_erf = np.vectorize(math.erf, otypes=[np.float64])


def output_shapes(layers: Sequence[Layer], input_shape: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the shape after every layer, (H, W, C) or (neurons,), without batch and head.

    Raises ValueError where the chain is invalid: it does not open with a conv, a conv or pool
    follows an fc, a conv's kernel exceeds its input's H or W, a pool's padding exceeds kernel // 2,
    or its kernel exceeds H + 2 * padding or W + 2 * padding.
    """
    if not layers or layers[0][0] != "conv":
        raise ValueError(f"layers={list(layers)!r}: the first layer must be a conv")
    shape = tuple(int(size) for size in input_shape)
    shapes = []
    for index, layer in enumerate(layers):
        shape = _output_shape(layer, shape, f"layer {index}, {layer!r}, on {shape}")
        shapes.append(shape)
    return shapes


def _output_shape(layer: Layer, shape: tuple[int, ...], where: str) -> tuple[int, ...]:
    if layer[0] == "fc":
        _, neurons, _, activation = layer
        if activation not in ACTIVATIONS:
            raise ValueError(f"{where}: unknown activation; known: {', '.join(ACTIVATIONS)}")
        return (neurons,)
    if layer[0] not in ("conv", "pool"):
        raise ValueError(f"{where}: unknown kind; known: conv, fc, pool")
    if len(shape) != 3:
        raise ValueError(f"{where}: only an fc can follow an fc")
    height, width, channels = shape
    if layer[0] == "conv":
        _, channels, kernel, stride = layer
        padding = 0
    else:
        _, kernel, stride, padding = layer
        if padding > kernel // 2:
            raise ValueError(f"{where}: padding is more than half the kernel")
    if kernel > min(height, width) + 2 * padding:
        raise ValueError(f"{where}: the kernel is larger than its input")
    rows = (height + 2 * padding - kernel) // stride + 1
    columns = (width + 2 * padding - kernel) // stride + 1
    return (rows, columns, channels)


def _weights(
    layers: Sequence[Layer], input_shape: Sequence[int], classes: int
) -> list[tuple[tuple[int, ...], bool] | None]:
    """Return (shape of w, has a bias) for every layer and the head; None for a pool."""
    shapes = [tuple(input_shape), *output_shapes(layers, input_shape)]
    specs: list[tuple[tuple[int, ...], bool] | None] = []
    for layer, shape_in in zip(layers, shapes[:-1], strict=True):
        if layer[0] == "conv":
            _, filters, kernel, _ = layer
            specs.append(((kernel, kernel, shape_in[2], filters), True))
        elif layer[0] == "fc":
            _, neurons, bias, _ = layer
            specs.append(((math.prod(shape_in), neurons), bool(bias)))
        else:
            specs.append(None)
    specs.append(((math.prod(shapes[-1]), classes), True))
    return specs


def init(
    layers: Sequence[Layer], input_shape: Sequence[int], classes: int, rng: np.random.Generator
) -> Params:
    """Draw parameters, w then b, layer by layer, from U(-1 / sqrt(fan_in), 1 / sqrt(fan_in))."""
    params: Params = []
    for spec in _weights(layers, input_shape, classes):
        entry: dict[str, Array] = {}
        if spec is not None:
            shape, has_bias = spec
            bound = 1.0 / math.sqrt(math.prod(shape[:-1]))
            entry["w"] = rng.uniform(-bound, bound, shape)
            if has_bias:
                entry["b"] = rng.uniform(-bound, bound, shape[-1])
        params.append(entry)
    return params


def count(layers: Sequence[Layer], input_shape: Sequence[int], classes: int) -> tuple[int, int]:
    """Return (parameters, FLOPs per image), both exact integers, head included.

    FLOPs are twice the multiply-accumulates of conv, fc and head. Bias, activation and pool are
    not counted.
    """
    param_count, macs = 0, 0
    shape = tuple(int(size) for size in input_shape)
    shapes_out: list[tuple[int, ...]] = [*output_shapes(layers, input_shape), (classes,)]
    head: Layer = ("fc", classes, True, "none")
    for layer, shape_out in zip([*layers, head], shapes_out, strict=True):
        if layer[0] == "conv":
            _, filters, kernel, _ = layer
            param_count += (kernel * kernel * shape[2] + 1) * filters
            macs += shape_out[0] * shape_out[1] * filters * kernel * kernel * shape[2]
        elif layer[0] == "fc":
            _, neurons, bias, _ = layer
            param_count += (math.prod(shape) + (1 if bias else 0)) * neurons
            macs += math.prod(shape) * neurons
        shape = shape_out
    return param_count, 2 * macs


def activate(name: str, z: Array) -> tuple[Array, Array]:
    """Return the activation `name` of z and its derivative, both of z's shape.

    At 0, where relu and leakyrelu have a kink, the derivative is that of the left side, as in
    PyTorch.
    """
    positive = z > 0
    if name == "none":
        return z, np.ones_like(z)
    if name == "relu":
        return np.where(positive, z, 0.0), np.where(positive, 1.0, 0.0)
    if name == "leakyrelu":
        return np.where(positive, z, LEAK * z), np.where(positive, 1.0, LEAK)
    if name == "tanh":
        y = np.tanh(z)
        return y, 1.0 - y * y
    if name == "sigmoid":
        y = 0.5 * (1.0 + np.tanh(0.5 * z))  # exp(-z) would overflow
        return y, y * (1.0 - y)
    if name == "elu":
        below = np.minimum(z, 0.0)
        return np.where(positive, z, np.expm1(below)), np.exp(below)
    if name == "gelu":  # z * Phi(z), Phi the normal distribution function
        cdf = 0.5 * (1.0 + _erf(z / math.sqrt(2.0)))
        return z * cdf, cdf + z * np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    raise ValueError(f"activation={name!r}; known: {', '.join(ACTIVATIONS)}")


def _conv(layer: Layer, params: dict[str, Array], x: Array) -> tuple[Array, Pullback]:
    """y[n, i, j, f] = b[f] + sum over r, q, c of x[n, s i + r, s j + q, c] w[r, q, c, f]."""
    _, filters, kernel, stride = layer
    # [N, H', W', C, k, k] -> one row [k * k * C] per output position
    windows = sliding_window_view(x, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]
    batch, rows, columns = windows.shape[:3]
    patches = windows.transpose(0, 1, 2, 4, 5, 3).reshape(batch * rows * columns, -1)
    w = params["w"].reshape(-1, filters)
    y = (patches @ w + params["b"]).reshape(batch, rows, columns, filters)

    def pullback(dy: Array) -> tuple[Array, dict[str, Array]]:
        flat = dy.reshape(-1, filters)
        grads = {"w": (patches.T @ flat).reshape(params["w"].shape), "b": flat.sum(axis=0)}
        dpatches = (flat @ w.T).reshape(batch, rows, columns, kernel, kernel, -1)
        dx = np.zeros_like(x)
        for r in range(kernel):
            for q in range(kernel):
                seen = np.s_[:, r : r + stride * rows : stride, q : q + stride * columns : stride]
                dx[seen] += dpatches[:, :, :, r, q]
        return dx, grads

    return y, pullback


def _pool(layer: Layer, x: Array) -> tuple[Array, Pullback]:
    """y[n, i, j, c] = max over r, q of x[n, s i + r - p, s j + q - p, c], -inf outside of x."""
    _, kernel, stride, padding = layer
    edge = (padding, padding)
    padded = np.pad(x, ((0, 0), edge, edge, (0, 0)), constant_values=-np.inf)
    windows = sliding_window_view(padded, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]
    y = windows[..., 0, 0].copy()
    winner = np.zeros(y.shape, dtype=np.int16)  # r * kernel + q of the first maximum
    for tap in range(1, kernel * kernel):
        value = windows[..., tap // kernel, tap % kernel]
        # taps rise, so the largest that was ever strictly better is the winner
        np.maximum(winner, (value > y) * np.int16(tap), out=winner)
        np.maximum(y, value, out=y)

    def pullback(dy: Array) -> tuple[Array, dict[str, Array]]:
        n, i, j, c = np.ogrid[tuple(slice(size) for size in y.shape)]
        source = (n, i * stride + winner // kernel, j * stride + winner % kernel, c)
        flat = np.ravel_multi_index(np.broadcast_arrays(*source), padded.shape)
        dpadded = np.bincount(flat.ravel(), weights=dy.ravel(), minlength=padded.size)
        _, height, width, _ = x.shape
        inside = np.s_[:, padding : padding + height, padding : padding + width]
        return dpadded.astype(np.float64).reshape(padded.shape)[inside], {}

    return y, pullback


def _fc(layer: Layer, params: dict[str, Array], x: Array) -> tuple[Array, Pullback]:
    """y = activation(flatten(x) w + b)."""
    flat = x.reshape(len(x), -1)
    y, slope = activate(layer[3], flat @ params["w"] + params.get("b", 0.0))

    def pullback(dy: Array) -> tuple[Array, dict[str, Array]]:
        dz = dy * slope
        grads = {"w": flat.T @ dz}
        if "b" in params:
            grads["b"] = dz.sum(axis=0)
        return (dz @ params["w"].T).reshape(x.shape), grads

    return y, pullback


def _run(layers: Sequence[Layer], params: Params, x: ArrayLike) -> tuple[Array, list[Pullback]]:
    y = np.asarray(x, dtype=np.float64)
    output_shapes(layers, y.shape[1:])
    params = [{name: np.asarray(p, dtype=np.float64) for name, p in e.items()} for e in params]
    head: Layer = ("fc", params[-1]["w"].shape[1], True, "none")
    pullbacks = []
    for layer, entry in zip([*layers, head], params, strict=True):
        if layer[0] == "conv":
            y, pullback = _conv(layer, entry, y)
        elif layer[0] == "pool":
            y, pullback = _pool(layer, y)
        else:
            y, pullback = _fc(layer, entry, y)
        pullbacks.append(pullback)
    return y, pullbacks


def forward(layers: Sequence[Layer], params: Params, x: ArrayLike) -> Array:
    """Return the logits [B, classes] of images x [B, H, W, C]."""
    return _run(layers, params, x)[0]


def loss_and_gradients(
    layers: Sequence[Layer], params: Params, x: ArrayLike, labels: ArrayLike
) -> tuple[float, Params]:
    """Return the batch's mean softmax cross-entropy (nats) and its gradients, laid out as `params`.

    x [B, H, W, C]; labels [B], integers from 0 to classes - 1.
    """
    logits, pullbacks = _run(layers, params, x)
    hot = np.zeros(logits.shape)
    hot[np.arange(len(logits)), np.asarray(labels)] = 1.0
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    loss = -float((hot * log_probs).sum()) / len(logits)

    dy = (np.exp(log_probs) - hot) / len(logits)
    grads: Params = []
    for pullback in reversed(pullbacks):
        dy, entry = pullback(dy)
        grads.append(entry)
    return loss, grads[::-1]


def adam_steps(
    layers: Sequence[Layer],
    params: Params,
    batches: Sequence[tuple[ArrayLike, ArrayLike]],
    *,
    learning_rate: float = 1e-3,
    b1: float = 0.9,
    b2: float = 0.999,
    eps: float = 1e-8,
) -> tuple[Params, list[float]]:
    """Take one Adam step per batch (x, labels) and return the new parameters and each step's loss.

    Kingma and Ba (2015), Algorithm 1, with bias correction and eps outside the square root. A loss
    is that of its batch before its step. The given parameters are left as they are.
    """
    params = [{name: np.array(p, np.float64, order="C") for name, p in e.items()} for e in params]
    first = [{name: np.zeros_like(p) for name, p in e.items()} for e in params]
    second = [{name: np.zeros_like(p) for name, p in e.items()} for e in params]
    losses = []
    for step, (x, labels) in enumerate(batches, start=1):
        loss, grads = loss_and_gradients(layers, params, x, labels)
        losses.append(loss)
        for entry, m_entry, v_entry, grad_entry in zip(params, first, second, grads, strict=True):
            for name, grad in grad_entry.items():
                arrays = [a.reshape(-1) for a in (entry[name], m_entry[name], v_entry[name], grad)]
                for start in range(0, grad.size, BLOCK):
                    p, m, v, g = (a[start : start + BLOCK] for a in arrays)  # views
                    m[:] = b1 * m + (1.0 - b1) * g
                    v[:] = b2 * v + (1.0 - b2) * g * g
                    m_hat = m / (1.0 - b1**step)
                    v_hat = v / (1.0 - b2**step)
                    p -= learning_rate * m_hat / (np.sqrt(v_hat) + eps)
    return params, losses


def random_layers(rng: np.random.Generator, input_shape: Sequence[int], length: int) -> list[Layer]:
    """Draw a valid chain of `length` layers from Table I, for images of at least 3 x 3.

    The first layer is a conv and after an fc come only fcs. The kind is uniform among the
    allowed, hyper-parameters are uniform, and the whole chain is redrawn if a layer does not fit.
    """
    if min(input_shape[:2]) < 3 or length < 1:
        raise ValueError(f"input_shape={input_shape!r}, length={length}: no valid chain")
    while True:
        layers: list[Layer] = []
        kinds = ["conv"]
        for _ in range(length):
            layers.append(_random_layer(rng, kinds[rng.integers(len(kinds))]))
            kinds = ["fc"] if layers[-1][0] == "fc" else ["conv", "fc", "pool"]
        try:
            output_shapes(layers, input_shape)
        except ValueError:
            continue
        return layers


def _random_layer(rng: np.random.Generator, kind: str) -> Layer:
    if kind == "conv":
        return (kind, *(int(rng.choice(v)) for v in (range(8, 129, 8), (3, 5, 7), (1, 2, 3))))
    if kind == "pool":
        return (kind, *(int(rng.choice(v)) for v in (range(2, 9), (1, 2, 3), range(4))))
    neurons = int(rng.choice(range(16, 513, 8)))
    return (kind, neurons, bool(rng.integers(2)), ACTIVATIONS[rng.integers(len(ACTIVATIONS))])
