"""How NAS-Bench-201 is profiled: images of three channels, batch norms folded."""

import functools

import jax
import numpy as np

from nasjax.errors import UserError
from nasjax.nets import nas_bench_201 as nets
from nasjax.spaces import parsed
from nasjax.spaces.nas_bench_201 import NasBench201
from nasjax.spaces.parsed import Layers
from nasjax.studies.profile.config import ProfileConfig
from nasjax.studies.profile.programs import LATENCY, Layer, ProfiledSpace, Program, linear, named


def _make(image_size: int, classes: int) -> NasBench201:
    if image_size % 4:
        raise UserError(f"--image_size={image_size}; it must be a multiple of 4, halved twice")
    return NasBench201()


def _networks(
    space: NasBench201, architectures: np.ndarray, config: ProfileConfig
) -> list[Program]:
    task = {"image_size": config.image_size, "num_classes": config.classes}
    features = jax.jit(jax.vmap(lambda architecture: space.features(architecture, **task)))
    found = []
    for architecture, row in zip(architectures, np.asarray(features(architectures)), strict=True):
        operations = (architecture[:, 0] - 1).tolist()
        program = Program(
            name=space.to_text(architecture),
            target=LATENCY,
            features=named(space.feature_names, row),
            function=functools.partial(nets.apply, operations=operations),
            params=nets.param_shapes(operations, config.classes),
            inputs=(config.image_size, config.image_size, 3),
        )
        found.append(program)
    return found


def _layers(space: NasBench201, architectures: np.ndarray, config: ProfileConfig) -> list[Layer]:
    task = {"image_size": config.image_size, "num_classes": config.classes}
    parse = jax.jit(jax.vmap(lambda architecture: space.parse_network(architecture, **task)))
    columns = [np.asarray(leaf).ravel() for leaf in parse(architectures)]
    rows = np.unique(np.stack(columns, axis=1), axis=0).tolist()
    layers = [dict(zip(Layers._fields, row, strict=True)) for row in rows]
    return [
        _layer(fields | {"repeats": 1, "live": 1, "skip": 0})
        for fields in layers
        if fields["kind"] not in (parsed.NO_LAYER, parsed.SKIP)
    ]


def _layer(fields: dict[str, float]) -> Layer:
    """A convolution with what is folded into it, after a ReLU; a pool; the linear layer."""
    kernel, stride, channels = (int(fields[name]) for name in ("kernel", "stride", "channels"))
    if fields["kind"] == parsed.LINEAR:
        inputs = int(fields["input_volume"])
        weights = {"w": (inputs, channels), "b": (channels,)}
        return Layer(f"linear {inputs}>{channels}", fields, linear, weights, (inputs,))
    side = int(fields["height"]) * stride
    inputs = int(fields["input_volume"]) // side**2
    where, image = f"k{kernel} s{stride} on {side}x{side}", (side, side, inputs)
    if fields["kind"] == parsed.POOL:
        name = f"average pool {channels} {where}"
        return Layer(name, fields, lambda _, x: nets.average_pool(x), {}, image)
    kernels = {"w": (kernel, kernel, inputs, channels), "b": (channels,)}
    return Layer(
        name=f"conv {inputs}>{channels} {where}",
        fields=fields,
        function=lambda layer, x: nets.conv(layer, jax.nn.relu(x), stride),
        params=kernels,
        inputs=image,
    )


NAS_BENCH_201 = ProfiledSpace(_make, _networks, _layers)
