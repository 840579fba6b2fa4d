"""Many seeds of one search as one program, and what each of them asked for."""

import functools
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nasjax import loop
from nasjax.build import Search
from nasjax.studies.cell import ENDED, NO_ROW
from nasjax.types import VALIDATE, Controller, Outcome, Proposal, SearchState

CALLS = 8  # of a program per search: for progress, and so that little is lost
_AXIS = "seeds"
# Of parameters that searches stepped together on a CPU core may have. (TRL-HPO's nets have 0.6 MB:
# of 100 seeds on two cores with 1 MiB of cache each, four at a time made 1.2 times the queries
# per second of all fifty of a core, one run.)
_STEPPED_BYTES = 2_500_000


class Found(NamedTuple):
    """What N seeds asked for. See `Cell` for `queries`, `updates`, `final`.

    Of a space too large for a table rows are int64, its own index.

    Attributes:
      compile_seconds, run_seconds: apart.
    """

    queries: np.ndarray
    updates: np.ndarray
    final: np.ndarray
    compile_seconds: float
    run_seconds: float


class Asked(NamedTuple):
    """The rows of one exchange [B]; on the host, of N searches, [N, ...].

    Attributes:
      row: of the table, or NO_ROW; ENDED where masked, and for validation.
      validated: the same for validation rows that have all layers; ENDED elsewhere.
      updates: made so far, the same in all rows.
      high: where an index takes two words, the high one, and the others hold the low one; else None
        (always on the host, where rows are int64 then).
    """

    row: Any
    validated: Any
    updates: Any
    high: Any = None


class Searches:
    """So many searches at a time in one program, compiled when this is made.

    They are spread over all local devices; how many there are changes what a learner finds in the
    last bits only. On a CPU, searches whose parameters do not fit a core's cache together take
    turns.

    Args:
      count: N, seeds at a time.
      budget: queries of each.
    """

    def __init__(self, parts: Search, count: int, budget: int):
        self._parts, self._budget, self._count = parts, budget, count
        devices = jax.local_devices()[:count]
        mesh = Mesh(np.array(devices), (_AXIS,))
        self._sharding = NamedSharding(mesh, PartitionSpec(_AXIS))
        self._padding = -count % len(devices)
        rounds = math.ceil(budget / _most_queries(parts) / CALLS)
        begin = self._spread(lambda rows, seed: _begin(parts, seed))
        go_on = self._spread(functools.partial(_go_on, parts, rounds, budget))

        start = time.perf_counter()
        # As arguments: tables of one shape have one program, which the compilation cache knows.
        self._rows = jax.device_put(parts.source, NamedSharding(mesh, PartitionSpec()))
        seeds = self._placed(np.zeros(count))
        self._begin = begin.lower(self._rows, seeds).compile()
        states = jax.tree.map(
            lambda s: jax.ShapeDtypeStruct(s.shape, s.dtype, sharding=self._sharding),
            jax.eval_shape(begin, self._rows, seeds),
        )
        self._go_on = go_on.lower(self._rows, seeds, states).compile()
        self.compile_seconds = time.perf_counter() - start

    def run(
        self, seeds: np.ndarray, on_queries: Callable[[int], None] = lambda queries: None
    ) -> Found:
        """Runs these seeds [N] until each has spent its budget or has finished.

        Args:
          on_queries: told the mean of queries made so far, after every call of the program.

        Returns:
          What they found, the seconds of compiling among it.
        """
        start = time.perf_counter()
        placed = self._placed(seeds)
        state: Any = self._begin(self._rows, placed)
        history: list[Asked] = []
        is_over = np.zeros(1, bool)
        while not is_over.all():
            # What has no elements comes back as if it were on all devices alike.
            state = jax.device_put(state, self._sharding)
            state, asked, is_over = self._go_on(self._rows, placed, state)
            is_over = np.asarray(is_over)
            history.append(_joined(self._parts, _in_order(jax.device_get(asked))))
            on_queries(int(np.minimum(np.asarray(state.queries), self._budget).mean()))
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
        at_once = _seeds_at_once(self._parts.controller, share)

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


def run_seeds(parts: Search, seeds: np.ndarray, budget: int) -> Found:
    """`Searches` of these seeds [N], once."""
    return Searches(parts, len(seeds), budget).run(seeds)


