"""Queries per second of compiled searches, and of plain Python on the same table, one seed.

TRL-HPO's plain loop is PyTorch's, eager, on one thread; without PyTorch it is left out.
"""

import functools
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from nasjax import build, config_files
from nasjax.spaces.slots import SlotSpace
from nasjax.studies import simulate

from . import plain_search
from .machine import seconds

SEEDS, BUDGET, PLAIN_SECONDS = 500, 300, 2.0
SPACE, DATA_SET = "nas_bench_201", "cifar10"
TRL_HPO_SEEDS, TRL_HPO_BUDGET = 64, 1_500


class Speed(NamedTuple):
    """One method: queries per second of `seeds` searches of `budget` queries in one program,
    compilation apart, and of the plain loop; best accuracies in the mean, to see that both do the
    same.
    """

    method: str
    seeds: int
    budget: int
    compile_seconds: float
    compiled: float
    plain: float
    best_compiled: float
    best_plain: float

    @property
    def ratio(self) -> float:
        """Compiled over plain."""
        return self.compiled / self.plain


def measure() -> Iterator[Speed]:
    """The methods of `plain_search`, one after another, then TRL-HPO."""
    methods = config_files.load("studies/controllers").to_dict()["controllers"]
    for name in plain_search.SEARCHES:
        plain = functools.partial(_python, name)
        yield _measure(name, methods[name], plain, SEEDS, BUDGET)
    if has_torch():
        from . import plain_trl_hpo  # noqa: F401  (PyTorch takes seconds to load)

        yield _measure("trl_hpo", methods["trl_hpo"], _torch, TRL_HPO_SEEDS, TRL_HPO_BUDGET)


def has_torch() -> bool:
    """Whether PyTorch is installed."""
    return importlib.util.find_spec("torch") is not None


def _python(name: str, accuracies: list[float], space: SlotSpace, seed: int) -> float:
    table = plain_search.Table(accuracies, len(space.operations), space.num_layers, BUDGET)
    return max(plain_search.run(name, table, seed))


def _torch(accuracies: list[float], space: SlotSpace, seed: int) -> float:
    import torch

    from . import plain_trl_hpo

    torch.set_num_threads(1)
    found = plain_trl_hpo.run(accuracies, seed, TRL_HPO_BUDGET)
    return max(accuracies[query] for query in found.queries)


def _measure(
    method: str,
    parts: Any,
    plain: Callable[[list[float], SlotSpace, int], float],
    seeds: int,
    budget: int,
) -> Speed:
    """Both ways.

    Args:
      plain: (accuracies of the table, space, seed) -> the best one found.
    """
    sections = {"space": {"name": SPACE}, "evaluator": {"data_set": DATA_SET}}
    made = build.assemble_table({"reward": {"name": "accuracy"}, **sections, **parts}, budget)
    found = simulate.run_seeds(made, np.arange(seeds), budget)
    accuracies = made.rows.search_accuracy
    plain_best, plain_seconds = _plain(functools.partial(plain, accuracies.tolist(), made.space))
    return Speed(
        method=method,
        seeds=seeds,
        budget=budget,
        compile_seconds=found.compile_seconds,
        compiled=seeds * budget / found.run_seconds,
        plain=len(plain_best) * budget / plain_seconds,
        best_compiled=float(accuracies[found.queries].max(1).mean()),
        best_plain=float(np.mean(plain_best)),
    )


def _plain(search: Callable[[int], float]) -> tuple[list[float], float]:
    """The bests of plain searches for some seconds, one seed after another, and those seconds."""
    bests: list[float] = []
    taken = 0.0

    def one(seed: int) -> None:
        bests.append(search(seed))

    while taken < PLAIN_SECONDS:
        taken += seconds(functools.partial(one, len(bests)))
    return bests, taken


def line(speed: Speed) -> str:
    """The figures as text."""
    rates = f"{speed.compiled:12,.0f} {speed.plain:10,.0f} {speed.ratio:8.0f}"
    bests = f"{speed.best_compiled:9.2%} {speed.best_plain:9.2%}"
    size = f"{speed.method:>22} {speed.seeds:5} {speed.budget:6}"
    return f"{size} {rates} {speed.compile_seconds:8.1f} {bests}"


def header() -> str:
    """The heading of the lines."""
    names = ("seeds", "budget", "queries/s", "plain", "ratio", "compile s", "best", "plain")
    columns = "{:>5} {:>6} {:>12} {:>10} {:>8} {:>8} {:>9} {:>9}".format(*names)
    return f"{SPACE}, {DATA_SET}\n{'':>22} {columns}"
