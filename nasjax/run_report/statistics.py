"""Counts and curves over the records of a run."""

import collections
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from nasjax.runs.records import Candidate, Events
from nasjax.spaces import layer_chain
from nasjax.types import STATUSES

# The purposes of records that grow an architecture layer by layer.
NOISE_FREE, GROWN = "validate", "grow"


class CurvePoint(NamedTuple):
    """Accuracies in [0, 1] of one finished round."""

    round: int
    best: float  # of the incumbent
    mean: float  # over the models that it ended with; NaN if none of them could be measured
    noise_free: list[float]  # of the models of its validation episode


class PairCount(NamedTuple):
    """Grown layers of one kind after another: measured, lost accuracy among them, not measured."""

    negative: int
    measured: int
    failed: int


class Budget(NamedTuple):
    """The queries, programs, updates and seconds that a run has spent."""

    queries: int  # candidates, but for those of validation episodes
    by_purpose: dict[str, int]  # candidates
    candidates: dict[str, int]  # trained, reused, or ended in a status other than ok
    programs_compiled: int
    seconds_by_source: dict[str, float]  # of candidates
    updates: int
    seconds: float  # of rounds


def grown_models(candidates: Iterable[Candidate], purpose: str) -> list[list[Candidate]]:
    """The candidates of each model of one purpose, layer after layer, in the order of the file."""
    models = collections.defaultdict(list)
    for row in candidates:
        if row.purpose == purpose:
            models[row.round, row.phase, row.row].append(row)
    return [sorted(model, key=lambda row: row.repeat) for model in models.values()]


def final_model(model: Iterable[Candidate]) -> Candidate | None:
    """The last candidate of a grown model that was measured; None if none was."""
    return next((row for row in reversed(list(model)) if row.is_measured), None)


def roles(events: Events) -> list[str]:
    """The role of each candidate: final, prefix, backup, validate or failed.

    Nothing is final in a round that has not finished, except architectures proposed whole.
    """
    finished = {row.round for row in events.rounds}
    final = {
        id(final_model(model))
        for model in grown_models(events.candidates, GROWN)
        if model[0].round in finished
    }
    known = {"backup": "backup", NOISE_FREE: "validate", "propose": "final"}

    def role(row: Candidate) -> str:
        if not row.is_measured:
            return "failed"
        return known.get(row.purpose, "final" if id(row) in final else "prefix")

    return [role(row) for row in events.candidates]


def learning_curve(events: Events) -> list[CurvePoint]:
    """A point for every finished round."""
    accuracies: dict[str, dict[int, list[float]]] = {}
    for purpose in (GROWN, NOISE_FREE):
        by_round = accuracies[purpose] = collections.defaultdict(list)
        for model in grown_models(events.candidates, purpose):
            if (last := final_model(model)) is not None:
                by_round[last.round].append(last.accuracy)
    ended = accuracies[GROWN]
    for row in events.candidates:
        if row.purpose == "propose" and row.is_measured:
            ended[row.round].append(row.accuracy)
    return [
        CurvePoint(
            round=row.round,
            best=row.best_accuracy,
            mean=float(np.mean(ended[row.round])) if ended[row.round] else np.nan,
            noise_free=accuracies[NOISE_FREE][row.round],
        )
        for row in events.rounds
    ]


def chain_models(events: Events) -> list[list[Candidate]]:
    """The models of finished rounds; an architecture proposed whole is a model of one candidate."""
    finished = {row.round for row in events.rounds}
    done = [row for row in events.candidates if row.round in finished]
    return grown_models(done, GROWN) + [[row] for row in done if row.purpose == "propose"]


def count_kinds(models: Sequence[list[Candidate]]) -> list[collections.Counter[str]]:
    """At each position of a layer chain the number of models by kind; `stop`: they had ended."""
    positions = max((len(row.encoding) for model in models for row in model), default=0)
    counts = [collections.Counter[str]() for _ in range(positions)]
    for model in models:
        kinds = [layer_chain.KINDS[layer[0]] for layer in model[-1].layers]
        for i, count in enumerate(counts):
            count[kinds[i] if i < len(kinds) else "stop"] += 1
    return counts


def count_pairs(models: Iterable[list[Candidate]]) -> dict[tuple[str, str], PairCount]:
    """(kind, kind of the next layer) -> how often that layer lost accuracy (TRL-HPO, Fig. 2).

    A layer that could not be built or trained counts as failed, not as negative. Architectures
    proposed whole have no reward for each layer and are left out.
    """
    pairs: dict[tuple[str, str], PairCount] = {}
    for row in (row for model in models for row in model):
        if row.purpose != GROWN or len(row.layers) < 2:
            continue
        before, this = (layer_chain.KINDS[layer[0]] for layer in row.layers[-2:])
        count = pairs.get((before, this), PairCount(0, 0, 0))
        pairs[before, this] = PairCount(
            negative=count.negative + (row.is_measured and row.reward < 0),
            measured=count.measured + row.is_measured,
            failed=count.failed + (not row.is_measured),
        )
    return pairs


def count_budget(events: Events) -> Budget:
    """The budget of a run that its records add up to."""
    candidates = dict.fromkeys(("trained", "reused", *STATUSES[1:]), 0)
    seconds: dict[str, float] = collections.defaultdict(float)
    for row in events.candidates:
        charged = "trained" if row.first else "reused"
        candidates[charged if row.status == "ok" else row.status] += 1
        seconds[row.source] += row.seconds
    purposes = collections.Counter(row.purpose for row in events.candidates)
    return Budget(
        queries=purposes.total() - purposes[NOISE_FREE],
        by_purpose=dict(purposes),
        candidates=candidates,
        programs_compiled=sum(row.compiled for row in events.candidates),
        seconds_by_source=dict(seconds),
        updates=events.rounds[-1].updates if events.rounds else 0,
        seconds=sum(row.seconds for row in events.rounds),
    )
