"""What is known of architectures before a search: tables, costs that are predicted, surrogates."""

import math
import pathlib
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from nasjax.config import check
from nasjax.controllers.autocomet.rewards import Costs
from nasjax.data.tables import Table
from nasjax.evaluation.surrogate import SurrogateConfig, predict_rows, with_digest
from nasjax.evaluation.surrogate import load as load_surrogates
from nasjax.evaluation.table import Rows, TableConfig, in_order
from nasjax.members import TABLE_SPACES, of_saved, parse_member
from nasjax.predictors.features import features_of
from nasjax.predictors.saved import load as load_predictor
from nasjax.spaces.slots import SlotSpace


def rows_of(table: Table, space: str) -> Rows:
    """A table in the order of its space's index."""
    return in_order(table, TABLE_SPACES[space]())


def with_predicted(rows: Rows, space: SlotSpace, evaluator: TableConfig) -> Rows:
    """Appends the costs that saved predictors predict of all architectures."""
    if not evaluator.predicted:
        return rows
    features = features_of(space, space.of_index(np.arange(space.size)), evaluator.data_set)
    costs = [rows.costs]
    for directory in evaluator.predicted:
        saved = load_predictor(pathlib.Path(directory), space.feature_names)
        known = saved.facts.get("data_set")
        allowed = f"predictors of {evaluator.data_set!r}, evaluator.data_set; it is of {known!r}"
        check(known == evaluator.data_set, "evaluator.predicted", directory, allowed)
        predict = jax.jit(of_saved(saved, space).predict)
        found = np.asarray(predict(saved.params, features).value)
        missing = f"numbers or infinite; this one's are NaN for {np.isnan(found).sum():,} of them"
        allowed = f"predictors whose costs of the {len(found):,} architectures are {missing}"
        check(not np.isnan(found).any(), "evaluator.predicted", directory, allowed)
        costs.append(found[:, None])
    return rows._replace(costs=np.concatenate(costs, axis=1))


def in_units(rows: Rows, unit: float) -> Rows:
    """The first cost counted in so many of its own units."""
    units = np.where(np.arange(rows.costs.shape[1]) == 0, unit, 1.0).astype(np.float32)
    return rows._replace(costs=rows.costs / units)


def costs_of(rows: Rows, names: tuple[str, ...]) -> Costs:
    """The table's costs: their names, and medians over the rows that can be run."""
    runs = [column[np.isfinite(column)] for column in rows.costs.T]
    medians = [float(np.median(column)) if len(column) else math.nan for column in runs]
    return Costs(names, tuple(medians))


def rows_of_surrogates(
    space: SlotSpace, config: SurrogateConfig, architectures: np.ndarray
) -> Rows:
    """What surrogates predict of architectures [N, L, 1], in their order.

    Raises:
      UserError: see `evaluation.surrogate.load`.
    """
    return predict_rows(load_surrogates(config, space, of_saved), space, architectures)


def with_digest_of(evaluator: dict[str, Any], costs: Sequence[str]) -> dict[str, Any]:
    """A section `evaluator` that names the very predictors it reads, if it reads any.

    Args:
      evaluator: from `resolve_table`, without its data set; costs: that are read besides its own.

    Raises:
      UserError: a predictor is missing, or is not the one that the section names.
    """
    if evaluator.get("name") != "surrogate":
        return evaluator
    _, config = parse_member("evaluator", {**evaluator, "data_set": ""})
    found = with_digest(config, (*config.costs, *costs))
    return {**evaluator, "digest": found.digest}
