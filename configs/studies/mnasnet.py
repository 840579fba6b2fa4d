"""Five methods in MnasNet's space under constraints on two devices, 300 queries.

    nasjax predictor --config=predictors/accel_nasbench --directory=predictors/accel_nasbench
    nasjax study --config=studies/mnasnet --directory=studies/mnasnet

The first command fits the surrogates that stand for training on ImageNet and for the devices. The
accuracy that searches see and the one that is reported come from different halves of the measured
networks. The bounds are the medians of 10,000 random networks: ms on a ZCU102 (FPGA), and ms per
image on an A100.

Expected (commit dee1849, 20 seeds, 2.4 minutes on 2 CPU cores): reported top-1 within 6.98 ms on
the ZCU102: REINFORCE 67.19 %, regularised evolution 67.03 %, AUTOCoMET 66.99 %, local search 66.55
%, random search 65.53 %; within 0.134 ms on the A100 67.31, 67.55, 67.45, 66.68 and 65.54 %.
Accuracies are those of Accel-NASBench's proxy training, as the surrogates predict them.
"""

import ml_collections

from . import methods


def get_config() -> ml_collections.ConfigDict:
    """All methods see the bound; REINFORCE has MnasNet's soft exponents, AUTOCoMET its defaults."""
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=("mnasnet/imagenet",),
        budgets=(300,),
        costs=("zcu102_latency_ms", "a100_ms_per_image"),
        quantiles=(0.5,),
        seeds=20,
        seeds_per_part=100,
        reference="random_search",
    )
    c.evaluator = dict(
        name="surrogate",
        directory="predictors/accel_nasbench/saved",
        accuracy="top1_search",
        reported="top1_reported",
        noise=True,
    )
    c.controllers = methods.UNDER_TARGET | dict(
        reinforce=methods.mnasnet(-0.07, -0.07),
        autocomet=methods.autocomet(),
    )
    return c
