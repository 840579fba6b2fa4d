"""How chains of layers are profiled: as the engine computes them, layers alone unactivated.

On a CPU convolutions and pools in float32 are the engine's own kernels, see WORKSPACE.md.
"""

import functools

import jax
import numpy as np

from nasjax.evaluation.trained import network
from nasjax.evaluation.trained.convolution import conv2d
from nasjax.evaluation.trained.pooling import max_pool
from nasjax.profiling.programs import Computed, Layer, ProfiledSpace, linear
from nasjax.spaces import parsed
from nasjax.spaces.layer_chain import LayerChain


def _make(image_size: int, classes: int) -> LayerChain:
    return LayerChain((image_size, image_size, 3), classes)


def _network(space: LayerChain, architecture: np.ndarray) -> Computed:
    plan, traits = network.make_plan(architecture, space.input_shape[2])
    shapes = network.weight_shapes(plan, space.input_shape, space.num_classes)
    return Computed(
        function=functools.partial(network.apply, plan=plan, traits=traits),
        params=[{"w": shape, "b": shape[1:]} if shape else {} for shape in shapes],
        inputs=space.input_shape,
    )


def _layer(layer: Layer) -> Computed:
    if layer.kind == parsed.LINEAR:
        return linear(layer)
    image, (kernel, stride, padding) = (layer.side, layer.side, layer.inputs), layer[1:4]
    if layer.kind == parsed.POOL:
        return Computed(lambda _, x: max_pool(x, kernel, stride, padding), {}, image)

    def conv(params: dict[str, jax.Array], x: jax.Array) -> jax.Array:
        return conv2d(x, params["w"], params["b"], kernel, stride, constant=True)

    shapes = {"w": (kernel**2 * layer.inputs, layer.outputs), "b": (layer.outputs,)}
    return Computed(conv, shapes, image)


LAYER_CHAIN = ProfiledSpace(_make, _network, _layer)