def seed_bytes(parts: Search, budget: int) -> int:
    """What a search holds: its state before and after a round, and all that it has asked for."""
    state = jax.eval_shape(functools.partial(_begin, parts), jax.ShapeDtypeStruct((), np.uint32))
    held = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    words = 3 if _takes_two_words(parts) else 2
    return 2 * held + 2 * 4 * words * max(budget, _most_queries(parts))


def param_counts(controller: Controller) -> dict[str, int]:
    """How many values a controller learns, by name."""
    state = jax.eval_shape(controller.init, jax.random.key(0))
    return {
        name: sum(leaf.size for leaf in jax.tree.leaves(tree))
        for name, tree in controller.params(state).items()
    }


def _seeds_at_once(controller: Controller, share: int) -> int:
    """How many of a device's share of searches it steps together; a divisor of the share."""
    held = 4 * sum(param_counts(controller).values())
    if jax.default_backend() != "cpu" or held == 0:
        return share
    fitting = max(1, _STEPPED_BYTES // held)
    return max(n for n in range(1, min(share, fitting) + 1) if share % n == 0)


def _begin(parts: Search, seed: jax.Array) -> SearchState:
    return loop.init(parts.controller, parts.space, jax.random.key(seed))


def _go_on(
    parts: Search, rounds: int, budget: int, rows: Any, seed: jax.Array, state: SearchState
) -> tuple[SearchState, tuple[Asked, ...], jax.Array]:
    """So many rounds more; also what was asked for, by phase, and whether that was enough."""

    def keep(state: SearchState, proposal: Proposal, outcome: Outcome) -> Asked:
        if _takes_two_words(parts):
            high, index = jax.vmap(parts.space.index_words)(proposal.architecture).T
        else:
            high, index = None, jax.vmap(parts.space.index)(proposal.architecture)
        row = jnp.where(outcome.ok, index, NO_ROW)
        validation = proposal.purpose == VALIDATE
        whole = (proposal.architecture[:, -1] != 0).any(-1)
        return Asked(
            row=jnp.where(proposal.mask & ~validation, row, ENDED),
            validated=jnp.where(proposal.mask & validation & whole, row, ENDED),
            updates=jnp.full(len(row), parts.controller.num_updates(state.controller)),
            high=high,
        )

    state, asked = loop.run_compiled(
        controller=parts.controller,
        evaluator=parts.evaluator_of(rows),
        reward=parts.reward,
        root_key=jax.random.key(seed),
        state=state,
        rounds=rounds,
        keep=keep,
    )
    is_over = (state.queries >= budget) | parts.controller.finished(state.controller)
    return state, asked, is_over


def _most_queries(parts: Search) -> int:
    """Of one round."""
    return sum(phase.rows * phase.repeats for phase in parts.controller.round)


def _in_order(asked: tuple[Asked, ...]) -> Asked:
    """Phases [N, rounds, repeats, B] to [N, queries] in the order in which they were asked."""
    columns: list[Any] = []
    for leaves in zip(*asked, strict=True):
        if leaves[0] is None:
            columns.append(None)
            continue
        shaped = [leaf.reshape(*leaf.shape[:2], -1) for leaf in leaves]
        columns.append(np.concatenate(shaped, -1).reshape(len(shaped[0]), -1))
    return Asked(*columns)


def _takes_two_words(parts: Search) -> bool:
    return parts.space.low_size < parts.space.size


def _joined(parts: Search, asked: Asked) -> Asked:
    """Rows whole, int64 where they came as two words."""
    if asked.high is None:
        return asked

    def of(low: np.ndarray) -> np.ndarray:
        return np.where(low < 0, low, parts.space.index_from_words(np.stack([asked.high, low], -1)))

    return Asked(of(asked.row), of(asked.validated), asked.updates)


def within(asked: Asked, budget: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What was asked for, learned and validated up to the budget's last query.

    The program goes on for some rounds after it; of these nothing counts.

    Args:
      asked: of N searches, columns [N, T] in the order of time.

    Returns:
      queries [N, budget], closed up over masked rows, ENDED behind them; updates [N]; final [N],
      the last validated row or NO_ROW.
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
