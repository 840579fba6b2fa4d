"""Profiles chains of layers (`nasjax.spaces.layer_chain`) as the training engine computes them.

On a CPU their float32 convolutions and pools are the engine's own kernels. A convolution timed
alone has no activation.
"""

import functools

import jax
import numpy as np

from nasjax.evaluation.trained import network
from nasjax.evaluation.trained.convolution import conv2d
from nasjax.evaluation.trained.pooling import max_pool
from nasjax.profiling.programs import ForwardPass, Layer, ProfiledSpace
from nasjax.spaces import parsed
from nasjax.spaces.layer_chain import LayerChain


def _make_space(image_size: int, classes: int) -> LayerChain:
    return LayerChain((image_size, image_size, 3), classes)


def _network(space: LayerChain, architecture: np.ndarray) -> ForwardPass:
    plan, traits = network.plan_of(architecture, space.input_shape[2])
    shapes = network.weight_shapes(plan, space.input_shape, space.num_classes)
    return ForwardPass(
        function=functools.partial(network.apply, plan=plan, traits=traits),
        param_shapes=[{"w": shape, "b": shape[1:]} if shape else {} for shape in shapes],
        input_shape=space.input_shape,
    )


def _layer(layer: Layer) -> ForwardPass:
    kernel, stride = layer.kernel, layer.stride
    if layer.kind == parsed.POOL:
        return ForwardPass(
            lambda _, x: max_pool(x, kernel, stride, layer.padding), {}, layer.image_shape
        )

    def conv(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        return conv2d(x, params["w"], params["b"], kernel, stride, constant=True)

    shapes = {"w": (kernel**2 * layer.inputs, layer.outputs), "b": (layer.outputs,)}
    return ForwardPass(conv, shapes, layer.image_shape)


PROFILE = ProfiledSpace(_make_space, _network, _layer)
