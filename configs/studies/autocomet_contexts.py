"""Is AUTOCoMET faster at equal quality? 27 contexts, baselines at several weights.

    nasjax study --config=studies/autocomet_contexts --directory=studies/contexts

NAS-Bench-201's three data sets, three devices of HW-NAS-Bench (types 1 to 3: Pixel 3, Jetson TX2,
Raspberry Pi 4), bounds at the 25, 50 and 75 % quantiles of the latency. The report has the number
of queries that each method needs for 99.5 % of the best feasible accuracy, and the ratios. A
baseline is best judged by the weight that was best in a context, which nobody could have known
before.

Expected (commit f2f42a3, 27 minutes on 2 CPU cores, `--share=0/2` and `1/2` side by side):
AUTOCoMET comes there in 79 % of the seeds, NAS+Predictor in 66 to 80 % at one weight and in 83 % at
the best weight of each context, MnasNet's reward in 42 % at its best weight. All figures are in
docs/results/autocomet_contexts.md.
"""

import ml_collections

from . import methods


def get_config() -> ml_collections.ConfigDict:
    """64 seeds, 300 queries."""
    c = ml_collections.ConfigDict()
    data_sets = ("cifar10", "cifar100", "imagenet16")
    c.study = dict(
        tables=tuple(f"nas_bench_201/{name}" for name in data_sets),
        budgets=(300,),
        costs=tuple(f"hw_nas_bench/{name}_latency_ms" for name in ("pixel3", "edgegpu", "raspi4")),
        quantiles=(0.25, 0.5, 0.75),
        measures=("network/params_m",),
        seeds=64,
        reference="autocomet",
    )
    c.evaluator = dict(noise=False)
    c.controllers = methods.ALL_UNDER_TARGET
    return c
