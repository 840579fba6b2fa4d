"""Stratified splits that are the same on every machine and with every library version."""

from collections.abc import Sequence

import numpy as np


def stratified_split(labels: np.ndarray, sizes: Sequence[int], seed: int) -> tuple[np.ndarray, ...]:
    """Draws disjoint, shuffled parts in which every class keeps its share of `labels`.

    Part k is apportioned by largest remainder over the images that parts 0 .. k-1 left, so part 0
    depends on nothing but (labels, sizes[0], seed): a larger later part does not change it.

    Args:
        labels: [N] integers; sizes: images of each part, at most N in all; seed: not negative.

    Returns:
        One [size] int64 array of indices into `labels` per part, in random order.
    """
    num_images = len(labels)
    if seed < 0 or min(sizes, default=0) < 0 or sum(sizes) > num_images:
        raise ValueError(f"cannot split {num_images} images into {tuple(sizes)} with seed {seed}")
    # NumPy keeps raw outputs stable; the methods of `Generator` may change between versions.
    raw = np.random.PCG64(seed)
    membership_key, order_key = raw.random_raw(num_images), raw.random_raw(num_images)

    _, class_of, counts = np.unique(labels, return_inverse=True, return_counts=True)
    # Images sorted by class, at random within a class: class c owns pool[start[c] : start[c + 1]].
    pool = np.lexsort((membership_key, class_of))
    taken_to = np.cumsum(counts) - counts
    left = counts.copy()
    parts = []
    for size in sizes:
        share = largest_remainder(left, size)
        chosen = [pool[start : start + n] for start, n in zip(taken_to, share, strict=True)]
        part = np.concatenate([*chosen, np.empty(0, np.int64)])
        parts.append(part[np.argsort(order_key[part], kind="stable")])
        taken_to, left = taken_to + share, left - share
    return tuple(parts)


def largest_remainder(counts: np.ndarray, size: int) -> np.ndarray:
    """Apportions `size` to classes in proportion to `counts` [K]: [K] int64, summing to `size`.

    Hamilton's method: floor(size * counts / total) each, then one more to the largest remainders;
    ties go to the lower class. No class is given more than its count if size <= total.
    """
    total = int(counts.sum())
    if size == 0 or total == 0:
        return np.zeros(len(counts), np.int64)
    product = counts.astype(np.int64) * size
    share, remainder = product // total, product % total
    missing = size - int(share.sum())
    share[np.argsort(-remainder, kind="stable")[:missing]] += 1
    return share
