"""A candidate CNN as a pure function of its plan (static), its traits (data) and its parameters.

Candidates that share a plan (kinds, geometry, padded widths) run in one program as lanes of a
`vmap`. Their other differences (activation, bias, true widths) are data, the traits. Padded
channels and neurons start at zero and stay zero: their activations are zero, so the gradients of
all weights that touch them are zero too.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.evaluation.trained.convolution import conv2d
from nasjax.evaluation.trained.linear import linear
from nasjax.evaluation.trained.pooling import max_pool
from nasjax.evaluation.trained.windows import output_side
from nasjax.spaces.layer_chain import ACTIVATIONS, CONV, FC, NONE, POOL

Params = list[dict[str, Any]]  # arrays; NumPy arrays from `init`
Precision = Literal["float32", "bfloat16"]
Packed = tuple[Any, list[Any]]  # one vector of all small leaves, the large leaves
AS_DATA = -1  # the value is among the traits
LARGE = 1 << 15  # leaves with this many values or more are not packed into the vector


class LayerPlan(NamedTuple):
    """A layer's static part; padding is of a pool, bias and activation of a fully connected one."""

    kind: int  # CONV, FC or POOL
    width: int  # padded number of filters or neurons; for a pool, of its input
    kernel: int = 0
    stride: int = 0
    padding: int = 0
    bias: int = 1  # 1 or 0, or AS_DATA
    activation: int = 0  # index of ACTIVATIONS, or AS_DATA

    def output_side(self, side: int) -> int:
        """The height (or width) of the output for an input of that height (or width)."""
        if self.kind == FC:
            return 1
        return output_side(side, self.kernel, self.stride, self.padding)


class Traits(NamedTuple):
    """The part of a net's L layers that is data."""

    width: jax.Array | np.ndarray  # [L] int32, true number of filters or neurons; a pool's input's
    bias: jax.Array | np.ndarray  # [L] float32, 1 or 0
    activation: jax.Array | np.ndarray  # [L] int32, index of ACTIVATIONS


Plan = tuple[LayerPlan, ...]


def make_plan(
    architecture: np.ndarray,
    channels: int,
    conv_widths: tuple[int, ...] = (),
    fc_widths: tuple[int, ...] = (),
) -> tuple[Plan, Traits]:
    """Splits an architecture [L, 4] into its static plan and its traits.

    Args:
      architecture: a valid chain of `LayerChain`; channels: of the input image.
      conv_widths: widths that filters are padded up to. Empty, or above the last one: exact widths.
      fc_widths: the same for neurons. If there are any, bias and activation are data too. Exact
        widths are hardly ever shared; then both are static, which compiles and runs faster.
    """
    plan, width, bias, activation = [], [], [], []
    true_width = padded = channels
    for kind, first, second, third in np.asarray(architecture).tolist():
        if kind == NONE:
            break
        if kind == CONV:
            true_width, padded = first, _rung(first, conv_widths)
            plan.append(LayerPlan(CONV, padded, kernel=second, stride=third))
        elif kind == FC:
            true_width, padded = first, _rung(first, fc_widths)
            known = (AS_DATA, AS_DATA) if fc_widths else (second, third)
            plan.append(LayerPlan(FC, padded, bias=known[0], activation=known[1]))
        else:
            plan.append(LayerPlan(kind, padded, kernel=first, stride=second, padding=third))
        width.append(true_width)
        bias.append(float(second) if kind == FC else 1.0)
        activation.append(third if kind == FC else 0)
    traits = Traits(
        np.array(width, np.int32), np.array(bias, np.float32), np.array(activation, np.int32)
    )
    return tuple(plan), traits


def _rung(width: int, rungs: tuple[int, ...]) -> int:
    return min((rung for rung in rungs if rung >= width), default=width)


def layer_shapes(plan: Plan, input_shape: tuple[int, ...]) -> list[tuple[int, int, int]]:
    """The (height, width, channels) before every layer and after the last one, padded."""
    height, width, channels = input_shape
    shapes = [(height, width, channels)]
    for layer in plan:
        height, width = layer.output_side(height), layer.output_side(width)
        shapes.append((height, width, layer.width))
    return shapes


