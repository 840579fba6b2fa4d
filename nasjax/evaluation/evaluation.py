"""What an evaluator is made from, and what comes with it: see `entries.EvaluatorEntry`."""

import pathlib
from collections.abc import Callable, Iterable, Sequence
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
    """Results in the order of `SlotSpace.index`, on the host; NaN where there is none.

    Attributes:
      search_accuracy: [size] float32 in [0, 1], what a search sees.
      reported_accuracy: [size] float32 in [0, 1], what the final test reads.
      costs: [size, S] float32, infinite where a device cannot run the architecture.
    """

    search_accuracy: np.ndarray
    reported_accuracy: np.ndarray
    costs: np.ndarray

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
    """The tables of results of a space, one for each data set.

    Attributes:
      data_sets: their names, the values of `evaluator.data_set`.
      cost_names: (data_set) -> the costs that `load` knows, the unit at the end of each.
      load: (data_set, costs) -> Rows with a column for each of these costs.
    """

    data_sets: tuple[str, ...]
    cost_names: Callable[[str], tuple[str, ...]]
    load: Callable[[str, Sequence[str]], Rows]


class EvaluationRequest(NamedTuple):
    """What an evaluator may need to know of the other parts of a search.

    Attributes:
      space: the space; tables: its entry's, None where it has none.
      root_key: of the search.
      unit: the first cost is counted in multiples of it, so that searches that differ in their
        bound alone share a program.
      predictor_of: finds the method of a saved predictor.
      data: images to train on, None for an evaluator that does not train; load_test: reads the
        test split.
      store: file with the results of all runs, None to do without.
    """

    space: Any
    tables: Tables | None
    root_key: jax.Array
    unit: float
    predictor_of: PredictorFn
    data: SearchData | None = None
    load_test: Callable[[], Split] | None = None
    store: pathlib.Path | None = None


def _nothing(given: Any) -> None:
    """For evaluators with nothing to remember, and nobody to tell."""


class Evaluation(NamedTuple):
    """An evaluator and all that a search needs to know of it.

    Attributes:
      evaluator_of: (source) -> the evaluator that reads it. May be traced where the evaluator is
        pure, so that searches on several tables of one shape share a program.
      source: arrays that `evaluator_of` reads; () where there are none.
      test: the final test of an architecture.
      validation_batches: P; counts_of: images of each, None if accuracies are no counts.
      costs: of the outcomes.
      best_accuracy: the best that a search can see, None if nobody knows.
      rows: every architecture's results, or those of a fixed random sample of the space; NO_ROWS
        where candidates are trained.
      remember: takes a run's own records (rows of events.jsonl), so that nothing is trained twice
        when the run goes on.
      watch: takes a function to call after every trained candidate.
    """

    evaluator_of: Callable[[Any], Evaluator]
    source: Any
    test: TestFn
    validation_batches: int
    counts_of: int | None
    costs: Costs = Costs()
    best_accuracy: float | None = None
    rows: Rows = NO_ROWS
    remember: Callable[[Iterable[Any]], None] = _nothing
    watch: Callable[[Callable[[], None]], None] = _nothing
