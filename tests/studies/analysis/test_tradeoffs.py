"""Trade-offs of small tables, by hand and by looking at all pairs of rows."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nasjax.studies.analysis import tradeoffs
from nasjax.studies.config import Constraint
from nasjax.studies.simulate import ENDED, NO_ROW
from tests.studies.small_results import NAN, constrained, constrained_reference, result

INF = np.inf


def table(seed: int, rows: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Few different values, so that many are equal; some are missing."""
    rng = np.random.default_rng(seed)
    accuracy = rng.integers(1, 12, rows) / 12
    costs = rng.integers(1, 9, rows).astype(float)
    accuracy[rng.integers(rows, size=2)] = NAN
    costs[rng.integers(rows, size=2)] = INF
    return accuracy, costs


def test_hypervolumes_equal_the_areas_drawn_by_hand() -> None:
    accuracy, costs = np.array([0.5, 0.8, 0.9, NAN, 0.95]), np.array([1.0, 2, 4, 5, INF])
    # of the table: .5 from 1 to 2, .8 from 2 to 4, .9 from 4 to 5, where its costs end
    whole = 0.5 * 1 + 0.8 * 2 + 0.9 * 1
    queries = np.array([[0, 1, 2], [2, 2, 1], [3, 4, 0], [NO_ROW, ENDED, ENDED]])
    expected = [
        [0.5 * 4, 0.5 * 1 + 0.8 * 3, whole],
        [0.9 * 1, 0.9 * 1, 0.8 * 2 + 0.9 * 1],
        [0, 0, 0.5 * 4],  # neither a missing accuracy, nor what the device cannot run
        [0, 0, 0],
    ]
    found = tradeoffs.hypervolumes(queries, accuracy, costs, np.array([1, 2, 3]))
    assert_allclose(found, np.array(expected) / whole, rtol=1e-12)


def area(rows: list[int], accuracy: np.ndarray, costs: np.ndarray) -> float:
    """From each cost of the table to the next: the best accuracy at no more."""
    edges = sorted(set(costs[np.isfinite(costs)]))
    known = [i for i in rows if i >= 0 and np.isfinite(accuracy[i]) and np.isfinite(costs[i])]
    return sum(
        (right - left) * max([accuracy[i] for i in known if costs[i] <= left], default=0)
        for left, right in itertools.pairwise(edges)
    )


@pytest.mark.parametrize("seed", range(3))
def test_hypervolumes_equal_a_plain_sum_over_the_costs(seed: int) -> None:
    accuracy, costs = table(seed)
    queries = np.random.default_rng(seed).integers(-2, 30, (6, 20))
    counts = np.array([1, 2, 5, 20])
    found = tradeoffs.hypervolumes(queries, accuracy, costs, counts)
    whole = area(list(range(30)), accuracy, costs)
    expected = [
        [area(seed[:n].tolist(), accuracy, costs) / whole for n in counts] for seed in queries
    ]
    assert_allclose(found, expected, rtol=1e-12)
    assert (np.diff(found, axis=1) >= 0).all() and found.min() >= 0 and found.max() <= 1


def test_neither_the_order_of_queries_nor_the_unit_of_costs_matters() -> None:
    accuracy, costs = table(0)
    queries = np.random.default_rng(1).integers(0, 30, (4, 15))
    found = tradeoffs.hypervolumes(queries, accuracy, costs, np.array([15]))
    other = tradeoffs.hypervolumes(queries[:, ::-1], accuracy, 1000 * costs, np.array([15]))
    assert_allclose(found, other, rtol=1e-12)


def test_all_rows_have_the_whole_hypervolume_and_a_table_without_area_has_none() -> None:
    accuracy, costs = table(0)
    every = np.arange(30)[None]
    assert_allclose(tradeoffs.hypervolumes(every, accuracy, costs, np.array([30])), 1)
    for flat in (np.ones(30), np.full(30, INF)):
        assert np.isnan(tradeoffs.hypervolumes(every, accuracy, flat, np.array([1, 30]))).all()


