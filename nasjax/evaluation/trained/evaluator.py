"""Measures proposals by training them: cohorts of lanes, a result store, nothing trained twice."""

import concurrent.futures
import dataclasses
import hashlib
import json
import time
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax import compile_cache
from nasjax.config import check
from nasjax.data.datasets import SearchData
from nasjax.evaluation.trained import network, training
from nasjax.evaluation.trained.memory import lane_bytes
from nasjax.evaluation.trained.store import Result, ResultStore
from nasjax.evaluation.trained.training import DeviceData, Recipe
from nasjax.spaces.layer_chain import LayerChain
from nasjax.types import DIVERGED, INVALID, OK, OVER_MEMORY, Evaluator, Outcome, Proposal

# Part of every result's key: raise it when a change of the engine changes any result's bits.
ENGINE_VERSION = 6
# Compiled programs kept in memory, the latest used. Each maps some 200 regions of memory on a CPU,
# and Linux allows a process 65,530 of them.
PROGRAMS_KEPT = 100
# XLA's older loop emitters, LLVM's first level and a program in one piece (workers keep the cores
# busy): less than half the time to compile on a CPU, up to 1.4 times the time of a step.
_QUICK: dict[str, str | bool] = {
    "xla_cpu_use_fusion_emitters": False,
    "xla_backend_optimization_level": "1",
    "xla_cpu_parallel_codegen_split_count": "1",
}


@dataclasses.dataclass(frozen=True)
class TrainedConfig(Recipe):
    """Section `evaluator` of a config: the recipe, and how candidates share programs.

    Attributes:
      lanes: candidates of one program; unused lanes cost as much as used ones.
      conv_widths, fc_widths: rungs that filters and neurons are padded up to, so that more
        candidates share a program; empty = exact widths. They change results in the last bits.
      memory_budget_gib: a plan gets fewer lanes to stay under it; over it with a single lane, a
        candidate is an outcome of its own (over_memory).
      workers: programs compiled and run at a time.
      compilation: "thorough" takes XLA's defaults; "quick" halves the time to compile on a CPU,
        for short recipes where compiling costs more than training.
    """

    lanes: int = 4
    conv_widths: tuple[int, ...] = ()
    fc_widths: tuple[int, ...] = ()
    memory_budget_gib: float = 8.0
    workers: int = 2
    compilation: Literal["thorough", "quick"] = "thorough"

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self.lanes >= 1, "evaluator.lanes", self.lanes, ">= 1")
        check(self.workers >= 1, "evaluator.workers", self.workers, ">= 1")
        for name in ("conv_widths", "fc_widths"):
            widths = getattr(self, name)
            rising = all(a < b for a, b in zip((0, *widths), widths, strict=False))
            check(rising, f"evaluator.{name}", widths, "rising numbers above 0")
        budget = self.memory_budget_gib
        check(budget > 0, "evaluator.memory_budget_gib", budget, "> 0")

    def recipe(self) -> Recipe:
        """What a candidate's program depends on, and nothing else."""
        return Recipe(
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(Recipe)}
        )


class Trained(NamedTuple):
    """One trained candidate; `compiled`: its program was compiled for it."""

    architecture: np.ndarray
    result: Result
    compiled: bool


