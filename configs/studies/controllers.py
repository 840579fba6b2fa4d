"""All controllers on NAS-Bench-201 (three data sets) and NAS-Bench-Macro: 300 and 15,000 queries.

    nasjax study --config=studies/controllers --directory=studies/controllers

Every method has its default settings and 500 seeds. A learner with fewer than 100 updates is marked
untrained, as TRL-HPO is at 300 queries. TRL-HPO at 15,000 queries takes most of the time; with
--config.study.seeds=50 it takes a tenth of it.

Expected: at 300 queries local search and regularised evolution lead on all tables; at 15,000 random
search is ahead of TRL-HPO on all but Macro, where they are level. The runs are in
docs/results/studies.md (500 seeds on one table, 100 on all).
"""

import ml_collections

from . import methods


def get_config() -> ml_collections.ConfigDict:
    """Seven methods, four tables, two budgets."""
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=(
            "nas_bench_201/cifar10",
            "nas_bench_201/cifar100",
            "nas_bench_201/imagenet16",
            "nas_bench_macro/cifar10",
        ),
        budgets=(300, 15_000),
        seeds=500,
        seeds_per_part=100,
        reference="random_search",
    )
    c.evaluator = dict(noise=True)
    c.controllers = methods.SIMPLE | dict(
        multi_agent=dict(controller=dict(name="multi_agent")),
        trl_hpo=methods.trl_hpo(),
    )
    return c
