"""Estimates the memory of a lane before anything is compiled."""

import math

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
    shapes = network.layer_shapes(plan, input_shape)
    for i, (layer, before, after) in enumerate(zip(plan, shapes, shapes[1:], strict=False)):
        entering, leaving = math.prod(before), math.prod(after)
        if layer.kind == CONV:
            sizes = Convolution(*before, layer.width, layer.kernel, layer.stride)
            patches = sizes.gathered_values(constant=i == 0)
        elif layer.kind == POOL:  # chosen elements, or all elements of the windows
            rows, columns, channels = after
            patches = rows * (columns if native.load() else layer.kernel * before[1]) * channels
        else:
            patches = entering
        activations.append(patches + leaving)
        largest = max(largest, entering + patches + leaving)
    given = 3 * values if by_epochs else 0
    training = given + 7 * values + 2 * batch_size * sum(activations)
    measuring = 2 * given + values + EVALUATION_CHUNK * largest
    return 4 * max(training, measuring)
