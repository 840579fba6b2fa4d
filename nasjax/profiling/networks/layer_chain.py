"""Profiles chains of layers (`nasjax.spaces.layer_chain`) as the training engine computes them.

On a CPU their float32 convolutions and pools are the engine's own kernels. A convolution timed
alone has no activation.
"""

import jax
import numpy as np

from nasjax.evaluation.trained import network
from nasjax.evaluation.trained.convolution import conv2d
from nasjax.evaluation.trained.pooling import max_pool
from nasjax.profiling.layers import Weights
from nasjax.profiling.programs import Function, Layer, ProfiledSpace
from nasjax.spaces import parsed
from nasjax.spaces.layer_chain import LayerChain


def _make_space(image_size: int, classes: int) -> LayerChain:
    return LayerChain((image_size, image_size, 3), classes)


def _network(space: LayerChain, architecture: np.ndarray) -> Function:
    plan, traits = network.make_plan(architecture, space.input_shape[2])
    shapes = network.weight_shapes(plan, space.input_shape, space.num_classes)

    def apply(weights: Weights, images: jax.Array) -> jax.Array:
        params = [
            {"w": weights(*shape), "b": weights(shape[1])} if shape else {} for shape in shapes
        ]
        return network.apply(params, images, plan=plan, traits=traits)

    return apply


def _layer(layer: Layer) -> Function:
    kernel, stride, filters = layer.kernel, layer.stride, layer.outputs
    if layer.kind == parsed.POOL:
        return lambda _, x: max_pool(x, kernel, stride, layer.padding)

    def conv(weights: Weights, x: jax.Array) -> jax.Array:
        w, b = weights(kernel**2 * layer.inputs, filters), weights(filters)
        return conv2d(x, w, b, kernel, stride, constant=True)

    return conv


PROFILE = ProfiledSpace(_make_space, _network, _layer)
