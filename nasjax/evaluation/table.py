"""Looks outcomes up in a published table; it may be traced, so that a search is one program.

A table gives one accuracy per architecture, but a layer-wise controller expects accuracies on
several small validation batches. These are drawn: counts ~ Binomial(images of a batch, accuracy in
the table), once per (seed, data set, architecture), so a repeated query gets the same numbers.
"""

import dataclasses
import functools
import math
from collections.abc import Sequence
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
from pydantic import Field

from nasjax.config import PositiveInt, check, settings, unknown
from nasjax.data.tables import Table
from nasjax.errors import UserError
from nasjax.evaluation import predicted_costs
from nasjax.evaluation.evaluation import Evaluation, EvaluationRequest, Rows
from nasjax.files import digest_of_arrays
from nasjax.spaces.slots import SlotSpace
from nasjax.streams import stream
from nasjax.types import INFEASIBLE, INVALID, OK, Evaluator, Outcome, Proposal

# Correct images of a batch are counted in one byte.
BatchSize = Annotated[int, Field(ge=1, le=255)]


@settings("evaluator")
class TableConfig:
    """Section `evaluator` of a config."""

    data_set: str  # one of the table's
    costs: tuple[str, ...] = ()  # device costs of the outcomes, in that order, from the table
    predicted: tuple[str, ...] = ()  # directories of saved predictors; their costs come after those
    noise: bool = True  # draw the batches' accuracies, as above; False: all are the table's value
    validation_batches: PositiveInt = 32  # P
    validation_batch_size: BatchSize = 16  # images of a batch
    # Of the predictors in `predicted`, filled in when a run begins; a run resumes with these only.
    digest: str | None = None

    @property
    def counts_of(self) -> int | None:
        """Images of a batch if its accuracies are counts of them, else None."""
        return self.validation_batch_size if self.noise else None


def in_order(table: Table, space: SlotSpace) -> Rows:
    """The table's rows in the order of the space's index."""
    architectures = table.ops.astype(np.int32)[..., None] + 1
    index = np.asarray(jax.vmap(space.index)(jnp.asarray(architectures)))
    assert len(np.unique(index)) == len(index)  # the loader has checked it

    def place(values: np.ndarray) -> np.ndarray:
        placed = np.full((space.size, *values.shape[1:]), np.nan, np.float32)
        placed[index] = values
        return placed

    return Rows(
        search_accuracy=place(table.search_accuracy),
        reported_accuracy=place(table.reported_accuracy),
        costs=place(table.costs),
    )


def make_table(rows: Rows, space: SlotSpace, config: TableConfig) -> Evaluator:
    """The evaluator; without an entry an architecture is invalid, of infinite cost infeasible."""
    accuracies, costs = jnp.asarray(rows.search_accuracy), jnp.asarray(rows.costs)

    def one(seed_key: jax.Array, architecture: jax.Array) -> Outcome:
        index = space.index(architecture)
        found = accuracies[index]
        is_known = space.is_valid(architecture) & ~jnp.isnan(found)
        key = jax.random.fold_in(stream(seed_key, f"table/{config.data_set}"), index)
        return make_outcome(
            key, is_known, found, costs[index], config.validation_batches, config.counts_of
        )

    def evaluate(seed_key: jax.Array, proposal: Proposal) -> Outcome:
        return jax.vmap(one, in_axes=(None, 0))(seed_key, proposal.architecture)

    return Evaluator(jax.jit(evaluate), pure=True, cost_names=(*config.costs, *config.predicted))


def evaluate_from_table(config: TableConfig, request: EvaluationRequest) -> Evaluation:
    """Reads the table and predicted costs; the final test reads the accuracy to report.

    Raises:
      UserError: the space has no such table, the table no such cost, a predictor cannot be used.
    """
    space, tables = request.space, request.tables
    if tables is None or config.data_set not in tables.data_sets:
        what = f"data set config.evaluator.data_set={config.data_set!r}"
        raise UserError(unknown(what, config.data_set, list(tables.data_sets if tables else ())))
    rows = tables.load(config.data_set, config.costs)
    rows = predicted_costs.append(
        rows, space, config.predicted, config.data_set, request.predictor_of
    ).in_units(request.unit)

    def test(architecture: np.ndarray) -> dict[str, Any]:
        index = int(space.index(jnp.asarray(architecture)))
        return {"test_accuracy": float(rows.reported_accuracy[index])}

    return Evaluation(
        evaluator_of=functools.partial(make_table, space=space, config=config),
        source=rows,
        test=test,
        validation_batches=config.validation_batches,
        counts_of=config.counts_of,
        costs=rows.named_costs((*config.costs, *config.predicted)),
        best_accuracy=float(np.nanmax(rows.search_accuracy)),
        rows=rows,
        facts={"table": digest_of_arrays(rows._asdict())},
    )


def with_digest(config: TableConfig, costs: Sequence[str]) -> TableConfig:
    """The config with the digest of its predictors; `costs` adds none.

    Raises:
      UserError: a predictor is missing or damaged, or the config has another digest.
    """
    found = predicted_costs.digest(config.predicted)
    allowed = f"{found!r}, as what is predicted is now, or left out"
    check(config.digest in (None, found), "evaluator.digest", config.digest, allowed)
    return dataclasses.replace(config, digest=found)


def make_outcome(
    key: jax.Array,
    is_known: jax.Array,
    accuracy: jax.Array,
    costs: jax.Array,
    batches: int,
    counts_of: int | None,
) -> Outcome:
    """The outcome of one architecture from its accuracy [] and costs [S]; the key is consumed.

    Args:
      batches: P; counts_of: images of each, None: every batch has the accuracy itself.
    """
    ok = is_known & jnp.isfinite(costs).all()
    seen = jnp.where(ok, accuracy, 0)
    if counts_of is None:
        accuracies = jnp.full(batches, seen)
    else:
        accuracies = draw_counts(key, seen, batches, counts_of) / jnp.float32(counts_of)
    return Outcome(
        accuracies=accuracies,
        accuracy=seen,
        costs=jnp.where(is_known, costs, 0),
        status=jnp.where(ok, OK, jnp.where(is_known, INFEASIBLE, INVALID)).astype(jnp.int32),
    )


def draw_counts(key: jax.Array, rate: jax.Array, draws: int, trials: int) -> jax.Array:
    """Draws [draws] int32 from Binomial(trials, rate []); the key is consumed.

    A count takes one uniform number: it is the number of values k with P(count <= k) below it.
    """
    k = np.arange(trials)
    ways = jnp.asarray([math.comb(trials, int(i)) for i in k], jnp.float32)
    cumulated = jnp.cumsum(ways * rate**k * (1 - rate) ** (trials - k))
    above = jax.random.uniform(key, (draws, 1)) >= cumulated[None]
    # Rounding must not let a certain event fail.
    return jnp.where(rate == 1, trials, above.sum(-1, dtype=jnp.int32))
