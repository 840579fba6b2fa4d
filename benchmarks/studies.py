"""Queries per second of compiled searches, and of plain Python on the same table, one seed."""

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from benchmarks import plain_search
from benchmarks.machine import seconds
from nasjax import assemble
from nasjax.spaces.slots import SlotSpace
from nasjax.studies import compiled

SEEDS, BUDGET, PLAIN_SECONDS = 500, 300, 2.0
SPACE, DATA_SET = "nas_bench_201", "cifar10"
SETTINGS = {"random_search": {"models_per_round": 1}}


class Speed(NamedTuple):
    """One method. Queries per second of SEEDS searches in one program, compilation apart, and of
    the plain loop; best accuracies in the mean, to see that both do the same.
    """

    method: str
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
    """The methods of `plain_search`, one after another."""
    for name in plain_search.SEARCHES:
        controller = {"name": name, **SETTINGS.get(name, {})}
        sections = {
            "space": {"name": SPACE},
            "evaluator": {"data_set": DATA_SET},
            "controller": controller,
            "reward": {"name": "accuracy"},
        }
        made = assemble.assemble_table(sections, BUDGET)
        found = compiled.run_seeds(made, np.arange(SEEDS), BUDGET)
        accuracies = made.rows.search_accuracy
        plain_best, plain_seconds = _plain(name, accuracies.tolist(), made.space)
        yield Speed(
            method=name,
            compile_seconds=found.compile_seconds,
            compiled=SEEDS * BUDGET / found.run_seconds,
            plain=len(plain_best) * BUDGET / plain_seconds,
            best_compiled=float(accuracies[found.queries].max(1).mean()),
            best_plain=float(np.mean(plain_best)),
        )


def _plain(name: str, accuracies: list[float], space: SlotSpace) -> tuple[list[float], float]:
    """The bests of plain searches for some seconds, one seed after another, and those seconds."""
    bests: list[float] = []
    taken = 0.0

    def one(seed: int) -> None:
        table = plain_search.Table(accuracies, len(space.operations), space.num_layers, BUDGET)
        bests.append(max(plain_search.run(name, table, seed)))

    while taken < PLAIN_SECONDS:
        taken += seconds(functools.partial(one, len(bests)))
    return bests, taken


def line(speed: Speed) -> str:
    """The figures as text."""
    return (
        f"{speed.method:>22} {speed.compiled:12,.0f} {speed.plain:10,.0f} {speed.ratio:8.0f} "
        f"{speed.compile_seconds:8.1f} {speed.best_compiled:9.2%} {speed.best_plain:9.2%}"
    )


def header() -> str:
    """Of the lines."""
    names = ("queries/s", "plain", "ratio", "compile s", "best", "plain")
    columns = "{:>12} {:>10} {:>8} {:>8} {:>9} {:>9}".format(*names)
    return f"{SEEDS} seeds of {BUDGET} queries on {SPACE}, {DATA_SET}\n{'':>22} {columns}"
