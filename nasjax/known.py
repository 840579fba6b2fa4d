"""What is known of architectures before a search: tables, costs that are predicted, surrogates."""

import functools
import hashlib
import json
import math
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np

from nasjax.config import check
from nasjax.data.tables import Table
from nasjax.evaluation.surrogate import SurrogateConfig, predict_rows, with_digest
from nasjax.evaluation.surrogate import load as load_surrogates
from nasjax.evaluation.table import Rows, TableConfig, in_order
from nasjax.predictors import saved
from nasjax.predictors.features import features_of
from nasjax.registry import TABLE_SPACES, of_saved, parse_member
from nasjax.runs import learned
from nasjax.spaces.slots import SlotSpace
from nasjax.types import Costs


def rows_of(table: Table, space: str) -> Rows:
    """A table in the order of its space's index."""
    return in_order(table, TABLE_SPACES[space]())


def with_predicted(rows: Rows, space: SlotSpace, evaluator: TableConfig) -> Rows:
    """Appends the costs that saved predictors predict of all architectures."""
    if not evaluator.predicted:
        return rows
    costs = [rows.costs]
    for directory in evaluator.predicted:
        content = saved.fingerprint(pathlib.Path(directory))
        costs.append(_predicted(directory, content, space, evaluator.data_set)[:, None])
    return rows._replace(costs=np.concatenate(costs, axis=1))


@functools.lru_cache(maxsize=32)
def _predicted(directory: str, content: str, space: SlotSpace, data_set: str) -> np.ndarray:
    """[size] float32, in the order of the space's index; content: the predictor's fingerprint.

    Cells of a study ask for the same again and again.
    """
    del content
    read = saved.load(pathlib.Path(directory), space.feature_names)
    known = read.facts.get("data_set")
    allowed = f"predictors of {data_set!r}, evaluator.data_set; it is of {known!r}"
    check(known == data_set, "evaluator.predicted", directory, allowed)
    features = _features_of_all(space, data_set)
    predict = jax.jit(of_saved(read, space).predict)
    found = np.asarray(predict(read.params, features).value)
    missing = f"numbers or infinite; this one's are NaN for {np.isnan(found).sum():,} of them"
    allowed = f"predictors whose costs of the {len(found):,} architectures are {missing}"
    check(not np.isnan(found).any(), "evaluator.predicted", directory, allowed)
    return found


@functools.lru_cache(maxsize=2)
def _features_of_all(space: SlotSpace, data_set: str) -> np.ndarray:
    return features_of(space, space.from_index(np.arange(space.size)), data_set)


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
        given = evaluator.get("digest")
        check(given is None, "evaluator.digest", given, "left out: study.digest is of what is read")
        return evaluator
    _, config = parse_member("evaluator", {**evaluator, "data_set": ""})
    found = with_digest(config, (*config.costs, *costs))
    return {**evaluator, "digest": found.digest}


def digest_of_predicted(evaluator: TableConfig) -> str | None:
    """Of the saved predictors that a search on a table reads.

    Raises:
      UserError: one is missing or damaged, or they are not those that the section has a digest of.
    """
    found, given = digest_of(evaluator.predicted, ()), evaluator.digest
    allowed = f"{found!r}, as what is predicted is now, or left out"
    check(given in (None, found), "evaluator.digest", given, allowed)
    return found


def digest_of(predicted: Iterable[str], initial: Iterable[str]) -> str | None:
    """Of saved predictors and of what other searches have learned; None if there are neither.

    Raises:
      UserError: one is missing or damaged.
    """
    found = {path: saved.fingerprint(pathlib.Path(path)) for path in predicted}
    found |= {path: learned.fingerprint(path) for path in initial}
    if not found:
        return None
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
