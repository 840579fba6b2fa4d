"""Scores of predictions, on the host."""

import numpy as np
import scipy.stats


def all_scores(values: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Scores, by name, of predictions [N] of the measured values [N].

    r2: 1 - SSE / SST. rmse: root mean squared error, in the unit of the values. mape: mean absolute
    error relative to the value. within_5, within_10: share of errors of at most 5 and 10 %.
    spearman, kendall: rank correlations, 0 for constant predictions.
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
    """The mean over both classes of the share predicted correctly; arguments: [N] bool."""
    return float(np.mean([(predicted[truth == one] == one).mean() for one in (False, True)]))


def calibration(values: np.ndarray, predicted: np.ndarray, spread: np.ndarray) -> dict[str, float]:
    """Shares of errors [N] up to 1 and 2 spreads [N]; 0.683 and 0.954 for normal errors."""
    error = np.abs(predicted - values)
    return {
        "within_1_spread": float((error <= spread).mean()),
        "within_2_spreads": float((error <= 2 * spread).mean()),
    }
