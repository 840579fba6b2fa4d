"""Evaluates proposals by training them; results are stored, and nothing is trained twice."""

import concurrent.futures
import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.config import check
from nasjax.data.datasets import SearchData
from nasjax.evaluation.trained import cohorts, native
from nasjax.evaluation.trained.cohorts import Cohort, TrainedConfig
from nasjax.evaluation.trained.programs import agree
from nasjax.evaluation.trained.store import Result, ResultStore
from nasjax.evaluation.trained.trainer import Trained, Trainer
from nasjax.files import digest_of_json
from nasjax.spaces.layer_chain import LayerChain
from nasjax.types import INVALID, OK, OVER_MEMORY, STOPPED, Evaluator, Outcome, Proposal

# Part of every result's key: raise it when a change of the engine changes any result's bits.
ENGINE_VERSION = 7


class TrainedEvaluator:
    """Trains architectures that have no result yet; `evaluator()` is its interface to the search.

    It trains on the search splits. `store` has the results of all runs; None: nothing is stored.
    """

    def __init__(
        self,
        config: TrainedConfig,
        space: LayerChain,
        data: SearchData,
        store: ResultStore | None = None,
    ):
        fixed = config.validation_batches * config.validation_batch_size
        images = len(data.validation.labels)
        where = "evaluator.validation_batches x evaluator.validation_batch_size"
        check(fixed <= images, where, fixed, f"at most data.validation_size={images}")
        batch, images = config.batch_size, len(data.train.labels)
        check(batch <= images, "evaluator.batch_size", batch, f"at most {images}")
        self._config, self._space, self._data, self._store = config, space, data, store
        self._on_result: Callable[[], None] = lambda: None
        self._results: dict[bytes, Result] = {}
        self._provenance: dict[bytes, dict[str, Any]] = {}
        self._trainer: tuple[bytes, Trainer] | None = None
        self._is_valid = jax.jit(space.is_valid)
        recipe = dataclasses.asdict(config)
        del recipe["workers"]  # it changes no result
        self.facts = {
            "engine": ENGINE_VERSION,
            "kernels": native.load(),
            "data": data.fingerprint,
        }  # that decide a result, beside the config and the versions
        self._key_base = {
            **self.facts,
            "jax": jax.__version__,
            "platform": jax.default_backend(),
            "recipe": recipe,
            "input_shape": space.input_shape,
            "classes": space.num_classes,
        }

    def evaluator(self) -> Evaluator:
        """The `nasjax.types.Evaluator`. It is not pure, so only the host loop accepts it."""
        return Evaluator(self.evaluate, pure=False, provenance=self.provenance)

    def evaluate(self, seed_key: jax.Array, proposal: Proposal) -> Outcome:
        """Trains the rows that have no result yet. See `nasjax.types.Evaluator`."""
        architectures = np.asarray(proposal.architecture)
        asked = np.flatnonzero(np.asarray(proposal.mask)).tolist()
        valid = [row for row in asked if self._is_valid(architectures[row])]
        distinct = {architectures[row].tobytes(): architectures[row] for row in valid}
        self._provenance.clear()
        self._look_up_or_train(seed_key, list(distinct.values()))
        return self._outcome(architectures, valid)

    def measure(self, seed_key: jax.Array, architecture: np.ndarray) -> Result:
        """The result of one valid architecture [L, 4]."""
        self._look_up_or_train(seed_key, [architecture])
        return self._results[architecture.tobytes()]

    def remember(self, architecture: np.ndarray, result: Result) -> None:
        """Adds a known result, e.g. from the records of a run that is resumed."""
        self._results.setdefault(np.asarray(architecture, np.int32).tobytes(), result)

    def watch(self, on_result: Callable[[], None]) -> None:
        """Calls the function after every trained candidate from here on."""
        self._on_result = on_result

    def provenance(self, architecture: np.ndarray) -> dict[str, Any]:
        """The source of a result in the last exchange; "run" if this run had it before."""
        name = np.asarray(architecture, np.int32).tobytes()
        known = "run" if name in self._results else "none"
        return self._provenance.pop(name, {"source": known, "seconds": 0.0, "compiled": False})

    def _outcome(self, architectures: np.ndarray, valid: list[int]) -> Outcome:
        count, images = len(architectures), len(self._data.validation.labels)
        accuracies = np.zeros((count, self._config.validation_batches), np.float32)
        accuracy = np.zeros(count, np.float32)
        status = np.full(count, INVALID, np.int32)
        for row in valid:
            result = self._results[architectures[row].tobytes()]
            status[row] = result.status
            if result.status in (OK, STOPPED):
                size = self._config.validation_batch_size
                accuracies[row] = result.counts.astype(np.float32) / np.float32(size)
                accuracy[row] = np.float32(result.correct) / np.float32(images)
        return Outcome(
            accuracies=jnp.asarray(accuracies),
            accuracy=jnp.asarray(accuracy),
            costs=jnp.zeros((count, 0), jnp.float32),
            status=jnp.asarray(status),
        )

    def _look_up_or_train(self, seed_key: jax.Array, architectures: list[np.ndarray]) -> None:
        unknown = [a for a in architectures if a.tobytes() not in self._results]
        missing = []
        for architecture, result in zip(unknown, self._stored(seed_key, unknown), strict=True):
            if result is None:
                missing.append(architecture)
            else:
                name = architecture.tobytes()
                self._results[name] = result
                self._provenance[name] = {"source": "store", "seconds": 0.0, "compiled": False}
        if missing:
            self._train(seed_key, missing)

    def _stored(self, seed_key: jax.Array, architectures: list[np.ndarray]) -> list[Result | None]:
        """The stored results, or None. All processes train what the first one's store lacks."""
        if self._store is None or not architectures:
            return [None] * len(architectures)
        found = [self._store.get(self._key(seed_key, a)) for a in architectures]
        if jax.process_count() == 1:
            return found
        absent = [-1, 0, *[0] * self._config.validation_batches]
        rows = [absent if r is None else [r.status, r.correct, *r.counts.tolist()] for r in found]
        return [
            None if row[0] < 0 else Result(row[0], np.array(row[2:], np.uint8), row[1], 0.0)
            for row in agree(np.array(rows, np.int32)).tolist()
        ]

    def _train(self, seed_key: jax.Array, architectures: list[np.ndarray]) -> None:
        config, devices = self._config, jax.local_device_count()
        formed = cohorts.form(architectures, self._space, config)
        solitary = [cohort for cohort in formed if cohort.is_solitary]
        sociable = [cohort for cohort in formed if not cohort.is_solitary]
        self._train_cohorts(seed_key, solitary, devices)
        self._train_cohorts(seed_key, sociable, max(config.workers, devices))

    def _train_cohorts(self, seed_key: jax.Array, formed: list[Cohort], workers: int) -> None:
        """Trains `workers` cohorts at a time; several processes train one, in the same order."""
        trainer = self._make_trainer(seed_key)
        pool = concurrent.futures.ThreadPoolExecutor(workers if jax.process_count() == 1 else 1)
        try:
            futures = [pool.submit(trainer.train, cohort) for cohort in formed]
            for future in concurrent.futures.as_completed(futures):
                for trained in future.result():
                    self._keep(seed_key, trained)
        finally:
            # An interrupted search does not wait for candidates in training.
            pool.shutdown(wait=False, cancel_futures=True)

    def _make_trainer(self, seed_key: jax.Array) -> Trainer:
        """The trainer of a seed, made once; a run has one seed."""
        seed = np.asarray(jax.random.key_data(seed_key)).tobytes()
        if self._trainer is None or self._trainer[0] != seed:
            self._trainer = seed, Trainer(self._config, self._space, self._data, seed_key)
        return self._trainer[1]

    def _keep(self, seed_key: jax.Array, trained: Trained) -> None:
        architecture, result, compiled = trained
        name = architecture.tobytes()
        self._results[name] = result
        seconds = round(result.seconds, 4)
        self._provenance[name] = {"source": "trained", "seconds": seconds, "compiled": compiled}
        if self._store and result.status != OVER_MEMORY and jax.process_index() == 0:
            text = self._space.to_text(architecture)
            self._store.put(self._key(seed_key, architecture), text, result)
        self._on_result()

    def _key(self, seed_key: jax.Array, architecture: np.ndarray) -> str:
        seed = np.asarray(jax.random.key_data(seed_key)).tolist()
        return digest_of_json(
            {**self._key_base, "seed": seed, "architecture": architecture.tolist()}
        )
