"""The return over queries, by hand."""

import numpy as np
from numpy.testing import assert_allclose

from nasjax.studies import returns
from nasjax.studies.cell import ENDED, NO_ROW, Constraint
from tests.studies import small_cells


def test_the_return_of_each_window_by_hand():
    # Rows 0 to 2: .8 at half the target, .9 at twice of it (.45), .6 that cannot be run (0).
    cell = small_cells.cell(
        search_accuracy=np.array([0.8, 0.9, 0.6]),
        reported_accuracy=np.array([0.8, 0.9, 0.6]),
        queries=[[0, 1, 0, NO_ROW, 0], [1, 1, 2, ENDED, ENDED]],
        constraint=Constraint("toy/ms", 0.5, 2.0, np.array([1.0, 4.0, np.inf])),
    )
    assert_allclose(returns.worths(cell), [1, 0.45 / 0.8, 0])
    found = returns.return_curve(cell, points=3)
    # Windows: query 1, query 2, queries 3 to 5 (of the second seed only the third was made).
    assert found.queries.tolist() == [1, 2, 5]
    half = 0.5625
    assert_allclose(found.mean, [(1 + half) / 2, half, (2 / 3 + 0) / 2])


def test_a_search_that_has_ended_keeps_its_last_return():
    cell = small_cells.cell(
        search_accuracy=np.array([0.8, 0.4]),
        reported_accuracy=np.array([0.8, 0.4]),
        queries=[[1, ENDED, ENDED]],
        constraint=Constraint("toy/ms", 0.5, 2.0, np.array([1.0, 1.0])),
    )
    assert_allclose(returns.return_curve(cell, points=3).mean, [0.5, 0.5, 0.5])
