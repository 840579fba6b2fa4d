"""Scores against worked numbers."""

import numpy as np
import pytest

from nasjax.predictors import scores


def test_scores_of_four_predictions():
    values, predicted = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.08, 3.3, 2.0])
    found = scores.all_scores(values, predicted)
    # Errors 0, .08, .3, -2: squares sum to 4.0964; values deviate by 5 in all.
    assert found["r2"] == pytest.approx(1 - 4.0964 / 5)
    assert found["rmse"] == pytest.approx(np.sqrt(4.0964 / 4))
    assert found["mape"] == pytest.approx((0 + 0.04 + 0.1 + 0.5) / 4)
    assert found["within_5"] == 0.5
    assert found["within_10"] == pytest.approx(0.75)  # 0.3 of 3 in binary is not above a tenth
    # Ranks 1, 3, 4, 2 of 1, 2, 3, 4: squared differences 0 + 1 + 1 + 4, rho = 1 - 6 x 6 / 60.
    assert found["spearman"] == pytest.approx(0.4)
    # Of 6 pairs, (2, 4) and (3, 4) are in the wrong order: (4 - 2) / 6.
    assert found["kendall"] == pytest.approx(1 / 3)


def test_a_constant_prediction_orders_nothing():
    found = scores.all_scores(np.array([1.0, 2.0]), np.array([1.5, 1.5]))
    assert found["spearman"] == found["kendall"] == found["r2"] == 0


def test_balanced_accuracy_is_the_mean_over_both_classes():
    truth = np.array([True, True, True, True, False])
    assert scores.balanced_accuracy(truth, np.array([True, True, True, False, True])) == 0.375


def test_calibration_is_the_share_of_errors_within_the_spread():
    # Errors 1, 2, 3 and 0 of spreads 1: two are within one, three within two.
    found = scores.calibration(np.array([1, 2, 3, 4.0]), np.array([2, 4, 0, 4.0]), np.ones(4))
    assert found == {"within_1_spread": 0.5, "within_2_spreads": 0.75}
