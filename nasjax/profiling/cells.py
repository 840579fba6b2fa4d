"""How NAS-Bench-201 is profiled: batch norms folded, layers alone with the ReLU before them."""

import jax

from nasjax.errors import UserError
from nasjax.profiling.networks import folded
from nasjax.profiling.networks import nas_bench_201 as nets
from nasjax.profiling.programs import Computed, Layer, ProfiledSpace, linear, slots
from nasjax.spaces import parsed
from nasjax.spaces.nas_bench_201 import NasBench201


def _make(image_size: int, classes: int) -> NasBench201:
    if image_size % 4:
        raise UserError(f"--image_size={image_size}; it must be a multiple of 4, halved twice")
    return NasBench201(image_size=image_size, num_classes=classes)


def _layer(layer: Layer) -> Computed:
    if layer.kind == parsed.LINEAR:
        return linear(layer)
    image = (layer.side, layer.side, layer.inputs)
    if layer.kind == parsed.POOL:
        return Computed(lambda _, x: nets.average_pool(x), {}, image)
    shapes = folded.conv_shapes(layer.inputs, layer.outputs, layer.kernel)
    return Computed(
        lambda params, x: folded.conv(params, jax.nn.relu(x), layer.stride), shapes, image
    )


NAS_BENCH_201 = ProfiledSpace(_make, slots(nets.apply, nets.param_shapes), _layer)
