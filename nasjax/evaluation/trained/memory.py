"""Estimates the memory of a lane before anything is compiled."""

from nasjax.evaluation.trained import native, network
from nasjax.evaluation.trained.convolution import Convolution
from nasjax.evaluation.trained.training import EVALUATION_CHUNK
from nasjax.spaces.layer_chain import CONV, POOL


def lane_bytes(
    plan: network.Plan,
    input_shape: tuple[int, int, int],
    num_classes: int,
    batch_size: int,
    *,
    by_epochs: bool = False,
) -> int:
    """The peak memory of one lane in bytes, training or measuring, all values float32.

    Training holds weights, gradients and Adam's two moments, and a copy of the three that a step
    returns. For the backward pass it holds every activation, its gradient and the patches: gathered
    windows, or nothing where the kernels of native/ read windows in place. Measuring holds the
    input, patches and output of the largest layer.
    A program that trains one epoch (`by_epochs`) also holds its arguments, weights and moments.
    """
    values = network.num_params(plan, input_shape, num_classes)
    activations, largest = [], 0
    height, width, channels = input_shape
    for i, layer in enumerate(plan):
        before, entering = (height, width), height * width * channels
        height, width = layer.output_side(height), layer.output_side(width)
        if layer.kind == CONV:
            sizes = Convolution(*before, channels, layer.width, layer.kernel, layer.stride)
            patches = sizes.gathered_values(constant=i == 0)
        elif layer.kind == POOL:  # chosen elements, or all elements of the windows
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
