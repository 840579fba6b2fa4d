"""Compiled searches against searches in plain Python that were written from the papers apart."""

import functools

import numpy as np
import pytest
import scipy.stats

from benchmarks import plain_search
from nasjax import build
from nasjax.studies import simulate

BUDGET = 80
SEEDS = {"metaqnn": 40}  # plain Python takes a quarter of a second for each
FACTS = {
    "best": lambda seen: seen.max(1),
    "mean": lambda seen: seen.mean(1),
    "late": lambda seen: seen[:, -20:].mean(1),
}


@functools.cache
def seen(name):
    """[seeds, BUDGET] accuracies in the order of queries: compiled, plain."""
    seeds = SEEDS.get(name, 300)
    settings = {"models_per_round": 1} if name == "random_search" else {}
    made = build.assemble_table(
        {
            "space": {"name": "nas_bench_macro"},
            "evaluator": {"data_set": "cifar10"},
            "controller": {"name": name, **settings},
            "reward": {"name": "accuracy"},
        },
        BUDGET,
    )
    found = simulate.run_seeds(made, np.arange(seeds), BUDGET)
    values = made.rows.search_accuracy
    plain = [
        plain_search.run(name, plain_search.Table(values.tolist(), 3, 8, BUDGET), seed)
        for seed in range(seeds)
    ]
    return values[found.queries], np.array(plain)


@pytest.mark.long
@pytest.mark.parametrize("fact", sorted(FACTS))
@pytest.mark.parametrize("name", sorted(plain_search.SEARCHES))
def test_both_see_the_same_accuracies_in_distribution(name, fact):
    ours, plain = (FACTS[fact](accuracies) for accuracies in seen(name))
    # Fifteen tests, each with a false alarm in 10,000.
    assert scipy.stats.ttest_ind(ours, plain, equal_var=False).pvalue > 1e-4
    assert scipy.stats.ks_2samp(ours, plain).pvalue > 1e-4


@pytest.mark.long
def test_what_differs_is_told_apart():
    random, learner = (FACTS["late"](seen(name)[0]) for name in ("random_search", "reinforce"))
    assert scipy.stats.ttest_ind(random, learner, equal_var=False).pvalue < 1e-4
