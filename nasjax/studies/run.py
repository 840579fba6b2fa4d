"""Runs the searches that a study lacks, shard by shard."""

import collections
import itertools
import pathlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from nasjax.studies import shards, simulate
from nasjax.studies.config import StudyConfig
from nasjax.studies.problem import Arm
from nasjax.studies.shards import Shard

_COMPILING = 2  # threads; XLA compiles most programs on one core each
_AHEAD = 3  # programs compiled before they are needed


class Job(NamedTuple):
    """A shard that is still to be made."""

    arm: Arm
    seeds: np.ndarray

    @property
    def queries(self) -> int:
        """The queries that its searches may make, all together."""
        return self.arm.config.budget * len(self.seeds)


def missing(
    directory: pathlib.Path, study: StudyConfig, arms: Sequence[Arm], index: int = 0, count: int = 1
) -> list[Job]:
    """The shards that are not there yet, in the order of the study's arms.

    Args:
      index, count: only every count-th shard from the index-th on, counted over all shards, those
        that are there included: so a machine that goes on keeps its share.
    """
    jobs, number = [], 0
    for arm in arms:
        kept = shards.read(directory, arm.config.name)
        done = np.array([], int) if kept is None else kept.seeds
        needed = simulate.seed_bytes(arm.made, arm.config.budget)
        fitting = max(1, int(study.memory_budget_gib * 2**30 // needed))
        at_once = min(study.seeds_per_part, fitting)
        for first in range(0, study.seeds, at_once):
            seeds = np.setdiff1d(np.arange(first, min(first + at_once, study.seeds)), done)
            if number % count == index and len(seeds):
                jobs.append(Job(arm, seeds))
            number += 1
    return jobs


def run(
    directory: pathlib.Path,
    study: StudyConfig,
    jobs: Sequence[Job],
    progress: Callable[[str, int], None] = lambda arm, queries: None,
) -> None:
    """Makes the shards of `jobs` and keeps each one when it is finished.

    While searches run, threads compile the programs of those that come next.

    Args:
      progress: told the arm's name and the queries made since it was last told.

    Raises:
      UserError: a shard cannot be written.
    """
    programs, longest = simulate.Programs(), max(study.budgets)

    def compiled(same: Sequence[Job]) -> simulate.Searches:
        arm, seeds, budget = same[0].arm.made, same[0].seeds, same[0].arm.config.budget
        compile_program = programs.compile
        return simulate.Searches(
            arm, len(seeds), budget, longest=longest, compile_program=compile_program
        )

    # Jobs that follow each other and differ in their seeds alone share a program.
    by_program = itertools.groupby(jobs, key=lambda job: (job.arm.config.name, len(job.seeds)))
    waiting = collections.deque(list(same) for _, same in by_program)
    pool = ThreadPoolExecutor(_COMPILING)
    pending: collections.deque[tuple[list[Job], Future[simulate.Searches]]] = collections.deque()
    try:
        while waiting or pending:
            while waiting and len(pending) <= _AHEAD:
                pending.append((waiting[0], pool.submit(compiled, waiting.popleft())))
            same, future = pending.popleft()
            for place, job in enumerate(same):
                found = _search(future.result(), job, progress)
                if place:
                    found = found._replace(compile_seconds=0.0)
                shards.write(directory, job.arm.config.name, Shard(job.seeds, found))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _search(
    searches: simulate.Searches, job: Job, progress: Callable[[str, int], None]
) -> simulate.Found:
    name, told = job.arm.config.name, 0

    def tell(mean_queries: int) -> None:
        nonlocal told
        progress(name, mean_queries * len(job.seeds) - told)
        told = mean_queries * len(job.seeds)

    found = searches.run(job.seeds, tell)
    progress(name, job.queries - told)
    return found