class TrainedEvaluator:
    """Trains what it has not seen; `evaluator()` is its face towards the search.

    Args:
      config: recipe and cohorts.
      space: says what is valid.
      data: the search splits.
      store: results of all runs, or None.
      on_result: called after every trained candidate, for a progress bar.
    """

    def __init__(
        self,
        config: TrainedConfig,
        space: LayerChain,
        data: SearchData,
        store: ResultStore | None = None,
        on_result: Callable[[], None] = lambda: None,
    ):
        fixed = config.validation_batches * config.validation_batch_size
        images = len(data.validation.labels)
        where = "evaluator.validation_batches x evaluator.validation_batch_size"
        check(fixed <= images, where, fixed, f"at most data.validation_size={images}")
        size = len(data.train.labels)
        batch = "evaluator.batch_size"
        check(config.batch_size <= size, batch, config.batch_size, f"at most {size}")
        self._config, self._space, self._store = config, space, store
        self._on_result = on_result
        self._host_data = data
        self._device_data: DeviceData | None = None
        self._results: dict[bytes, Result] = {}
        self._provenance: dict[bytes, dict[str, Any]] = {}
        self._programs: dict[network.Plan, Any] = {}
        self._is_valid = jax.jit(space.is_valid)
        recipe = dataclasses.asdict(config)
        del recipe["workers"]
        self._key_base = {
            "engine": ENGINE_VERSION,
            "jax": jax.__version__,
            "platform": jax.default_backend(),
            "recipe": recipe,
            "data": data.fingerprint,
            "input_shape": space.input_shape,
            "classes": space.num_classes,
        }

    def evaluator(self) -> Evaluator:
        """The contract of `nasjax.types.Evaluator`; not pure, so only the host loop takes it."""
        return Evaluator(self.evaluate, pure=False, provenance=self.provenance)

    def evaluate(self, seed_key: jax.Array, proposal: Proposal) -> Outcome:
        """Trains the rows not seen before. See `nasjax.types.Evaluator`."""
        architectures = np.asarray(proposal.architecture)
        rows = np.flatnonzero(np.asarray(proposal.mask))
        valid = np.zeros(len(architectures), bool)
        for row in rows:
            valid[row] = self._is_valid(architectures[row])
        wanted: dict[bytes, np.ndarray] = {}
        for row in rows:
            if valid[row]:
                wanted.setdefault(architectures[row].tobytes(), architectures[row])
        self._provenance.clear()
        self._look_up_or_train(seed_key, list(wanted.values()))
        return self._outcome(architectures, rows, valid)

    def measure(self, seed_key: jax.Array, architecture: np.ndarray) -> Result:
        """The result of one valid architecture [L, 4]."""
        self._look_up_or_train(seed_key, [architecture])
        return self._results[architecture.tobytes()]

    def remember(self, architecture: np.ndarray, result: Result) -> None:
        """Takes over a result, e.g. from the run's own records when it goes on."""
        self._results.setdefault(np.asarray(architecture, np.int32).tobytes(), result)

    def provenance(self, architecture: np.ndarray) -> dict[str, Any]:
        """How the last exchange came by a result; asked again, "run": already known to this run."""
        name = np.asarray(architecture, np.int32).tobytes()
        known = "run" if name in self._results else "none"
        return self._provenance.pop(name, {"source": known, "seconds": 0.0, "compiled": False})

    def _outcome(self, architectures: np.ndarray, rows: np.ndarray, valid: np.ndarray) -> Outcome:
        count, images = len(architectures), len(self._host_data.validation.labels)
        accuracies = np.zeros((count, self._config.validation_batches), np.float32)
        accuracy = np.zeros(count, np.float32)
        status = np.full(count, INVALID, np.int32)
        for row in rows:
            if valid[row]:
                result = self._results[architectures[row].tobytes()]
                status[row] = result.status
                if result.status == OK:
                    size = self._config.validation_batch_size
                    accuracies[row] = result.counts.astype(np.float32) / np.float32(size)
                    accuracy[row] = np.float32(result.correct) / np.float32(images)
        costs = np.zeros((count, 0), np.float32)
        return Outcome(*map(jnp.asarray, (accuracies, accuracy, costs, status)))

    def _look_up_or_train(self, seed_key: jax.Array, architectures: list[np.ndarray]) -> None:
        missing = []
        for architecture in architectures:
            name = architecture.tobytes()
            if name in self._results:
                continue
            result = self._store.get(self._key(seed_key, architecture)) if self._store else None
            if result is None:
                missing.append(architecture)
            else:
                self._results[name] = result
                self._provenance[name] = {"source": "store", "seconds": 0.0, "compiled": False}
        if missing:
            self._train(seed_key, missing)

    def _train(self, seed_key: jax.Array, architectures: list[np.ndarray]) -> None:
        if self._device_data is None:
            self._device_data = self._put_data(seed_key)
        pool = concurrent.futures.ThreadPoolExecutor(self._config.workers)
        try:
            by_plan: dict[network.Plan, list[np.ndarray]] = {}
            for architecture in architectures:
                by_plan.setdefault(self._plan(architecture)[0], []).append(architecture)
            futures = [
                pool.submit(self._train_plan, seed_key, plan, members)
                for plan, members in sorted(by_plan.items(), key=self._work, reverse=True)
            ]
            for future in concurrent.futures.as_completed(futures):
                for trained in future.result():
                    self._keep(seed_key, trained)
        finally:
            # An interrupted search does not wait for what is in training.
            pool.shutdown(wait=False, cancel_futures=True)

    def _keep(self, seed_key: jax.Array, trained: Trained) -> None:
        architecture, result, compiled = trained
        name = architecture.tobytes()
        self._results[name] = result
        facts = {"source": "trained", "seconds": round(result.seconds, 4), "compiled": compiled}
        self._provenance[name] = facts
        if self._store and result.status != OVER_MEMORY:
            text = self._space.to_text(architecture)
            self._store.put(self._key(seed_key, architecture), text, result)
        self._on_result()

    def _plan(self, architecture: np.ndarray) -> tuple[network.Plan, network.Traits]:
        channels = self._space.input_shape[2]
        config = self._config
        return network.plan_of(architecture, channels, config.conv_widths, config.fc_widths)

    def lanes(self, plan: network.Plan) -> int:
        """A property of the plan alone, so that no queue can change a bit; 0 = over the budget."""
        shape, classes = self._space.input_shape, self._space.num_classes
        per_lane = lane_bytes(plan, shape, classes, self._config.batch_size)
        budget = self._config.memory_budget_gib * 2**30
        return min(self._config.lanes, int(budget // per_lane))

    def _work(self, group: tuple[network.Plan, list[np.ndarray]]) -> int:
        """How long candidates of a plan will take, in multiplications; to begin with the longest.

        Adam moves as much memory for a parameter as the time of some 200 multiplications allows.
        """
        _, members = group
        rows = self._space.layer_table(members[0])
        flops, params = (sum(getattr(row, of) for row in rows) for of in ("flops", "params"))
        return len(members) * (3 * self._config.batch_size * flops + 200 * params)

    def _train_plan(
        self, seed_key: jax.Array, plan: network.Plan, members: list[np.ndarray]
    ) -> list[Trained]:
        """Trains candidates of the same plan, as many at a time as the plan has lanes."""
        lanes = self.lanes(plan)
        trained: list[Trained] = []
        try:
            for start in range(0, len(members) if lanes else 0, max(lanes, 1)):
                chunk = members[start : start + lanes]
                # Unused lanes repeat the last candidate: a plan always runs the same program.
                padded = chunk + chunk[-1:] * (lanes - len(chunk))
                trained += self._train_lanes(seed_key, plan, padded)[: len(chunk)]
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):  # else the estimate was too low
                raise
        empty = np.zeros(self._config.validation_batches, np.uint8)
        rest = members[len(trained) :]
        return trained + [Trained(a, Result(OVER_MEMORY, empty, 0, 0.0), False) for a in rest]

    def _train_lanes(
        self, seed_key: jax.Array, plan: network.Plan, members: list[np.ndarray]
    ) -> list[Trained]:
        shape, classes = self._space.input_shape, self._space.num_classes
        count = network.num_params(plan, shape, classes)
        lanes = []
        for architecture in members:
            traits = self._plan(architecture)[1]
            draws = training.initial_draws(seed_key, _id(architecture), count)
            lanes.append((network.init(draws, plan, traits, shape, classes), traits))
        stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *lanes)
        arguments = (*stacked, self._device_data)
        program = self._programs.pop(plan, None)
        compiled = program is None
        if program is None:
            program = self._compile(plan, arguments)
        self._programs[plan] = program  # at the end: the latest used
        while len(self._programs) > PROGRAMS_KEPT:
            self._programs.pop(next(iter(self._programs)), None)
        start = time.perf_counter()
        correct, finite = jax.device_get(program(*jax.tree.leaves(arguments)))
        seconds = (time.perf_counter() - start) / len(members)
        results = [
            _result(*lane, self._config, seconds) for lane in zip(correct, finite, strict=True)
        ]
        return [
            Trained(a, r, compiled and i == 0)
            for i, (a, r) in enumerate(zip(members, results, strict=True))
        ]

    def _compile(self, plan: network.Plan, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """`training.train_and_measure` for that plan, as a function of the arguments' leaves."""
        leaves, tree = jax.tree.flatten(arguments)
        quick = self._config.compilation == "quick" and jax.default_backend() == "cpu"
        recipe, in_place = self._config.recipe(), not quick

        def function(*leaves: jax.Array) -> tuple[jax.Array, ...]:
            params, traits, data = jax.tree.unflatten(tree, leaves)
            return training.train_and_measure(
                params, traits, data, plan=plan, recipe=recipe, in_place=in_place
            )

        lowered = compile_cache.lower(function, leaves, key=(plan, recipe, in_place))
        return lowered.compile(_QUICK if quick else None)

    def _put_data(self, seed_key: jax.Array) -> DeviceData:
        train, validation = self._host_data.train, self._host_data.validation
        order = training.batch_order(seed_key, self._config, len(train.labels))
        chunks = training.chunked(*validation)
        return DeviceData(*map(jnp.asarray, (*train, *chunks, order)))

    def _key(self, seed_key: jax.Array, architecture: np.ndarray) -> str:
        seed = np.asarray(jax.random.key_data(seed_key)).tolist()
        parts = {**self._key_base, "seed": seed, "architecture": architecture.tolist()}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _id(architecture: np.ndarray) -> int:
    """32 bits that name an architecture, for its stream of random numbers."""
    return int.from_bytes(hashlib.sha256(architecture.tobytes()).digest()[:4], "little")


def _result(correct: np.ndarray, finite: bool, recipe: Recipe, seconds: float) -> Result:
    """Of one lane; correct: [images] bool."""
    fixed = correct[: recipe.validation_batches * recipe.validation_batch_size]
    counts = fixed.reshape(recipe.validation_batches, -1).sum(-1, dtype=np.uint8)
    if not finite:
        return Result(DIVERGED, np.zeros_like(counts), 0, seconds)
    return Result(OK, counts, int(correct.sum()), seconds)
