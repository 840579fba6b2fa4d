"""Compiles the programs of plans and chooses the devices that they run on.

A cohort with more candidates than a device has lanes is spread over all devices by a mesh. A
smaller one runs on a single device; plans take the devices in turn. With several processes, all
cohorts are spread over the devices of all processes. Each device always computes the same program
on its own lanes, so the placement changes no bit of a result.
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

# The most recently used programs are kept in memory. On a CPU each maps some 200 regions of memory,
# and Linux allows a process 65,530 of them.
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
_THOROUGH: dict[str, str | bool] = {}  # XLA's defaults
AXIS = "lanes"


class Ran(NamedTuple):
    """One run of a program."""

    found: Any  # its results, on the host
    seconds: float  # without compilation
    compiled: bool  # whether the program was compiled for this run


class Programs:
    """Trains lanes of plans; a program is compiled on first use. Threads may share an instance.

    Args:
      quick: compile in half the time, on a CPU.
      data: the search splits, on the host, with `num_classes` classes.
    """

    def __init__(self, recipe: Recipe, num_classes: int, quick: bool, data: DeviceData):
        self._recipe, self._num_classes, self._host_data = recipe, num_classes, data
        self._quick = quick and jax.default_backend() == "cpu"
        self._kernels = native.CUSTOM_CALLS if native.load() else ()
        self._one = [Mesh([device], (AXIS,)) for device in jax.local_devices()]
        self._all = Mesh(jax.devices(), (AXIS,))
        self._turn: dict[network.Plan, int] = {}
        self._data: dict[Mesh, DeviceData] = {}
        self._turns, self._mesh = threading.Lock(), threading.Lock()
        self.compiled: dict[tuple[network.Plan, Mesh, str], Callable[..., Any]] = {}

    def place(self, plan: network.Plan, members: int, lanes: int) -> Mesh:
        """The devices that train `members` candidates of a plan, with `lanes` lanes per device."""
        if jax.process_count() > 1 or members > lanes:
            return self._all
        with self._turns:
            turn = self._turn.setdefault(plan, len(self._turn))
        return self._one[turn % len(self._one)]

    def train(self, plan: network.Plan, place: Mesh, params: Any, traits: Any) -> Ran:
        """Runs `training.train_and_measure` on host arrays."""
        returns = jax.tree.structure((0, 0))
        return self._run(plan, place, training.train_and_measure, returns, (params, traits))

    def train_epoch(
        self, plan: network.Plan, place: Mesh, progress: Progress, traits: Any, epoch: int
    ) -> Ran:
        """Runs `training.train_epoch_and_measure` on host arrays."""
        function = functools.partial(
            training.train_epoch_and_measure, num_classes=self._num_classes
        )
        returns = jax.tree.structure((progress, 0))
        return self._run(plan, place, function, returns, (progress, traits), np.int32(epoch))

    def _run(
        self,
        plan: network.Plan,
        place: Mesh,
        function: Callable[..., Any],
        returns: Any,
        lanes: tuple[Any, ...],
        *shared: Any,
    ) -> Ran:
        """Runs a function of training.py on lanes; returns: the tree structure of its results."""
        if place not in self._data:
            self._data[place] = _put(self._host_data, place)
        arguments = (*_put(lanes, place, AXIS), self._data[place], *_put(shared, place))
        name = (plan, place, _name(function))
        program = self.compiled.pop(name, None)
        new = program is None
        if program is None:
            program = self._compile(plan, place, function, arguments)
        self.compiled[name] = program  # moved to the end, as the most recently used
        while len(self.compiled) > PROGRAMS_KEPT:
            self.compiled.pop(next(iter(self.compiled)), None)
        # On all devices, one program runs at a time: their memory is budgeted for one. Processes
        # that wait for each other must also run programs in the same order.
        with self._mesh if place.size > 1 else contextlib.nullcontext():
            start = time.perf_counter()
            found = jax.device_get(program(*jax.tree.leaves(arguments)))
            seconds = time.perf_counter() - start
        return Ran(jax.tree.unflatten(returns, found), seconds, new)

    def _compile(
        self,
        plan: network.Plan,
        place: Mesh,
        function: Callable[..., Any],
        arguments: tuple[Any, ...],
    ) -> Callable[..., Any]:
        """The compiled function for a plan, from leaves to leaves."""
        leaves, tree = jax.tree.flatten(arguments)
        static = {"plan": plan, "recipe": self._recipe, "in_place": not self._quick}

        def local(*arguments: Any) -> Any:
            return function(*arguments, **static)

        def on_all(*arguments: Any) -> Any:
            specs = (PartitionSpec(AXIS),) * 2 + (PartitionSpec(),) * (len(arguments) - 2)
            spread = jax.shard_map(
                local,
                mesh=place,
                in_specs=specs,
                out_specs=PartitionSpec(AXIS),
                check_vma=False,  # devices do not communicate and may differ
            )
            if jax.process_count() == 1:
                return spread(*arguments)
            # Every process reads the results of all.
            everywhere = NamedSharding(place, PartitionSpec())
            return jax.lax.with_sharding_constraint(spread(*arguments), everywhere)

        def flat(*leaves: jax.Array) -> tuple[jax.Array, ...]:
            compute = local if place.size == 1 else on_all
            return tuple(jax.tree.leaves(compute(*jax.tree.unflatten(tree, leaves))))

        if place.size == 1:
            key = (_name(function), self._num_classes, *self._kernels, *static.items())
            lowered = compile_cache.lower(flat, leaves, key=key, custom_calls=self._kernels)
        else:  # jax.export's result could only be called under a mesh
            lowered = jax.jit(flat).lower(*leaves)
        return lowered.compile(_QUICK if self._quick else _THOROUGH)


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "func", function).__name__)


def _put(tree: Any, place: Mesh, *axes: str) -> Any:
    """Host arrays on devices: leading axes split over them as the mesh says, or replicated."""
    sharding = NamedSharding(place, PartitionSpec(*axes))

    def one(leaf: Any) -> jax.Array:
        leaf = np.asarray(leaf)
        return jax.make_array_from_callback(leaf.shape, sharding, lambda part: leaf[part])

    return jax.tree.map(one, tree)


def agree(values: np.ndarray) -> np.ndarray:
    """The array of the first process, in all processes."""
    if jax.process_count() == 1:
        return values
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.broadcast_one_to_all(jnp.asarray(values)))
