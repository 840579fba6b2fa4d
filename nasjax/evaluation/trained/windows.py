"""Which elements the windows of a convolution or a pool cover, along one side of an image."""

import functools

import numpy as np


def output_side(side: int, kernel: int, stride: int, padding: int) -> int:
    """How many windows fit along a side."""
    return (side + 2 * padding - kernel) // stride + 1


@functools.lru_cache(maxsize=1024)
def taps(side: int, kernel: int, stride: int, padding: int) -> np.ndarray:
    """[windows, kernel]: the elements that every window covers, outside ones moved to the edge."""
    starts = np.arange(output_side(side, kernel, stride, padding)) * stride - padding
    return np.clip(starts[:, None] + np.arange(kernel), 0, side - 1)
