"""How good predictions are, on the host."""

import numpy as np
import scipy.stats


def of(values: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """By name, of measured values [N] and predictions [N].

    r2: share of the variance explained (1 - SSE / SST); rmse: in the values' unit; mape: mean
    absolute error relative to the value; within_5, within_10: share of errors of at most 5 and
    10 %; spearman, kendall: rank correlations, 0 where all predictions are equal.
    """
    error = predicted - values
    relative = np.abs(error) / np.abs(values)
    constant = np.ptp(predicted) == 0 or np.ptp(values) == 0
    return {
        "r2": float(1 - (error**2).sum() / ((values - values.mean()) ** 2).sum()),
        "rmse": float(np.sqrt((error**2).mean())),
        "mape": float(relative.mean()),
        "within_5": float((relative <= 0.05).mean()),
        "within_10": float((relative <= 0.10).mean()),
        "spearman": 0.0 if constant else float(scipy.stats.spearmanr(values, predicted)[0]),
        "kendall": 0.0 if constant else float(scipy.stats.kendalltau(values, predicted)[0]),
    }


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean of the shares of each class [N] bool that are told right."""
    return float(np.mean([(predicted[truth == one] == one).mean() for one in (False, True)]))


def calibration(values: np.ndarray, predicted: np.ndarray, spread: np.ndarray) -> dict[str, float]:
    """By name, of a spread [N] that claims to be the error's deviation.

    within_1_spread, within_2_spreads: shares of errors no larger; normal errors: 0.683, 0.954.
    """
    error = np.abs(predicted - values)
    return {
        "within_1_spread": float((error <= spread).mean()),
        "within_2_spreads": float((error <= 2 * spread).mean()),
    }
