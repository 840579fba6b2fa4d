"""SMOTE on measurements: where new rows lie, what stays unknown, who stays alone."""

import numpy as np
import pytest

pytest.importorskip("imblearn")

from nasjax.predictors.oversampling import oversample


def test_new_rows_lie_between_two_of_their_context_and_so_do_their_costs():
    # Context 1 has two rows, (0, 1) and (4, 3) with costs 1 and 16: a new row at x lies at
    # (4 x, 1 + 2 x) and costs 16^x.
    inputs = np.array([[0, 1], [4, 3], [9, 9], [8, 8], [7, 9], [9, 7], [8, 9]], np.float32)
    values = np.array([1, 16, 2, 2, 3, 2, 3], float)
    groups = np.array([1, 1, 0, 0, 0, 0, 0])
    found, costs = oversample(0, inputs, values, groups)
    assert found.shape == (10, 2)
    np.testing.assert_allclose(found[:7], inputs)
    np.testing.assert_allclose(costs[:7], values)
    part = found[7:, 0] / 4
    assert ((part >= 0) & (part <= 1)).all() and np.ptp(part) > 0
    np.testing.assert_allclose(found[7:, 1], 1 + 2 * part, rtol=1e-5)
    np.testing.assert_allclose(costs[7:], 16**part, rtol=1e-4)


def test_what_is_unknown_of_a_context_stays_unknown_and_a_single_row_alone():
    nan = np.nan
    inputs = np.array([[0, nan], [1, nan], [5, 2], [6, 2], [7, 2], [3, 3]], np.float32)
    groups = np.array([4, 4, 2, 2, 2, 9])
    found, costs = oversample(0, inputs, np.ones(6), groups)
    assert len(found) == 3 + 3 + 1
    unknown = np.isnan(found[:, 1])
    assert unknown.sum() == 3
    assert (found[unknown, 0] <= 1).all()
    np.testing.assert_array_equal(found[-1], [3, 3])
    np.testing.assert_allclose(costs, 1)


def test_equal_contexts_are_left_as_they_are():
    inputs = np.arange(8, dtype=np.float32).reshape(4, 2)
    found, costs = oversample(0, inputs, np.arange(1.0, 5), np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(found, inputs)
    np.testing.assert_allclose(costs, [1, 2, 3, 4])