def weight_shapes(
    plan: Plan, input_shape: tuple[int, ...], num_classes: int
) -> list[tuple[int, int] | None]:
    """The padded (inputs, outputs) of every layer and of the closing one; None for a pool."""
    shapes: list[tuple[int, int] | None] = []
    for layer, entering in zip(
        (*plan, LayerPlan(FC, num_classes)), layer_shapes(plan, input_shape), strict=True
    ):
        inputs = math.prod(entering) if layer.kind == FC else layer.kernel**2 * entering[2]
        shapes.append(None if layer.kind == POOL else (inputs, layer.width))
    return shapes


def num_products(plan: Plan, input_shape: tuple[int, ...], num_classes: int) -> int:
    """The number of multiplications in a lane's forward pass of one image, padding included."""
    left = [*layer_shapes(plan, input_shape)[1:], (1, 1, num_classes)]
    weights = weight_shapes(plan, input_shape, num_classes)
    return sum(
        math.prod(shape) * height * width
        for shape, (height, width, _) in zip(weights, left, strict=True)
        if shape
    )


def num_params(plan: Plan, input_shape: tuple[int, ...], num_classes: int) -> int:
    """The number of a lane's padded parameters, and of the draws that `init` needs."""
    shapes = weight_shapes(plan, input_shape, num_classes)
    return sum((shape[0] + 1) * shape[1] for shape in shapes if shape)


