"""The comparison of AUTOCoMET's Table I: three types of device, all methods, NAS-Bench-201.

    nasjax study --config=studies/autocomet_table1 --directory=studies/table1

CIFAR-100. Type 1 (flagship): Pixel 3 (Snapdragon 845); type 2 (mid-tier): Samsung Galaxy A50
(Exynos 9610); type 3 (low-tier): Raspberry Pi 4 (four Cortex-A72, no accelerator), latencies of
HELP. A bound is the median over all cells. Energy is HW-NAS-Bench's for the Jetson TX2.

Expected (commit f2f42a3, 11 minutes on 2 CPU cores): mean test accuracy of AUTOCoMET's best
feasible cell 70.97, 70.24 and 71.13 %, of NAS+Predictor's 70.90, 70.31 and 71.20 %, of MnasNet's
70.57, 69.65 and 70.40 %.
"""

import ml_collections

from . import methods


def get_config() -> ml_collections.ConfigDict:
    """500 seeds, 300 queries."""
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=("nas_bench_201/cifar100",),
        budgets=(300,),
        costs=("help/pixel3_ms", "help/samsung_a50_ms", "help/raspi4_ms"),
        quantiles=(0.5,),
        measures=("hw_nas_bench/edgegpu_energy_mJ", "network/params_m", "network/macs_m"),
        seeds=500,
        reference="autocomet",
    )
    c.evaluator = dict(noise=False)
    c.controllers = methods.UNDER_TARGET | dict(
        mnasnet=methods.mnasnet(-0.07, -0.07),
        nas_predictor=methods.nas_predictor(0.1, "excess"),
        autocomet=methods.autocomet(),
    )
    return c
