"""Runs many seeds of one search as one program, and says what each of them asked for."""

import functools
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nasjax import compile_cache, files, loop
from nasjax.build import Search
from nasjax.types import VALIDATE, Controller, Outcome, Proposal, SearchState

NO_ROW, ENDED = -1, -2  # in queries, in the place of a row
CALLS = 8  # of a program per search: for progress, and so that little is lost
_AXIS = "seeds"
# Of parameters that searches stepped together on a CPU core may have. (TRL-HPO's nets have 0.6 MB:
# of 100 seeds on two cores with 1 MiB of cache each, four at a time made 1.2 times the queries
# per second of all fifty of a core, one run.)
_STEPPED_BYTES = 2_500_000
_PROGRAMS_KEPT = 16  # in memory; each maps some 200 regions of Linux's 65,530


class Found(NamedTuple):
    """The queries of N seeds of a search with a budget of T queries.

    Rows are those of the table; in a space too large for a table, the space's own index (int64).
    """

    # [N, T] rows in the order in which they were asked for; NO_ROW where the table has no entry or
    # the device cannot run it, ENDED after the search's last query.
    queries: np.ndarray
    updates: np.ndarray  # [N] int32, made by the controller until the budget was spent
    final: np.ndarray  # [N], the controller's last validated row, NO_ROW if it validated none
    compile_seconds: float
    run_seconds: float


class Asked(NamedTuple):
    """The rows of one exchange [B]; on the host, those of N searches, [N, ...]."""

    row: Any  # of the table, or NO_ROW; ENDED where masked, and for validation
    validated: Any  # the same for validation rows that have all layers; ENDED elsewhere
    updates: Any  # made so far, the same in all rows
    # The high word of an index that takes two, whose low word stands above; else None. On the host
    # always None: rows are int64 then.
    high: Any = None


def compile_anew(lowered: jax.stages.Lowered) -> tuple[Any, float]:
    """The compiled program, and the seconds that compiling took."""
    start = time.perf_counter()
    return lowered.compile(compile_cache.quick_options()), time.perf_counter() - start


class Programs:
    """Compiled programs, known by what they were lowered to: equal ones are compiled once.

    Searches that differ in their budget alone share a program, unless the controller's schedule
    depends on the budget. Threads may share this object; the programs used last are kept.
    """

    def __init__(self) -> None:
        self._compiled: OrderedDict[str, Future[tuple[Any, float]]] = OrderedDict()
        self._lock = threading.Lock()

    def compile(self, lowered: jax.stages.Lowered) -> tuple[Any, float]:
        """The compiled program, and the seconds that compiling took; 0 if it was there."""
        key = files.digest(lowered.as_text().encode())
        with self._lock:
            found = self._compiled.pop(key, None)
            future = self._compiled[key] = found or Future()
            if len(self._compiled) > _PROGRAMS_KEPT:
                self._compiled.popitem(last=False)
        if found is not None:
            return found.result()[0], 0.0
        try:
            future.set_result(compile_anew(lowered))
        except BaseException as error:
            future.set_exception(error)
            raise
        return future.result()


