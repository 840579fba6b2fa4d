"""An ablation of the bag of boosted trees: its form, its size, its trees.

    nasjax predictor --config=predictors/ablation --directory=predictors/ablation

Data and splits are those of `table2.py`. Every row changes one setting of the bag; where it changes
the number of rounds, the learning rate changes too, so that their product stays.

Expected (commit 8517e45, one core): mean R2 0.9773 with the default settings, 0.9734 with one
member, 0.9752 with trees alone, 0.9684 with depth 2.
"""

from typing import Any

import ml_collections

from . import table2


def get_config() -> ml_collections.ConfigDict:
    """A row is labelled with the setting that it changes."""
    c = ml_collections.ConfigDict()
    c.comparison = dict(
        data_set="cifar10", costs=table2.get_config().comparison.costs, train=900, seeds=5
    )
    changes: dict[str, dict[str, Any]] = {
        "default": {},
        **{f"form={form}": {"form": form} for form in ("sum", "product", "trees")},
        **{f"members={count}": {"members": count} for count in (1, 2, 5, 20)},
        **{f"sample={percent}": {"sample": percent / 100} for percent in (50, 70)},
        **{f"depth={depth}": {"depth": depth} for depth in (2, 3, 6)},
        "rounds=100": {"rounds": 100, "learning_rate": 0.2},
        "rounds=1600": {"rounds": 1600, "learning_rate": 0.0125},
    }
    c.predictors = {
        label: {"name": "bag_of_boosted_trees", **change} for label, change in changes.items()
    }
    return c
