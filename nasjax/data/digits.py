"""The 1,797 handwritten digits (8x8, 17 grey levels) that ship inside scikit-learn."""

import numpy as np

from nasjax.data.pixels import Pixels, Source
from nasjax.data.splits import stratified_split

TEST_SIZE = 357
_TEST_SEED = 0  # fixed: the test images are the same whatever a config says


def open_digits() -> Source:
    """Opens `digits`: 357 test images, the same for every config, and 1,440 for the search."""
    return Source(
        pixel_max=16, read_training=lambda: _read("training"), read_test=lambda: _read("test")
    )


def _read(part: str) -> Pixels:
    """One side of the fixed division, in the order of scikit-learn's file."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    labels = np.asarray(bunch.target, np.int32)
    (test,) = stratified_split(labels, (TEST_SIZE,), _TEST_SEED)
    is_test = np.zeros(len(labels), bool)
    is_test[test] = True
    chosen = is_test if part == "test" else ~is_test
    images = np.asarray(bunch.images, np.uint8)[chosen]
    return Pixels(images[..., np.newaxis], labels[chosen], num_classes=10)
