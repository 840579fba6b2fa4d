"""Predicts outcomes in a space too large for a table; it may be traced, like a table.

Saved predictors give the accuracy that a search sees, the accuracy to report, and device costs. The
two accuracies come from predictors that were fitted on disjoint networks: the search exploits the
errors of the first, and these are not errors of the second.
"""

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax import files
from nasjax.config import PositiveInt, check, settings
from nasjax.evaluation.evaluation import Evaluation, EvaluationRequest, PredictorFn, Rows
from nasjax.evaluation.table import BatchSize, make_outcome
from nasjax.predictors import saved
from nasjax.predictors.predictor import Params, Prediction, Predictor
from nasjax.spaces.slots import SlotSpace
from nasjax.streams import stream
from nasjax.types import Evaluator, Outcome, Proposal

_AT_ONCE = 65_536  # architectures per batch on the host; their features take 24 MB

SAMPLED, SAMPLE_SEED = 10_000, 0  # the sample that stands for a whole space, see `drawn_from`


@settings("evaluator")
class SurrogateConfig:
    """Section `evaluator` of a config."""

    data_set: str  # the data set of the predicted accuracies
    directory: str  # holds the predictors, a folder each (`launch.predictor` writes it)
    # Folder of the predictor whose accuracies a search sees, and of the one that is read when the
    # search is over. Both predict from 0 to 1.
    accuracy: str = "top1_search"
    reported: str = "top1_reported"
    costs: tuple[str, ...] = ()  # folders of the predictors of the outcomes' costs, in that order
    # Of the predictors, filled in when a run begins; a run resumes with these predictors only.
    digest: str | None = None
    noise: bool = True  # this and the batches below: see `TableConfig`
    validation_batches: PositiveInt = 32
    validation_batch_size: BatchSize = 16

    @property
    def counts_of(self) -> int | None:
        """Images of a batch if its accuracies are counts of them, else None."""
        return self.validation_batch_size if self.noise else None


class Surrogate(NamedTuple):
    """A saved predictor: its method and its fitted parameters."""

    predictor: Predictor
    params: Params


class Surrogates(NamedTuple):
    """The surrogates that the fields of the same names of `SurrogateConfig` name."""

    accuracy: Surrogate
    reported: Surrogate
    costs: tuple[Surrogate, ...]

    @property
    def seen(self) -> tuple[Surrogate, ...]:
        """Those that a search reads: all but the one for the report."""
        return (self.accuracy, *self.costs)


def load(config: SurrogateConfig, space: SlotSpace, method: PredictorFn) -> Surrogates:
    """Reads the predictors; method: (saved, space) -> the one whose parameters were saved.

    Raises:
      UserError: a predictor is missing, damaged, or of another space or data set.
    """

    def read(name: str) -> Surrogate:
        path = _path(config, name)
        surrogate, known = _read(path, saved.fingerprint(path), space, method)
        allowed = f"{known!r}, which the predictor {path} is of"
        check(known == config.data_set, "evaluator.data_set", config.data_set, allowed)
        return surrogate

    accuracy, reported = read(config.accuracy), read(config.reported)
    return Surrogates(accuracy, reported, costs=tuple(read(name) for name in config.costs))


@functools.lru_cache(maxsize=64)  # a study loads the same predictors several times
def _read(
    path: pathlib.Path, fingerprint: str, space: SlotSpace, method: PredictorFn
) -> tuple[Surrogate, Any]:
    read = saved.load(path, space.feature_names)
    return Surrogate(method(read, space), read.params), read.facts.get("data_set")


def with_digest(config: SurrogateConfig, costs: Sequence[str]) -> SurrogateConfig:
    """The config with the digest of its predictors and of those of more costs.

    Raises:
      UserError: a predictor is missing, or the config has another digest.
    """
    names = (config.accuracy, config.reported, *config.costs, *costs)
    lines = (f"{name}:{saved.fingerprint(_path(config, name))};" for name in names)
    found = files.digest(*(line.encode() for line in lines))[:16]
    allowed = f"{found!r}, as the predictors in {config.directory} are now, or left out"
    check(config.digest in (None, found), "evaluator.digest", config.digest, allowed)
    return dataclasses.replace(config, digest=found)


def _path(config: SurrogateConfig, name: str) -> pathlib.Path:
    return pathlib.Path(config.directory) / name


class Seen(NamedTuple):
    """The arrays that a search's evaluator reads; they may be traced."""

    params: tuple[Params, ...]  # of the predictors in `Surrogates.seen`
    unit: np.ndarray  # [], the first cost is divided by it


