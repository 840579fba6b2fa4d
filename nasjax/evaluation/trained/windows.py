"""The elements that the windows of a convolution or pool cover, along one side of an image."""

import functools

import numpy as np


def output_side(side: int, kernel: int, stride: int, padding: int) -> int:
    """The number of windows that fit along a side."""
    return (side + 2 * padding - kernel) // stride + 1


@functools.lru_cache(maxsize=1024)
def taps(side: int, kernel: int, stride: int, padding: int) -> np.ndarray:
    """The elements of every window, [windows, kernel]; those outside are moved to the edge."""
    starts = np.arange(output_side(side, kernel, stride, padding)) * stride - padding
    return np.clip(starts[:, None] + np.arange(kernel), 0, side - 1)
