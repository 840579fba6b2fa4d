"""AUTOCoMET's update in plain NumPy, float64, gradients by hand: the reference of the tests.

Written from the equations alone. An episode builds prefixes p_1 .. p_L, and Q(p_l) stands for
Q(s, a) of the action that leads to p_l, Phi_i(p_l) likewise:

    values   v_l of the component after l layers; earned r_l: "value" v_l, "gain" v_l - v_(l-1) with
             v_0 = 0, "final" v_L for l = L and 0 before
    Q        y_l = r_l + gamma max of Q(p_l + a) over the a that slot l + 1 may hold    (l < L)
             y_L = r_L
             with "value" shaping: + sum_i epsilon_i Phi_i(p_l)
    Phi_i    y_l = r_l + gamma Phi_i(p_(l+1)), y_L = r_L, with the rewards of component i
    loss     mean over episodes and layers of (net - y)^2, y held fixed; one step of Adam

A net is hidden_0 (relu), hidden_1 (relu), head on the features of the prefix, standardised, and a
one at the number of its layers. With x_0 the input and x_(i+1) = relu(x_i W_i + b_i),

    d loss / d net = 2 (net - y) / N;    d / d W_i = x_i^T g_i;    d / d b_i = sum g_i
    g_(i-1) = (g_i W_i^T) where x_i > 0
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Params = dict[str, dict[str, Array]]  # layer -> {"kernel": [in, out], "bias": [out]}

LAYERS = ("hidden_0", "hidden_1", "head")
B1, B2, TINY = 0.9, 0.999, 1e-8  # Kingma and Ba, 2015


class Adam(NamedTuple):
    """First and second moments, steps made."""

    first: Params
    second: Params
    steps: int


def forward(params: Params, x: Array) -> list[Array]:
    """Inputs of every layer, and the value [N] as the last one."""
    inputs = [x]
    for name in LAYERS:
        x = x @ params[name]["kernel"] + params[name]["bias"]
        x = x if name == "head" else np.maximum(x, 0)
        inputs.append(x)
    inputs[-1] = inputs[-1][:, 0]
    return inputs


def value(params: Params, x: Array) -> Array:
    """[N, features] -> [N]."""
    return forward(params, x)[-1]


def gradient(params: Params, x: Array, targets: Array) -> tuple[float, Params]:
    """The loss and its gradient: [N, features] drawn to targets [N]."""
    *inputs, found = forward(params, x)
    back = (2 * (found - targets) / len(targets))[:, None]
    gradients = {}
    for name, read in reversed(list(zip(LAYERS, inputs, strict=True))):
        gradients[name] = {"kernel": read.T @ back, "bias": back.sum(0)}
        back = (back @ params[name]["kernel"].T) * (read > 0)
    return float(np.mean((found - targets) ** 2)), gradients


def each(fn, *trees: Params) -> Params:
    """The function on every array."""
    return {n: {k: fn(*(tree[n][k] for tree in trees)) for k in trees[0][n]} for n in trees[0]}


def at_rest(params: Params) -> Adam:
    """Before the first step."""
    return Adam(each(np.zeros_like, params), each(np.zeros_like, params), 0)


def adam_step(params: Params, found: Params, adam: Adam, rate: float) -> tuple[Params, Adam]:
    """Kingma and Ba, Algorithm 1."""
    steps = adam.steps + 1
    first = each(lambda m, g: B1 * m + (1 - B1) * g, adam.first, found)
    second = each(lambda v, g: B2 * v + (1 - B2) * g**2, adam.second, found)

    def moved(w: Array, m: Array, v: Array) -> Array:
        return w - rate * (m / (1 - B1**steps)) / (np.sqrt(v / (1 - B2**steps)) + TINY)

    return each(moved, params, first, second), Adam(first, second, steps)


def credited(values: Array, credit: str) -> Array:
    """[..., L] of the prefixes -> what every layer earns."""
    earned = np.zeros_like(values)
    for layer in range(values.shape[-1]):
        last = layer == values.shape[-1] - 1
        if credit == "value" or (credit == "final" and last):
            earned[..., layer] = values[..., layer]
        if credit == "gain":
            earned[..., layer] = values[..., layer] - (values[..., layer - 1] if layer else 0)
    return earned


def rank(value_: float, among: list[float]) -> float:
    """The share of `among` that is smaller, equal ones counted half."""
    return sum(1.0 if other < value_ else 0.5 if other == value_ else 0.0 for other in among) / len(
        among
    )