class Searches:
    """Runs N seeds of one search as a single vmapped XLA program, sharded over the local devices.

    The constructor compiles; `run` executes. The number of devices changes what a learner finds in
    the last bits only. On a CPU, searches whose parameters do not fit a core's cache together take
    turns.

    Args:
      made: the search.
      count: N, seeds at a time.
      budget: queries of each seed.
      longest: the largest budget among the searches that may share a program: it decides on the
        number of rounds of a program, and not each search's own budget.
      compile_program: compiles what was lowered, e.g. `Programs.compile`.
    """

    def __init__(
        self,
        made: Search,
        count: int,
        budget: int,
        *,
        longest: int = 0,
        compile_program: Callable[[jax.stages.Lowered], tuple[Any, float]] = compile_anew,
    ):
        self._made, self._budget, self._count = made, budget, count
        devices = jax.local_devices()[:count]
        mesh = Mesh(np.array(devices), (_AXIS,))
        self._sharding = NamedSharding(mesh, PartitionSpec(_AXIS))
        self._padding = -count % len(devices)
        rounds = math.ceil(max(budget, longest) / _most_queries(made) / CALLS)
        begin = self._spread(lambda rows, seed: _begin(made, seed))
        go_on = self._spread(functools.partial(_go_on, made, rounds))

        start = time.perf_counter()
        # As arguments: tables of one shape have one program.
        self._rows = jax.device_put(made.evaluation.source, NamedSharding(mesh, PartitionSpec()))
        seeds = self._placed(np.zeros(count))
        lowered = begin.lower(self._rows, seeds)
        states = jax.tree.map(
            lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=self._sharding),
            lowered.out_info,
        )
        both = lowered, go_on.lower(self._rows, seeds, states)
        self.compile_seconds = time.perf_counter() - start
        (self._begin, first), (self._go_on, second) = map(compile_program, both)
        self.compile_seconds += first + second

    def run(
        self, seeds: np.ndarray, on_queries: Callable[[int], None] = lambda queries: None
    ) -> Found:
        """Runs these seeds [N] until each has spent its budget or has finished.

        Args:
          on_queries: told the mean of queries made so far, after every call of the program.
        """
        start = time.perf_counter()
        placed = self._placed(seeds)
        state: Any = self._begin(self._rows, placed)
        history: list[Asked] = []
        is_over = False
        while not is_over:
            # What has no elements comes back as if it were on all devices alike.
            state = jax.device_put(state, self._sharding)
            state, asked, has_finished = self._go_on(self._rows, placed, state)
            queries = np.asarray(state.queries)
            is_over = bool(((queries >= self._budget) | np.asarray(has_finished)).all())
            history.append(_joined(self._made, _in_order(jax.device_get(asked))))
            on_queries(int(np.minimum(queries, self._budget).mean()))
        columns = [(call.row, call.validated, call.updates) for call in history]
        asked_for = (np.concatenate(of, 1)[: self._count] for of in zip(*columns, strict=True))
        queries, updates, final = within(Asked(*asked_for), self._budget)
        return Found(
            queries=queries,
            updates=updates,
            final=final,
            compile_seconds=self.compile_seconds,
            run_seconds=time.perf_counter() - start,
        )

    def _placed(self, seeds: np.ndarray) -> jax.Array:
        """On the devices; the last one again until all have as many."""
        padded = np.concatenate([seeds, np.repeat(seeds[-1:], self._padding)])
        return jax.device_put(padded.astype(np.uint32), self._sharding)

    def _spread(self, function: Callable[..., Any]) -> Any:
        """(rows, of seeds ...) -> of seeds: each device its share, none hears of another."""
        share = (self._count + self._padding) // self._sharding.mesh.size
        at_once = _seeds_at_once(self._made.controller, share)

        def of_device(rows: Any, *states: Any) -> Any:
            of_rows = functools.partial(function, rows)
            if at_once == share:
                return jax.vmap(of_rows)(*states)
            if at_once == 1:  # an axis of length 1 would cost
                return jax.lax.map(lambda state: of_rows(*state), states)
            # lax.map's own batches refuse arrays of no elements: a learner's without potentials.
            in_turns = (share // at_once, at_once)
            turns = jax.tree.map(lambda x: x.reshape(*in_turns, *x.shape[1:]), states)
            found = jax.lax.map(lambda turn: jax.vmap(of_rows)(*turn), turns)
            return jax.tree.map(lambda x: x.reshape(share, *x.shape[2:]), found)

        def spread(rows: Any, *states: Any) -> Any:
            of_seeds = self._sharding.spec
            return jax.shard_map(
                of_device,
                mesh=self._sharding.mesh,
                in_specs=(PartitionSpec(), *[of_seeds] * len(states)),
                out_specs=of_seeds,
                check_vma=False,
            )(rows, *states)

        return jax.jit(spread)


def run_seeds(made: Search, seeds: np.ndarray, budget: int) -> Found:
    """Compiles a search and runs it once with these seeds [N]."""
    return Searches(made, len(seeds), budget).run(seeds)


def seed_bytes(made: Search, budget: int) -> int:
    """Bytes that a search holds: its state before and after a round, and its queries so far."""
    state = jax.eval_shape(functools.partial(_begin, made), jax.ShapeDtypeStruct((), np.uint32))
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    words = 3 if _takes_two_words(made) else 2
    return 2 * held + 2 * 4 * words * max(budget, _most_queries(made))


def param_counts(controller: Controller) -> dict[str, int]:
    """The number of values that a controller learns, by name."""
    state = jax.eval_shape(controller.init, jax.random.key(0))
    return {
        name: sum(leaf.size for leaf in jax.tree.leaves(tree))
        for name, tree in controller.params(state).items()
    }


def _seeds_at_once(controller: Controller, share: int) -> int:
    """The number of searches that a device steps together; a divisor of its share."""
    held = 4 * sum(param_counts(controller).values())
    if jax.default_backend() != "cpu" or held == 0:
        return share
    fitting = max(1, _STEPPED_BYTES // held)
    return max(n for n in range(1, min(share, fitting) + 1) if share % n == 0)


def _begin(made: Search, seed: jax.Array) -> SearchState:
    return loop.init(made.controller, made.space, jax.random.key(seed))


def _go_on(
    made: Search, rounds: int, rows: Any, seed: jax.Array, state: SearchState
) -> tuple[SearchState, tuple[Asked, ...], jax.Array]:
    """Some more rounds: the state, the rows asked for by phase, whether the controller finished."""

    def keep(state: SearchState, proposal: Proposal, outcome: Outcome) -> Asked:
        if _takes_two_words(made):
            high, index = jax.vmap(made.space.index_words)(proposal.architecture).T
        else:
            high, index = None, jax.vmap(made.space.index)(proposal.architecture)
        row = jnp.where(outcome.ok, index, NO_ROW)
        validation = proposal.purpose == VALIDATE
        whole = (proposal.architecture[:, -1] != 0).any(-1)
        return Asked(
            row=jnp.where(proposal.mask & ~validation, row, ENDED),
            validated=jnp.where(proposal.mask & validation & whole, row, ENDED),
            updates=jnp.full(len(row), made.controller.num_updates(state.controller)),
            high=high,
        )

    state, asked = loop.run_compiled(
        controller=made.controller,
        evaluator=made.evaluation.evaluator_of(rows),
        reward=made.reward,
        root_key=jax.random.key(seed),
        state=state,
        rounds=rounds,
        keep=keep,
    )
    return state, asked, made.controller.finished(state.controller)


def _most_queries(made: Search) -> int:
    """The greatest number of queries in a round."""
    return sum(phase.rows * phase.repeats for phase in made.controller.round)


def _in_order(asked: tuple[Asked, ...]) -> Asked:
    """Phases [N, rounds, repeats, B] to [N, queries] in the order in which they were asked."""

    def join(*phases: np.ndarray) -> np.ndarray:
        shaped = [rows.reshape(*rows.shape[:2], -1) for rows in phases]
        return np.concatenate(shaped, -1).reshape(len(shaped[0]), -1)

    return jax.tree.map(join, *asked)


def _takes_two_words(made: Search) -> bool:
    return made.space.low_size < made.space.size


def _joined(made: Search, asked: Asked) -> Asked:
    """Rows whole, int64 where they came as two words."""
    if asked.high is None:
        return asked

    def of(low: np.ndarray) -> np.ndarray:
        return np.where(low < 0, low, made.space.index_from_words(np.stack([asked.high, low], -1)))

    return Asked(of(asked.row), of(asked.validated), asked.updates)


def within(asked: Asked, budget: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Queries, updates and the validated row up to the budget's last query.

    The program goes on for some rounds after it, which do not count. asked: of N searches, columns
    [N, T] in the order of time -> queries [N, budget], closed up over masked rows, ENDED behind
    them; updates [N]; final [N], the last validated row or NO_ROW.
    """
    is_query = asked.row != ENDED
    counts = np.cumsum(is_query, axis=1) - is_query < budget  # before the budget was spent
    order = np.argsort(~(is_query & counts), axis=1, kind="stable")[:, :budget]
    queries = np.take_along_axis(np.where(counts, asked.row, ENDED), order, axis=1)
    missing = max(0, budget - queries.shape[1])
    queries = np.pad(queries, ((0, 0), (0, missing)), constant_values=ENDED)
    there = counts & (asked.validated >= 0)
    last = there.shape[1] - 1 - there[:, ::-1].argmax(1)
    found = asked.validated[np.arange(len(last)), last]
    updates = np.where(counts, asked.updates, 0).max(1)
    return queries, updates, np.where(there.any(1), found, NO_ROW)
