"""Makes the trained evaluator of a search, with its memory and its final test."""

import dataclasses
from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from nasjax.data.datasets import SearchData, Split
from nasjax.errors import UserError
from nasjax.evaluation.evaluation import Evaluation, EvaluationRequest
from nasjax.evaluation.trained.cohorts import TrainedConfig
from nasjax.evaluation.trained.evaluator import TrainedEvaluator
from nasjax.evaluation.trained.store import Result, ResultStore
from nasjax.spaces.layer_chain import LayerChain
from nasjax.streams import stream
from nasjax.types import MEASURED, STATUSES


def evaluate_by_training(config: TrainedConfig, request: EvaluationRequest) -> Evaluation:
    """Makes the evaluator that trains; the final test trains anew on train + validation.

    Raises:
      UserError: the data are too few for the config, or the store cannot be used.
    """
    space, data, load_test = request.space, request.data, request.load_test
    assert data is not None and load_test is not None
    store = ResultStore(request.store) if request.store else None
    evaluator = TrainedEvaluator(config, space, data, store)

    def test(architecture: np.ndarray) -> dict[str, Any]:
        train = Split(
            np.concatenate([data.train.images, data.validation.images]),
            np.concatenate([data.train.labels, data.validation.labels]),
        )
        split = load_test()
        key = stream(request.root_key, "final test")
        correct = train_once(config, space, key, architecture, train, split)
        return {
            "test_accuracy": float(correct.mean()),
            **by_class(correct, split.labels, space.num_classes),
            "test_images": len(split.labels),
            "train_images": len(train.labels),
        }

    def of_each_class(labels: np.ndarray) -> list[int]:
        counts: list[int] = np.bincount(labels, minlength=space.num_classes).tolist()
        return counts

    return Evaluation(
        evaluator_of=lambda source: evaluator.evaluator(),
        source=(),
        test=test,
        validation_batches=config.validation_batches,
        counts_of=config.validation_batch_size,
        facts=evaluator.facts,
        images={
            "train": of_each_class(data.train.labels),
            "validation": of_each_class(data.validation.labels),
            "available": data.available,
        },
        remember=lambda rows: remember_records(evaluator, rows, len(data.validation.labels)),
        watch=evaluator.watch,
    )


def remember_records(evaluator: TrainedEvaluator, candidates: Iterable[Any], images: int) -> None:
    """Takes the results of a run's `runs.records.Candidate`s; images: of the validation split."""
    for row in candidates:
        if row.status in (*MEASURED, "diverged"):
            counts = np.array(row.counts, np.uint8)
            correct = round(row.accuracy * images)
            result = Result(STATUSES.index(row.status), counts, correct, 0.0)
            evaluator.remember(np.array(row.encoding, np.int32), result)


def train_once(
    config: TrainedConfig,
    space: LayerChain,
    key: jax.Array,
    architecture: np.ndarray,
    train: Split,
    test: Split,
) -> np.ndarray:
    """Trains one candidate on `train` by the search's recipe and measures it on `test`.

    Returns:
      Whether each image of `test` is classified correctly, [images] bool.

    Raises:
      UserError: its training diverged or did not fit into memory.
    """
    alone = dataclasses.replace(
        config,
        lanes=1,
        conv_widths=(),
        fc_widths=(),
        stop_below=(),
        validation_batches=len(test.labels),
        validation_batch_size=1,  # so a batch's count is whether its image is correct
    )
    data = SearchData(train, test, space.num_classes, fingerprint="final test")
    evaluator = TrainedEvaluator(alone, space, data)
    result = evaluator.measure(key, np.asarray(architecture, np.int32))
    if (status := STATUSES[result.status]) != "ok":
        trained = space.to_text(architecture)
        raise UserError(f"the final training of {trained} ended as {status}; try another seed")
    return result.counts.astype(bool)


def by_class(correct: np.ndarray, labels: np.ndarray, num_classes: int) -> dict[str, Any]:
    """Finds what an accuracy hides where classes differ in size.

    Args:
      correct: [images] bool; labels: [images] int.

    Returns:
      "class_accuracies" [classes], None for a class without images; "balanced_accuracy", the mean
      of the others; "majority_share", the accuracy of always saying the most frequent class.
    """
    images = np.bincount(labels, minlength=num_classes)
    right = np.bincount(labels, weights=correct, minlength=num_classes)
    shares = [float(r / n) if n else None for r, n in zip(right, images, strict=True)]
    return {
        "balanced_accuracy": float(np.mean([share for share in shares if share is not None])),
        "class_accuracies": shares,
        "majority_share": float(images.max() / images.sum()),
    }
