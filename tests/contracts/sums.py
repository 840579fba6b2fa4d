"""Measurements that every predictor must be able to explain."""

import numpy as np


def measurements(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features [count, 5] float32 and a cost [count], between 1 and about 30.

    The cost is a sum of layers' costs, times a factor.
    """
    rng = np.random.default_rng(seed)
    features = rng.integers(0, 4, (count, 5)).astype(np.float32)
    values = 1 + features @ [1.0, 2.0, 0.5, 0.0, 1.0] * (1 + 0.3 * features[:, 3])
    return features, values
