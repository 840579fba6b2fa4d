"""AUTOCoMET and its baselines on NAS-Bench-Macro (CIFAR-10), multiply-adds bounded.

    nasjax study --config=studies/autocomet_macro --directory=studies/macro

The table has no device costs. `autocomet_macro_device.py` bounds the latency that a predictor,
fitted to measurements of this machine, gives for its networks.
"""

import ml_collections

from . import methods


def get_config() -> ml_collections.ConfigDict:
    """100 seeds, 300 queries."""
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=("nas_bench_macro/cifar10",),
        budgets=(300,),
        costs=("network/macs_m",),
        quantiles=(0.25, 0.5, 0.75),
        measures=("network/params_m",),
        seeds=100,
        reference="autocomet",
    )
    c.evaluator = dict(noise=False)
    c.controllers = methods.ALL_UNDER_TARGET
    return c
