"""A study's results: the queries of all seeds of each arm, as rows of its problem."""

import itertools
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasjax.studies import problem as problems
from nasjax.studies import shards, simulate
from nasjax.studies.config import Constraint
from nasjax.studies.problem import Arm, Problem
from nasjax.studies.shards import Shard


class Group(NamedTuple):
    """The space, data set, budget and constraint that results share which may be compared."""

    space: str
    data_set: str
    budget: int
    constraint: Constraint | None = None


class Result(NamedTuple):
    """The queries of N seeds of one setting on one problem with a budget of T queries."""

    label: str  # the setting's, e.g. "regularized_evolution" or "trl_hpo heads=8"
    problem: Problem
    budget: int
    seeds: np.ndarray  # [N] int
    queries: np.ndarray  # [N, T] int32, rows of the problem; NO_ROW: invalid; ENDED: over by then
    updates: np.ndarray  # [N] int32, gradient or table updates that the controller made
    final: np.ndarray  # [N] int32, the controller's last validated row, greedy; or NO_ROW
    learns: bool  # a controller that learns and made few updates is marked untrained
    facts: dict[str, Any]  # shown as columns: numbers of parameters, flags ...
    compile_seconds: float = np.nan  # this and the next: of all its searches; NaN where unknown
    run_seconds: float = np.nan

    @property
    def group(self) -> Group:
        """Equal in results that may be compared."""
        problem = self.problem
        return Group(problem.space, problem.data_set, self.budget, problem.constraint)


def grouped(results: Iterable[Result]) -> dict[Group, list[Result]]:
    """The results of each group, in order of first appearance."""
    groups: dict[Group, list[Result]] = {}
    for result in results:
        groups.setdefault(result.group, []).append(result)
    return groups


def read(directory: pathlib.Path, arms: Sequence[Arm]) -> list[Result]:
    """The results that are there; arms without any shard are left out."""
    results = []
    for _, group in itertools.groupby(arms, key=_compared):
        read = [(arm, shards.read(directory, arm.config.name)) for arm in group]
        found = [(arm, shard) for arm, shard in read if shard is not None]
        if found and found[0][0].problem.surrogates is not None:
            results += _of_surrogates(found)
        else:
            results += [_result(arm, shard, arm.problem) for arm, shard in found]
    return results


def _compared(arm: Arm) -> Group:
    problem = arm.problem
    return Group(problem.space, problem.data_set, arm.config.budget, problem.constraint)


def _of_surrogates(found: Sequence[tuple[Arm, Shard]]) -> list[Result]:
    """Results that share their rows: all that any of these arms asked for, and the sample."""
    asked = (rows for _, shard in found for rows in (shard.found.queries, shard.found.final))
    problem = problems.with_asked(found[0][0].problem, asked)
    assert problem.ids is not None
    results = []
    for arm, shard in found:
        result = _result(arm, shard, problem)
        queries = problems.as_rows(problem.ids, result.queries)
        final = problems.as_rows(problem.ids, result.final)
        results.append(result._replace(queries=queries, final=final))
    return results


def _result(arm: Arm, shard: Shard, problem: Problem) -> Result:
    controller = arm.made.controller
    counts = simulate.param_counts(controller)
    return Result(
        label=arm.config.label,
        problem=problem,
        budget=arm.config.budget,
        seeds=shard.seeds,
        queries=shard.found.queries,
        updates=shard.found.updates,
        final=shard.found.final,
        learns=controller.learns,
        facts={f"{name}_params": count for name, count in counts.items()},
        compile_seconds=shard.found.compile_seconds,
        run_seconds=shard.found.run_seconds,
    )
