"""Trains the candidates of a cohort, to the end or epoch by epoch, and returns their results."""

import dataclasses
import hashlib
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from nasjax.data.datasets import SearchData
from nasjax.evaluation.trained import cohorts, network, training
from nasjax.evaluation.trained.cohorts import Cohort, TrainedConfig
from nasjax.evaluation.trained.programs import Programs
from nasjax.evaluation.trained.store import Result
from nasjax.evaluation.trained.training import DeviceData
from nasjax.spaces.layer_chain import LayerChain
from nasjax.types import DIVERGED, OK, OVER_MEMORY, STOPPED


class Trained(NamedTuple):
    """A trained candidate; `compiled`: its program was compiled for it."""

    architecture: np.ndarray
    result: Result
    compiled: bool


@dataclasses.dataclass
class _Candidate:
    """A candidate that trains epoch by epoch: its lane on the host, and its results so far."""

    progress: training.Progress
    traits: network.Traits
    correct: np.ndarray | None = None
    stopped: bool = False
    seconds: float = 0.0


class Trainer:
    """Trains cohorts on the search splits; all random numbers come from the seed's key.

    Threads may share it.
    """

    def __init__(
        self, config: TrainedConfig, space: LayerChain, data: SearchData, seed_key: jax.Array
    ):
        self._config, self._space = config, space
        self._seed_key, self._images = seed_key, len(data.validation.labels)
        order = training.batch_order(seed_key, config, len(data.train.labels))
        self._steps = len(order)
        images, labels = training.chunked(data.validation.images, data.validation.labels)
        host_data: Any = DeviceData(
            train_images=data.train.images,  # type: ignore[arg-type]
            train_labels=data.train.labels,  # type: ignore[arg-type]
            validation_images=images,  # type: ignore[arg-type]
            validation_labels=labels,  # type: ignore[arg-type]
            order=order,  # type: ignore[arg-type]
        )
        quick = config.compilation == "quick"
        self.programs = Programs(config.recipe(), space.num_classes, quick, host_data)

    def train(self, cohort: Cohort) -> list[Trained]:
        """The results of all members; those that memory did not suffice for are OVER_MEMORY."""
        trained: list[Trained] = []
        if cohort.lanes:
            place = self.programs.place(cohort.plan, len(cohort.members), cohort.lanes)
            train = self._by_epochs if self._config.stop_below else self._to_the_end
            try:
                train(cohort, place, cohort.lanes * place.size, trained.append)
            except jax.errors.JaxRuntimeError as error:
                # Where memory does not suffice, the estimate was too low.
                if "RESOURCE_EXHAUSTED" not in str(error):
                    raise
        empty = np.zeros(self._config.validation_batches, np.uint8)
        known = {candidate.architecture.tobytes() for candidate in trained}
        rest = [member for member in cohort.members if member.tobytes() not in known]
        return trained + [Trained(a, Result(OVER_MEMORY, empty, 0, 0.0), False) for a in rest]

    def _to_the_end(
        self, cohort: Cohort, place: Mesh, lanes: int, keep: Callable[[Trained], None]
    ) -> None:
        """Trains every candidate to the end, as many at a time as there are lanes."""
        for chunk in _chunks(cohort.members, lanes):
            starts = [self._start(cohort.plan, member) for member in chunk]
            params, traits = _stack(starts, lanes)
            ran = self.programs.train(cohort.plan, place, params, traits)
            correct, finite = ran.found
            seconds = ran.seconds / len(chunk)
            for i, member in enumerate(chunk):
                status = OK if finite[i] else DIVERGED
                keep(self._trained(member, status, correct[i], seconds, ran.compiled and i == 0))

    def _by_epochs(
        self, cohort: Cohort, place: Mesh, lanes: int, keep: Callable[[Trained], None]
    ) -> None:
        """Trains one epoch of all candidates, then the next epoch of those not stopped.

        The candidates left fill the lanes anew. A lane's result does not depend on the other lanes,
        so this changes no bit. Between epochs, parameters and moments are in the host's memory.
        """
        running: dict[int, _Candidate] = {}
        for i, member in enumerate(cohort.members):
            params, traits = self._start(cohort.plan, member)
            running[i] = _Candidate(training.begin(params, self._config, self._steps), traits)
        compiled = False
        for epoch in range(self._config.epochs):
            for chunk in _chunks(list(running), lanes):
                going = [running[i] for i in chunk]
                compiled |= self._train_epoch(cohort.plan, place, lanes, going, epoch)
            for i, candidate in list(running.items()):
                if candidate.stopped or epoch + 1 == self._config.epochs:
                    status = STOPPED if candidate.stopped else OK
                    status = status if candidate.progress.finite else DIVERGED
                    correct, seconds = candidate.correct, candidate.seconds
                    keep(self._trained(cohort.members[i], status, correct, seconds, compiled))
                    compiled = False
                    del running[i]

    def _train_epoch(
        self, plan: network.Plan, place: Mesh, lanes: int, going: list[_Candidate], epoch: int
    ) -> bool:
        """Trains the candidates for an epoch; returns whether the program was compiled for it."""
        progress, traits = _stack([(c.progress, c.traits) for c in going], lanes)
        ran = self.programs.train_epoch(plan, place, progress, traits, epoch)
        limits = self._config.stop_below
        limit = limits[epoch] if epoch < len(limits) else 0.0
        for i, candidate in enumerate(going):
            candidate.progress, candidate.correct = jax.tree.map(operator.itemgetter(i), ran.found)
            candidate.seconds += ran.seconds / len(going)
            hopeless = candidate.correct.sum() < limit * self._images
            candidate.stopped = bool(hopeless or not candidate.progress.finite)
        return ran.compiled

    def _start(
        self, plan: network.Plan, architecture: np.ndarray
    ) -> tuple[network.Params, network.Traits]:
        """A lane's initial params and its traits."""
        shape, classes = self._space.input_shape, self._space.num_classes
        traits = cohorts.make_plan(architecture, self._space, self._config)[1]
        count = network.num_params(plan, shape, classes)
        draws = training.initial_draws(self._seed_key, _id(architecture), count)
        return network.init(draws, plan, traits, shape, classes), traits

    def _trained(
        self, architecture: np.ndarray, status: int, correct: Any, seconds: float, compiled: bool
    ) -> Trained:
        """A lane's result; correct: [images] bool."""
        batches = self._config.validation_batches
        fixed = correct[: batches * self._config.validation_batch_size]
        counts = fixed.reshape(batches, -1).sum(-1, dtype=np.uint8)
        if status == DIVERGED:
            result = Result(status, np.zeros_like(counts), 0, seconds)
        else:
            result = Result(status, counts, int(correct.sum()), seconds)
        return Trained(architecture, result, compiled)


def _id(architecture: np.ndarray) -> int:
    """A 32-bit identifier of an architecture, for its stream of random numbers."""
    return int.from_bytes(hashlib.sha256(architecture.tobytes()).digest()[:4], "little")


def _chunks(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _stack(items: Sequence[Any], lanes: int) -> Any:
    """The trees stacked along a leading axis of lanes; unused lanes repeat the last item."""
    padded = [*items, *[items[-1]] * (lanes - len(items))]
    return jax.tree.map(lambda *leaves: np.stack(leaves), *padded)