def seen_of(surrogates: Surrogates, unit: float = 1.0) -> Seen:
    """The arrays of the surrogates that a search reads."""
    return Seen(tuple(each.params for each in surrogates.seen), np.array(unit, np.float32))


def make_surrogate(
    seen: Seen, predictors: tuple[Predictor, ...], space: SlotSpace, config: SurrogateConfig
) -> Evaluator:
    """The evaluator. Where a device cannot run an architecture it is infeasible, of accuracy 0.

    All architectures of an exchange are predicted together; under `vmap`, those of all seeds.
    `predictors` are those of `seen.params`.
    """

    def one(
        seed_key: jax.Array, architecture: jax.Array, accuracy: jax.Array, costs: jax.Array
    ) -> Outcome:
        high, low = space.index_words(architecture)
        key = stream(seed_key, f"surrogate/{config.data_set}")
        key = jax.random.fold_in(jax.random.fold_in(key, high), low)
        is_known = space.is_valid(architecture)
        batches, counts_of = config.validation_batches, config.counts_of
        return make_outcome(key, is_known, accuracy, costs, batches, counts_of)

    def evaluate(seed_key: jax.Array, proposal: Proposal) -> Outcome:
        features = jax.vmap(space.features)(proposal.architecture)
        accuracy, *costs = (
            predictor.predict(params, features).value
            for predictor, params in zip(predictors, seen.params, strict=True)
        )
        counted = [cost / (1 if place else seen.unit) for place, cost in enumerate(costs)]
        stacked = jnp.stack(counted, 1) if costs else jnp.zeros((len(features), 0))
        by_row = jax.vmap(one, in_axes=(None, 0, 0, 0))
        return by_row(seed_key, proposal.architecture, jnp.clip(accuracy, 0, 1), stacked)

    return Evaluator(jax.jit(evaluate), pure=True, cost_names=config.costs)


def evaluate_by_surrogates(config: SurrogateConfig, request: EvaluationRequest) -> Evaluation:
    """Reads the predictors; the final test asks the one to report, `rows` are of `drawn_from`.

    Raises as `load`.
    """
    space = request.space
    surrogates = load(config, space, request.predictor_of)
    predictors = tuple(each.predictor for each in surrogates.seen)
    rows = predict_rows(surrogates, space, drawn_from(space)).in_units(request.unit)

    def test(architecture: np.ndarray) -> dict[str, Any]:
        found = predict_rows(surrogates, space, architecture[None])
        return {"test_accuracy": float(found.reported_accuracy[0])}

    return Evaluation(
        evaluator_of=functools.partial(
            make_surrogate, predictors=predictors, space=space, config=config
        ),
        source=seen_of(surrogates, request.unit),
        test=test,
        validation_batches=config.validation_batches,
        counts_of=config.counts_of,
        costs=rows.named_costs(config.costs),
        rows=rows,
    )


def predict_rows(surrogates: Surrogates, space: SlotSpace, architectures: np.ndarray) -> Rows:
    """Predictions for the architectures [N, L, 1], in their order, on the host."""
    columns = [surrogates.accuracy, surrogates.reported, *surrogates.costs]
    found = np.empty((len(columns), len(architectures)), np.float32)
    for start in range(0, len(architectures), _AT_ONCE):
        some = architectures[start : start + _AT_ONCE]
        # Powers of two, so that few programs are compiled.
        size = min(_AT_ONCE, 1 << max(len(some) - 1, 0).bit_length())
        padded = np.concatenate([some, np.repeat(some[:1], size - len(some), axis=0)])
        features = _features(space)(padded)
        for column, surrogate in zip(found, columns, strict=True):
            values = _program(surrogate.predictor.predict)(surrogate.params, features).value
            column[start : start + len(some)] = np.asarray(values)[: len(some)]
    search, reported = np.clip(found[:2], 0, 1)
    return Rows(search, reported, found[2:].T)


@functools.cache
def drawn_from(space: SlotSpace) -> np.ndarray:
    """A fixed uniform sample of a space that cannot be listed, [SAMPLED, L, 1] int32.

    It stands for the space: quantiles and medians of costs, and random search, are of this sample.
    """
    keys = jax.random.split(jax.random.key(SAMPLE_SEED), SAMPLED)
    return np.asarray(jax.jit(jax.vmap(space.sample))(keys))


@functools.cache
def _features(space: SlotSpace) -> Any:
    return jax.jit(jax.vmap(space.features))


@functools.lru_cache(maxsize=64)  # fits of the same shapes share a program
def _program(predict: Callable[[Params, jax.Array], Prediction]) -> Any:
    return jax.jit(predict)