def test_a_table_of_more_rows_than_16_bits_hold_is_sorted_as_well() -> None:
    rows = 70_000
    costs = np.random.default_rng(0).permutation(rows) + 1.0
    accuracy = costs / rows  # the dearer the better
    place = 66_000
    queries = np.array([[int(costs.argmin()), int(np.flatnonzero(costs == place)[0])]])
    found = tradeoffs.hypervolumes(queries, accuracy, costs, np.array([2]))
    # all: 1 + 2 + ... + (rows - 1), in units of 1 / rows; two: 1 up to the place, then the place
    all_rows = rows * (rows - 1) / 2
    assert_allclose(found, ((place - 1) + place * (rows - place)) / all_rows, rtol=1e-9)


def test_a_curve_is_the_mean_over_seeds() -> None:
    # of rows 0 to 5: costs 1 2 4 3 - 8; .5 .6 .7 .7 - .9; the whole: .5 + .6 + .7 * 5 = 4.6
    # seeds ask for 0 2 3 1 | - - 1 5 | 1 0 (ended)
    areas = [[3.5, 4.3, 4.5, 4.6], [0, 0, 3.6, 3.6], [3.6, 4.1, 4.1, 4.1]]
    curve = tradeoffs.hypervolume_curve(constrained())
    assert_array_equal(curve.queries, [1, 2, 3, 4])
    assert_allclose(curve.mean, np.mean(areas, axis=0) / 4.6, rtol=1e-12)
    assert (curve.low <= curve.mean).all() and (curve.mean <= curve.high).all()


# --- returns ------------------------------------------------------------------------------------


def at_most_two(costs: list[float]) -> dict[str, object]:
    """A constraint of at most 2 on these costs."""
    constraint = Constraint("toy/ms", 0.5)
    return {"constraint": constraint, "max_cost": 2.0, "costs": np.array(costs)}


def test_the_return_of_each_window_by_hand() -> None:
    # Rows 0 to 2: .8 at half the target, .9 at twice of it (.45), .6 that cannot be run (0).
    one = result(
        search_accuracy=np.array([0.8, 0.9, 0.6]),
        reported_accuracy=np.array([0.8, 0.9, 0.6]),
        queries=[[0, 1, 0, NO_ROW, 0], [1, 1, 2, ENDED, ENDED]],
        **at_most_two([1.0, 4.0, INF]),
    )
    assert_allclose(tradeoffs.worths(one.problem), [1, 0.45 / 0.8, 0])
    found = tradeoffs.return_curve(one, points=3)
    # Windows: query 1, query 2, queries 3 to 5 (of the second seed only the third was made).
    assert found.queries.tolist() == [1, 2, 5]
    half = 0.5625
    assert_allclose(found.mean, [(1 + half) / 2, half, (2 / 3 + 0) / 2])


def test_a_search_that_has_ended_keeps_its_last_return() -> None:
    one = result(
        search_accuracy=np.array([0.8, 0.4]),
        reported_accuracy=np.array([0.8, 0.4]),
        queries=[[1, ENDED, ENDED]],
        **at_most_two([1.0, 1.0]),
    )
    assert_allclose(tradeoffs.return_curve(one, points=3).mean, [0.5, 0.5, 0.5])


# --- incumbents ---------------------------------------------------------------------------------


def test_incumbents_have_quartiles_of_costs_and_of_accuracies() -> None:
    # rows 3, 1, 1 and a seed without any: costs 3, 2, 2, reported .69, .58, .58
    found = tradeoffs.quartiles(constrained(queries=[[3, 0], [1, 0], [1, 5], [5, 5]]))
    assert_allclose(found.costs, [2, 2, 2.5])
    assert_allclose(found.accuracy, [0.58, 0.58, (0.58 + 0.69) / 2])
    shown = tradeoffs.tradeoff([constrained(), constrained_reference()])
    # by reported accuracy .50 .58 .69 .71 .88 at costs 1 2 3 4 8; row 4 cannot run
    assert_allclose(shown.front_costs, [1, 2, 3, 4, 8])
    assert_allclose(shown.front_accuracy, [0.50, 0.58, 0.69, 0.71, 0.88])
    assert [each.best for each in shown.progress] == [0.69]
