"""Splits are disjoint, stratified, and the same on every machine."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nasjax.data.splits import largest_remainder, stratified_split

LABELS = np.repeat([3, 0, 7], [50, 30, 20])


def test_largest_remainder_follows_a_worked_example() -> None:
    # 10 seats for 43, 33, 24: quotas 4.3, 3.3, 2.4; floors 4, 3, 2; the seat left goes to .4.
    assert_array_equal(largest_remainder(np.array([43, 33, 24]), 10), [4, 3, 3])


def test_ties_go_to_the_lower_class() -> None:
    # 2 of 4 classes with 5 images each: quotas all 0.5.
    assert_array_equal(largest_remainder(np.array([5, 5, 5, 5]), 2), [1, 1, 0, 0])


@pytest.mark.parametrize("sizes", [(100,), (60, 40), (1, 1), (33, 33, 33), (7, 93), (0, 5)])
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_parts_are_disjoint_and_as_large_as_asked(sizes: tuple[int, ...], seed: int) -> None:
    parts = stratified_split(LABELS, sizes, seed)
    assert tuple(len(part) for part in parts) == sizes
    drawn = np.concatenate(parts)
    assert len(set(drawn.tolist())) == len(drawn) == sum(sizes)
    assert set(drawn.tolist()) <= set(range(len(LABELS)))


@pytest.mark.parametrize("size", [1, 9, 37, 50, 99])
def test_a_part_keeps_each_class_share_to_within_one_image(size: int) -> None:
    (part,) = stratified_split(LABELS, (size,), seed=3)
    for label, count in ((3, 50), (0, 30), (7, 20)):
        assert abs(int((LABELS[part] == label).sum()) - size * count / 100) < 1


def test_two_parts_that_take_everything_hold_every_image_once() -> None:
    # Rounding each part by itself may ask for more images of a class than there are.
    labels = np.repeat(np.arange(10), 7)  # 35 = 3.5 of each class, twice
    first, second = stratified_split(labels, (35, 35), seed=0)
    assert_array_equal(np.sort(np.concatenate([first, second])), np.arange(70))


def test_the_first_part_does_not_depend_on_the_second() -> None:
    alone = stratified_split(LABELS, (20,), seed=5)[0]
    assert_array_equal(stratified_split(LABELS, (20, 60), seed=5)[0], alone)


def test_another_seed_gives_another_split() -> None:
    first, second = (stratified_split(LABELS, (50,), seed)[0] for seed in (0, 1))
    assert set(first.tolist()) != set(second.tolist())


def test_classes_are_mixed_in_order() -> None:
    # Sorted by class, the first 25 of 50 would be one or two classes and never the last one.
    (part,) = stratified_split(LABELS, (50,), seed=0)
    assert set(LABELS[part[:25]].tolist()) == {0, 3, 7}


def test_every_image_is_equally_likely_to_be_drawn() -> None:
    # 2,000 seeds, 1 of 4 images drawn: each count is Binomial(2000, 1/4), mean 500, sd 19.4.
    # 6 sd for 4 counts: false alarm below 1e-8 (and the seeds are fixed).
    counts = np.zeros(4)
    for seed in range(2000):
        counts[stratified_split(np.zeros(4, int), (1,), seed)[0]] += 1
    assert np.all(np.abs(counts - 500) < 6 * 19.4)


def test_the_split_is_the_documented_use_of_raw_pcg64() -> None:
    # Second, loop-only version of the algorithm: per class the images with the smallest keys,
    # then each part in the order of the next keys.
    bits = np.random.PCG64(11)
    member = [int(x) for x in bits.random_raw(100)]
    order = [int(x) for x in bits.random_raw(100)]
    shares = {0: (6, 15), 3: (10, 25), 7: (4, 10)}  # 20 % and 50 % of 30, 50 and 20
    want: list[list[int]] = [[], []]
    for label, (n_first, n_second) in shares.items():
        ranked = sorted((i for i in range(100) if LABELS[i] == label), key=lambda i: member[i])
        want[0] += ranked[:n_first]
        want[1] += ranked[n_first : n_first + n_second]
    got = stratified_split(LABELS, (20, 50), seed=11)
    for part, expected in zip(got, want, strict=True):
        assert part.tolist() == sorted(expected, key=lambda i: order[i])


def test_raw_pcg64_is_the_published_stream() -> None:
    # Origin: numpy/random/tests/data/pcg64-testset-1.csv (seed 0xDEADBEAF), first two rows.
    assert [hex(x) for x in np.random.PCG64(0xDEADBEAF).random_raw(2).tolist()] == [
        "0x60d24054e17a0698",
        "0xd5e79d89856e4f12",
    ]


@pytest.mark.parametrize(("sizes", "seed"), [((101,), 0), ((60, 41), 0), ((-1,), 0), ((5,), -1)])
def test_impossible_requests_are_refused(sizes: tuple[int, ...], seed: int) -> None:
    with pytest.raises(ValueError, match="cannot split 100 images"):
        stratified_split(LABELS, sizes, seed)
