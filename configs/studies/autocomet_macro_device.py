"""AUTOCoMET and its baselines on NAS-Bench-Macro (CIFAR-10), ms on this machine bounded.

    nasjax profile --space=nas_bench_macro --directory=measurements/macro
    nasjax predictor --config=predictors/profiled_space \\
        --config.comparison.folder=measurements/macro --directory=predictors/macro
    nasjax study --config=studies/autocomet_macro_device --directory=studies/macro_device

The table has no device's latency. The constrained latency is the one that the second command's
predictor gives for all 6,561 networks, and the report says that it is predicted. A predictor in
another directory has to be named in both `study.costs` and `evaluator.predicted`.

Expected (commit f2f42a3, one core of an AMD EPYC, 8 minutes): AUTOCoMET 91.82, 92.78 and 92.90 %
within the 25, 50 and 75 % quantile, random search 91.69, 92.41 and 92.59 %.
"""

import ml_collections

from . import methods

LATENCY = "predictors/macro/saved/latency_ms"


def get_config() -> ml_collections.ConfigDict:
    """100 seeds, 300 queries."""
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=("nas_bench_macro/cifar10",),
        budgets=(300,),
        costs=(LATENCY,),
        quantiles=(0.25, 0.5, 0.75),
        measures=("network/macs_m", "network/params_m"),
        seeds=100,
        reference="autocomet",
    )
    c.evaluator = dict(noise=False, predicted=(LATENCY,))
    c.controllers = methods.ALL_UNDER_TARGET
    return c
