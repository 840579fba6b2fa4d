"""How much memory a lane will need, estimated before anything is compiled."""

from nasjax.evaluation.trained import native, network
from nasjax.evaluation.trained.convolution import Convolution
from nasjax.evaluation.trained.training import EVALUATION_CHUNK
from nasjax.spaces.layer_chain import CONV, FC, POOL


def lane_bytes(
    plan: network.Plan,
    input_shape: tuple[int, int, int],
    num_classes: int,
    batch_size: int,
    *,
    by_epochs: bool = False,
) -> int:
    """Bytes of float32 that one lane holds at its peak, training or measuring.

    Training holds weights, gradients and Adam's two moments (and a copy of the three that the
    step returns), and for the backward pass every activation, its gradient and the patches:
    gathered windows, none where kernels of native/ read them in place. Measuring holds the largest
    layer's input, patches and output.
    A program that trains an epoch (`by_epochs`) also holds the weights and moments it was given.
    """
    values = network.num_params(plan, input_shape, num_classes)
    activations, largest = [], 0
    height, width, channels = input_shape
    for i, layer in enumerate(plan):
        before, entering = (height, width), height * width * channels
        height, width = (
            network.output_sides((layer,), side)[0] if layer.kind != FC else 1
            for side in (height, width)
        )
        if layer.kind == CONV:
            sizes = Convolution(*before, channels, layer.width, layer.kernel, layer.stride)
            patches = sizes.gathered_values(constant=i == 0)
        elif layer.kind == POOL:  # which elements it chose; or windows of rows, all their elements
            patches = height * (width if native.load() else layer.kernel * before[1]) * channels
        else:
            patches = entering
        channels = layer.width
        leaving = height * width * channels
        activations.append(patches + leaving)
        largest = max(largest, entering + patches + leaving)
    given = 3 * values if by_epochs else 0
    training = given + 7 * values + 2 * batch_size * sum(activations)
    measuring = 2 * given + values + EVALUATION_CHUNK * largest
    return 4 * max(training, measuring)
