"""The request for an evaluator and the evaluation that answers it; see `entries.EvaluatorEntry`."""

import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import numpy as np

from nasjax.data.datasets import SearchData, Split
from nasjax.predictors.predictor import Predictor
from nasjax.predictors.saved import Saved
from nasjax.types import Costs, Evaluator

# (a saved predictor, the space) -> the predictor that its params are of
PredictorFn = Callable[[Saved, Any], Predictor]
# architecture [L, F] -> "test_accuracy", and how it was come by
TestFn = Callable[[np.ndarray], dict[str, Any]]


class Rows(NamedTuple):
    """Results in the order of `SlotSpace.index`, on the host; NaN where there is none."""

    search_accuracy: np.ndarray  # [size] float32 in [0, 1], seen by a search
    reported_accuracy: np.ndarray  # [size] float32 in [0, 1], read by the final test
    costs: np.ndarray  # [size, S] float32, infinite where a device cannot run the architecture

    def in_units(self, unit: float) -> "Rows":
        """The same rows, the first cost counted in multiples of `unit`."""
        units = np.where(np.arange(self.costs.shape[1]) == 0, unit, 1.0).astype(np.float32)
        return self._replace(costs=self.costs / units)

    def named_costs(self, names: tuple[str, ...]) -> Costs:
        """The names [S] with the median of each column over the rows that a device can run."""
        runs = [column[np.isfinite(column)] for column in self.costs.T]
        medians = (float(np.median(column)) if len(column) else np.nan for column in runs)
        return Costs(names, tuple(medians))


NO_ROWS = Rows(np.zeros(0, np.float32), np.zeros(0, np.float32), np.zeros((0, 0), np.float32))


class Tables(NamedTuple):
    """The tables of results of a space, one for each data set."""

    data_sets: tuple[str, ...]  # the values of `evaluator.data_set`
    cost_names: Callable[[str], tuple[str, ...]]  # (data_set) -> the costs that `load` knows
    load: Callable[[str, Sequence[str]], Rows]  # (data_set, costs) -> Rows with these columns


class EvaluationRequest(NamedTuple):
    """The other parts of a search, as far as an evaluator may need them."""

    space: Any
    tables: Tables | None  # the space's, if it has any
    root_key: jax.Array  # of the search
    # The first cost is counted in multiples of it, so that searches that differ in their bound
    # alone share a program.
    unit: float
    predictor_of: PredictorFn
    data: SearchData | None = None  # images to train on; None for evaluators that do not train
    load_test: Callable[[], Split] | None = None  # reads the test split
    store: pathlib.Path | None = None  # file with the results of all runs; None: do without


def _nothing(given: Any) -> None:
    """Does nothing: an evaluator that trains nothing remembers nothing and reports nothing."""


class Evaluation(NamedTuple):
    """An evaluator and all that a search needs to know of it."""

    # (source) -> the evaluator that reads it. May be traced where the evaluator is pure, so that
    # searches on several tables of one shape share a program.
    evaluator_of: Callable[[Any], Evaluator]
    source: Any  # arrays; () where there are none
    test: TestFn  # the final test
    validation_batches: int  # P
    counts_of: int | None  # images of a batch, None if accuracies are no counts
    costs: Costs = Costs()  # of the outcomes
    best_accuracy: float | None = None  # that a search can see, None if nobody knows
    # Every architecture's results, or those of a fixed random sample of the space; NO_ROWS where
    # candidates are trained.
    rows: Rows = NO_ROWS
    # What decides the outcomes beside the config, e.g. the digest of the data; plain data.
    facts: Mapping[str, Any] = MappingProxyType({})
    # Of the data, for people: images of every class in the search's splits, and how many there are.
    images: Mapping[str, Any] = MappingProxyType({})
    # Takes a run's own records (rows of events.jsonl): nothing is trained twice when it goes on.
    remember: Callable[[Iterable[Any]], None] = _nothing
    # Takes a function to call after every trained candidate.
    watch: Callable[[Callable[[], None]], None] = _nothing
