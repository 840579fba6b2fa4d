"""Compiled programs of plans, and the devices they run on.

A cohort with more candidates than one device has lanes is spread over all devices by a mesh; a
smaller one runs on a single device, every plan on one of its own, in turn. With several processes
all cohorts are spread, over the devices of all. Each device computes the same program on its own
lanes in any case, so none of that changes a bit.
"""

import contextlib
import functools
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nasjax import compile_cache
from nasjax.evaluation.trained import native, network, training
from nasjax.evaluation.trained.training import DeviceData, Progress, Recipe

# Kept in memory, the latest used. Each maps some 200 regions of memory on a CPU, and Linux allows a
# process 65,530 of them.
PROGRAMS_KEPT = 100
# From JAX 0.12 on XLA has the newer loop emitters alone, and refuses options it does not know.
OLDER_EMITTERS: dict[str, str | bool] = (
    {"xla_cpu_use_fusion_emitters": False} if jax.__version_info__ < (0, 12) else {}
)
# XLA's older loop emitters, LLVM's first level and a program in one piece (workers keep the cores
# busy): less than half the time to compile on a CPU, up to 1.4 times the time of a step.
_QUICK: dict[str, str | bool] = {
    **OLDER_EMITTERS,
    "xla_backend_optimization_level": "1",
    "xla_cpu_parallel_codegen_split_count": "1",
}
AXIS = "lanes"


class Place(NamedTuple):
    """Devices that run one program: a mesh along the lanes. Two of the same devices are equal."""

    mesh: Mesh

    @property
    def size(self) -> int:
        """How many devices."""
        return self.mesh.size

    def put(self, tree: Any, lanes: bool) -> Any:
        """Host arrays on the devices: each its lanes of the leading axis, or all of everything."""
        sharding = NamedSharding(self.mesh, PartitionSpec(AXIS) if lanes else PartitionSpec())

        def one(leaf: Any) -> jax.Array:
            leaf = np.asarray(leaf)
            return jax.make_array_from_callback(leaf.shape, sharding, lambda part: leaf[part])

        return jax.tree.map(one, tree)


class Ran(NamedTuple):
    """What a program returned, on the host; how long it took, compiling left out; whether it had to
    be compiled first.
    """

    found: Any
    seconds: float
    compiled: bool


class Programs:
    """Trains lanes of a plan; compiles what it has not yet compiled. Threads may share one.

    Args:
      recipe: of every candidate.
      num_classes: of the data.
      quick: compile in half the time, on a CPU.
      data: on the host.
    """

    def __init__(self, recipe: Recipe, num_classes: int, quick: bool, data: DeviceData):
        self._recipe, self._num_classes, self._host_data = recipe, num_classes, data
        self._quick = quick and jax.default_backend() == "cpu"
        self._kernels = native.custom_calls() if native.load() else []
        self._one = [_place(np.array([device])) for device in jax.local_devices()]
        self._all = _place(np.array(jax.devices()))
        self._turn: dict[network.Plan, int] = {}
        self._data: dict[Place, DeviceData] = {}
        self._turns, self._mesh = threading.Lock(), threading.Lock()
        self.compiled: dict[tuple[network.Plan, Place, str], Callable[..., Any]] = {}

    def place(self, plan: network.Plan, members: int, lanes: int) -> Place:
        """Where so many candidates of a plan train."""
        if jax.process_count() > 1 or members > lanes:
            return self._all
        with self._turns:
            turn = self._turn.setdefault(plan, len(self._turn))
        return self._one[turn % len(self._one)]

    def train(self, plan: network.Plan, place: Place, params: Any, traits: Any) -> Ran:
        """`training.train_and_measure` of host arrays."""
        kind = _Kind(training.train_and_measure, jax.tree.structure((0, 0)))
        return self._run(plan, place, kind, (params, traits))

    def train_epoch(
        self, plan: network.Plan, place: Place, progress: Progress, traits: Any, epoch: int
    ) -> Ran:
        """`training.train_epoch_and_measure` of host arrays."""
        function = functools.partial(
            training.train_epoch_and_measure, num_classes=self._num_classes
        )
        kind = _Kind(function, jax.tree.structure((progress, 0)))
        return self._run(plan, place, kind, (progress, traits), np.int32(epoch))

    def _run(
        self, plan: network.Plan, place: Place, kind: "_Kind", lanes: tuple[Any, ...], *shared: Any
    ) -> Ran:
        if place not in self._data:
            self._data[place] = place.put(self._host_data, lanes=False)
        shared = place.put(shared, lanes=False)
        arguments = (*place.put(lanes, lanes=True), self._data[place], *shared)
        name = (plan, place, kind.name)
        program = self.compiled.pop(name, None)
        new = program is None
        if program is None:
            program = self._compile(plan, place, kind, arguments)
        self.compiled[name] = program  # at the end: the latest used
        while len(self.compiled) > PROGRAMS_KEPT:
            self.compiled.pop(next(iter(self.compiled)), None)
        # One at a time on all devices: their memory is budgeted for one such program, and where
        # processes wait for each other all must come in one order.
        with self._mesh if place.size > 1 else contextlib.nullcontext():
            start = time.perf_counter()
            found = jax.device_get(program(*jax.tree.leaves(arguments)))
            seconds = time.perf_counter() - start
        return Ran(jax.tree.unflatten(kind.returns, found), seconds, new)

    def _compile(
        self, plan: network.Plan, place: Place, kind: "_Kind", arguments: tuple[Any, ...]
    ) -> Callable[..., Any]:
        """The function for that plan, from leaves to leaves."""
        leaves, tree = jax.tree.flatten(arguments)
        static = {"plan": plan, "recipe": self._recipe, "in_place": not self._quick}

        def local(*arguments: Any) -> Any:
            return kind.function(*arguments, **static)

        def on_all(*arguments: Any) -> Any:
            specs = (PartitionSpec(AXIS),) * 2 + (PartitionSpec(),) * (len(arguments) - 2)
            spread = jax.shard_map(
                local,
                mesh=place.mesh,
                in_specs=specs,
                out_specs=PartitionSpec(AXIS),
                check_vma=False,  # no device hears of another; all are free to differ
            )
            if jax.process_count() == 1:
                return spread(*arguments)
            # Every process reads all results.
            everywhere = NamedSharding(place.mesh, PartitionSpec())
            return jax.lax.with_sharding_constraint(spread(*arguments), everywhere)

        def flat(*leaves: jax.Array) -> tuple[jax.Array, ...]:
            compute = local if place.size == 1 else on_all
            return tuple(jax.tree.leaves(compute(*jax.tree.unflatten(tree, leaves))))

        if place.size == 1:
            key = (kind.name, self._num_classes, *self._kernels, *static.items())
            lowered = compile_cache.lower(flat, leaves, key=key, custom_calls=self._kernels)
        else:  # what jax.export kept would have to be called under a mesh again
            lowered = jax.jit(flat).lower(*leaves)
        return lowered.compile(_QUICK if self._quick else None)


class _Kind(NamedTuple):
    """What is compiled: a function of training.py, and the structure of what it returns."""

    function: Callable[..., Any]
    returns: Any

    @property
    def name(self) -> str:
        """For the cache of programs."""
        return str(getattr(self.function, "func", self.function).__name__)


def _place(devices: np.ndarray) -> Place:
    return Place(Mesh(devices, (AXIS,)))


def agree(values: np.ndarray) -> np.ndarray:
    """The first process's array, in all processes."""
    if jax.process_count() == 1:
        return values
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.broadcast_one_to_all(jnp.asarray(values)))
