"""The interface of sources of images: decoded pixels with their labels, before any split."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Pixels(NamedTuple):
    """Decoded images of one part of a data set, in the order of the source."""

    images: np.ndarray  # [N, H, W, C] uint8
    labels: np.ndarray  # [N] int32, 0 .. num_classes - 1
    num_classes: int


def _nothing() -> None:
    """Checks nothing."""


class Source(NamedTuple):
    """One data set: two readers, called only when their part is needed, and the largest pixel."""

    pixel_max: int
    read_training: Callable[[], Pixels]
    read_test: Callable[[], Pixels]
    # Called before a search begins: a UserError says that `read_test` would fail at its end.
    check_test: Callable[[], object] = _nothing
