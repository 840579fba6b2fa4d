"""Device costs that saved predictors predict of every architecture of a table."""

import functools
import pathlib
from collections.abc import Iterable, Sequence

import jax
import numpy as np

from nasjax import files
from nasjax.config import check
from nasjax.data.tables import IMAGES
from nasjax.evaluation.evaluation import PredictorFn, Rows
from nasjax.predictors import saved
from nasjax.predictors.features import features_of
from nasjax.spaces.slots import SlotSpace


def append(
    rows: Rows,
    space: SlotSpace,
    directories: Sequence[str],
    data_set: str,
    predictor_of: PredictorFn,
) -> Rows:
    """The rows, with a cost column for each directory of a saved predictor.

    Raises:
      UserError: a predictor is missing, damaged or of another data set, or predicts NaN.
    """
    columns = [rows.costs]
    for directory in directories:
        content = saved.fingerprint(pathlib.Path(directory))
        columns.append(_predicted(directory, content, space, data_set, predictor_of)[:, None])
    return rows._replace(costs=np.concatenate(columns, axis=1))


def digest(directories: Iterable[str], others: dict[str, str] | None = None) -> str | None:
    """A digest of saved predictors and of other fingerprints; None if there are neither."""
    found = {path: saved.fingerprint(pathlib.Path(path)) for path in directories} | (others or {})
    return files.digest_of_json(found)[:16] if found else None


@functools.lru_cache(maxsize=32)
def _predicted(
    directory: str, content: str, space: SlotSpace, data_set: str, predictor_of: PredictorFn
) -> np.ndarray:
    """[size] float32, in the order of the space's index."""
    del content  # the predictor's fingerprint: another one is read again
    read = saved.load(pathlib.Path(directory), space.feature_names)
    known = read.facts.get("data_set")
    allowed = f"predictors of {data_set!r}, evaluator.data_set; it is of {known!r}"
    check(known == data_set, "evaluator.predicted", directory, allowed)
    predict = jax.jit(predictor_of(read, space).predict)
    found = np.asarray(predict(read.params, _features(space, data_set)).value)
    missing = f"numbers or infinite; this one's are NaN for {np.isnan(found).sum():,} of them"
    allowed = f"predictors whose costs of the {len(found):,} architectures are {missing}"
    check(not np.isnan(found).any(), "evaluator.predicted", directory, allowed)
    return found


@functools.lru_cache(maxsize=2)
def _features(space: SlotSpace, data_set: str) -> np.ndarray:
    """Features of all architectures, for the data set's images or, if unpublished, the space's."""
    architectures = space.from_index(np.arange(space.size))
    return features_of(space, architectures, data_set if data_set in IMAGES else None)