def init(
    draws: np.ndarray,
    plan: Plan,
    traits: Traits,
    input_shape: tuple[int, ...],
    num_classes: int,
) -> Params:
    """Weights and biases from U(+-1/sqrt(fan_in)) with fan_in of the true widths, on the host.

    Args:
      draws: [num_params] float32, uniform in [-1, 1).

    Returns:
      A dict per layer and one for the closing linear layer: "w" [inputs, outputs], "b" [outputs];
      empty for a pool. The inputs of a convolution are (row, column, channel) of its kernel.
    """
    widths = [layer.width for layer in plan]
    padded = [input_shape[2], *widths]
    true_in = [input_shape[2], *traits.width]
    true_out = [*traits.width, num_classes]
    biases = [*traits.bias, np.float32(1)]
    params = unpack((np.asarray(draws), []), plan, input_shape, num_classes, large=math.inf)
    for i, values in enumerate(params):
        if not values:
            continue
        inputs, outputs = values["w"].shape
        inside = np.arange(inputs) % padded[i] < true_in[i]
        outside = np.arange(outputs) < true_out[i]
        bound = np.float32((inputs // padded[i] * true_in[i]) ** -0.5)
        values["w"] = values["w"] * bound * (inside[:, None] & outside)
        values["b"] = values["b"] * bound * outside * biases[i]
    return params


def pack(params: Params, concatenate: Callable[..., Any] = jnp.concatenate) -> Packed:
    """Packs parameters for a training loop: small leaves in one vector, large leaves apart.

    Every array costs three kernels of Adam to compile, so small leaves share a vector. To copy a
    large leaf into a vector and out again at every step would cost more. `concatenate` is NumPy's
    for arrays on the host.
    """
    leaves = [layer[name] for layer in params if layer for name in ("w", "b")]
    small = [leaf.ravel() for leaf in leaves if leaf.size < LARGE]
    return concatenate(small), [leaf for leaf in leaves if leaf.size >= LARGE]


def unpack(
    packed: Packed,
    plan: Plan,
    input_shape: tuple[int, ...],
    num_classes: int,
    large: float = LARGE,
) -> Params:
    """The parameters that `pack` packed; large=inf: all leaves are in the vector."""
    small, apart = packed[0], iter(packed[1])
    params: Params = []
    used = 0
    for shape in weight_shapes(plan, input_shape, num_classes):
        params.append({})
        for name, leaf in (("w", shape), ("b", shape[1:])) if shape else ():
            size = math.prod(leaf)
            if size >= large:
                params[-1][name] = next(apart)
            else:
                params[-1][name] = small[used : used + size].reshape(leaf)
                used += size
    return params


def apply(
    params: Params, images: jax.Array, plan: Plan, traits: Traits, precision: Precision = "float32"
) -> jax.Array:
    """Logits [N, classes] of images [N, H, W, C], computed in the given precision."""
    if precision != "float32":
        params, images = jax.tree.map(lambda leaf: leaf.astype(precision), (params, images))
    x = images
    for i, layer in enumerate(plan):
        if layer.kind == CONV:
            w, b = params[i]["w"], params[i]["b"]
            x = conv2d(x, w, b, layer.kernel, layer.stride, constant=i == 0)
        elif layer.kind == FC:
            x = linear(x.reshape(x.shape[0], -1), params[i]["w"])
            if layer.bias == AS_DATA:
                x = x + (params[i]["b"] * traits.bias[i].astype(x.dtype))[None]
            elif layer.bias:
                x = x + params[i]["b"][None]
            if layer.activation == AS_DATA:
                # Without the mask, padded neurons would feed the next layer, as sigmoid(0) = 0.5.
                inside = (jnp.arange(layer.width) < traits.width[i])[None]
                x = jnp.where(inside, activate(x, traits.activation[i]), 0)
            else:
                x = _FUNCTIONS[ACTIVATIONS[layer.activation]](x)
        else:
            x = max_pool(x, layer.kernel, layer.stride, layer.padding)
    return linear(x.reshape(x.shape[0], -1), params[-1]["w"]) + params[-1]["b"][None]


_FUNCTIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "none": lambda x: x,
    "relu": jax.nn.relu,
    "leakyrelu": jax.nn.leaky_relu,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "elu": jax.nn.elu,
    "gelu": functools.partial(jax.nn.gelu, approximate=False),
}
_LINEAR, _TANH, _SIGMOID, _ELU, _GELU = range(5)
# Family, slope below 0, and a, b of the shared exponential exp(a x + b x^2).
_FORMS = {
    "none": (_LINEAR, 1, 0, 0),
    "relu": (_LINEAR, 0, 0, 0),
    "leakyrelu": (_LINEAR, 0.01, 0, 0),
    "tanh": (_TANH, 0, -2, 0),
    "sigmoid": (_SIGMOID, 0, -1, 0),
    "elu": (_ELU, 0, 1, 0),
    "gelu": (_GELU, 0, 0, -0.5),
}
_FORM_BY_INDEX = np.array([_FORMS[name] for name in ACTIVATIONS])


@jax.custom_jvp
def activate(x: jax.Array, index: jax.Array) -> jax.Array:
    """The activation ACTIVATIONS[index]; leaky slope 0.01, elu alpha 1, exact gelu.

    The index is data, so a program computes all activations. They and their derivatives share one
    exponential: seven separate branches take longer to compile and to run.
    """
    return _value_and_slope(x, index)[0]


@activate.defjvp
def _activate_jvp(
    primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    value, slope = _value_and_slope(*primals)
    return value, slope * tangents[0]


def _value_and_slope(x: jax.Array, index: jax.Array) -> tuple[jax.Array, jax.Array]:
    family = jnp.asarray(_FORM_BY_INDEX[:, 0], jnp.int32)[index]
    below, a, b = (jnp.asarray(column, x.dtype)[index] for column in _FORM_BY_INDEX[:, 1:].T)
    positive = x > 0
    exponent = a * jnp.where(family == _ELU, jnp.minimum(x, 0), x) + b * x * x
    # Above 80, e^u would overflow; tanh is -1 and sigmoid 0 there.
    e = jnp.expm1(jnp.minimum(exponent, 80))
    sigmoid = 1 / (2 + e)
    tanh = -e * sigmoid
    normal = 0.5 + 0.5 * jax.lax.erf(x * 0.5**0.5)
    density = (1 + e) * (2 * np.pi) ** -0.5
    which = jnp.broadcast_to(family, x.shape)
    value = jax.lax.select_n(
        which,
        jnp.where(positive, x, below * x),
        tanh,
        sigmoid,
        jnp.where(positive, x, e),
        x * normal,
    )
    slope = jax.lax.select_n(
        which,
        jnp.where(positive, jnp.ones_like(x), below),
        1 - tanh * tanh,
        sigmoid * (1 - sigmoid),
        jnp.where(positive, 1, 1 + e),
        normal + x * density,
    )
    return value, slope
