"""How NAS-Bench-Macro is profiled: batch norms folded; a block alone is one layer, as a whole.

Convolutions alone (the stem, the head's, those that stand for blocks left out) are not activated.
"""

from nasjax.profiling.networks import folded
from nasjax.profiling.networks import nas_bench_macro as nets
from nasjax.profiling.programs import Computed, Layer, ProfiledSpace, linear, slots
from nasjax.spaces import parsed
from nasjax.spaces.nas_bench_macro import NasBenchMacro


def _make(image_size: int, classes: int) -> NasBenchMacro:
    return NasBenchMacro(image_size=image_size, num_classes=classes)


def _layer(layer: Layer) -> Computed:
    if layer.kind == parsed.LINEAR:
        return linear(layer)
    channels, image = (layer.inputs, layer.outputs), (layer.side, layer.side, layer.inputs)
    if layer.kind == parsed.INVERTED_RESIDUAL:
        return Computed(
            lambda params, x: folded.inverted_residual(params, x, layer.stride),
            folded.inverted_residual_shapes(*channels, layer.kernel, layer.expansion),
            image,
        )
    return Computed(
        lambda params, x: folded.conv(params, x, layer.stride),
        folded.conv_shapes(*channels, layer.kernel),
        image,
    )


# A network maps up to 170 regions of memory.
NAS_BENCH_MACRO = ProfiledSpace(
    _make, slots(nets.apply, nets.param_shapes), _layer, most_networks=300
)
