"""Five methods on NAS-Bench-201 (CIFAR-10): 100 and 300 queries, 500 seeds each.

    nasjax study --config=studies/quick --directory=studies/quick

Expected: mean reported accuracy at 300 queries of local search 94.30 %, regularised evolution
94.23 %, REINFORCE 94.06 %, MetaQNN 94.01 %, random search 93.95 %; 40 s on 2 CPU
cores, nearly all of it to compile.
"""

import ml_collections

from . import methods


def get_config() -> ml_collections.ConfigDict:
    """Every method with its default settings; see the READMEs in nasjax/controllers."""
    c = ml_collections.ConfigDict()
    c.study = dict(tables=("nas_bench_201/cifar10",), budgets=(100, 300), seeds=500)
    c.study.update(seeds_per_part=500, reference="random_search")
    c.evaluator = dict(noise=True)
    c.controllers = methods.SIMPLE
    return c
