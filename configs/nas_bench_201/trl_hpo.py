"""TRL-HPO on the table NAS-Bench-201, CIFAR-10: one search, with its records and its report.

    nasjax search --config=nas_bench_201/trl_hpo --directory=runs/table

Expected: with seed 0 a cell of 93.76 % test accuracy (94.37 % is the table's best) after 20
episodes, in half a minute on 2 CPU cores. `nasjax study` runs many seeds at a time.

All slots are filled: `min_gain` and `min_accuracy` are off, because a skip gains exactly 0.
Learning starts after the first episode.
"""

import ml_collections

from ..trl_hpo import mnist_paper


def get_config() -> ml_collections.ConfigDict:
    """The paper's settings, with the changes named above."""
    c = mnist_paper.get_config()
    for section in ("data", "space", "evaluator"):
        del c[section]
    c.space = dict(name="nas_bench_201")
    c.evaluator = dict(name="table", data_set="cifar10", costs=(), noise=True)
    c.controller.update(min_gain=None, min_accuracy=None, min_size=60, replay_capacity=8_000)
    c.search.update(rounds=20)
    return c
