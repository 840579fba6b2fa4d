"""Accuracies of classes, where an overall accuracy hides them."""

import numpy as np

from nasjax.evaluation.trained.evaluation import by_class


def test_a_majority_hides_a_class_that_is_never_recognised():
    # Eight images of class 0, all right; two of class 1, both wrong; class 2 has none: accuracy
    # 0.8, mean of the classes (1 + 0) / 2.
    labels = np.array([0] * 8 + [1] * 2)
    correct = labels == 0
    assert by_class(correct, labels, 3) == {
        "balanced_accuracy": 0.5,
        "class_accuracies": [1.0, 0.0, None],
        "majority_share": 0.8,
    }


def test_of_even_classes_it_is_the_accuracy():
    labels = np.arange(12) % 3
    correct = np.arange(12) % 4 != 0
    found = by_class(correct, labels, 3)
    assert found["balanced_accuracy"] == correct.mean() == 0.75
    assert found["majority_share"] == 1 / 3
