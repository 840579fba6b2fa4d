"""A choice of AUTOCoMET's defaults among the variants that the ablation does not tell apart.

    nasjax study --config=studies/autocomet_defaults --directory=studies/autocomet_defaults

There are eighteen contexts on devices that Table I, the ablations and the 27 contexts do not have:
NAS-Bench-201's three data sets, HW-NAS-Bench's Edge TPU (which cannot run all cells), Eyeriss and
FPGA, at most the 25 and 50 % quantile of the latency.

Expected (commit 24f6a19, 17 minutes on 2 CPU cores): 74 % of the seeds of `equation_3_four_updates`
come to within 0.5 % of the best feasible accuracy, 69 to 70 % of the seeds of the other variants.
So it is the default.
"""

from typing import Any

import ml_collections

from . import methods

# label -> the settings in which the variants differ
ARMS: dict[str, dict[str, Any]] = {
    "equation_3": dict(schedule="equation_3", replays=16, updates=2),
    "equation_3_four_updates": dict(schedule="equation_3", replays=16, updates=4),
    "equation_3_no_replay": dict(schedule="equation_3", replays=0, updates=2),
    "constant": dict(schedule="constant", replays=16, updates=2),
    "dual_50": dict(schedule="dual", allowed=0.5, replays=16, updates=2),
    "dual_70": dict(schedule="dual", allowed=0.7, replays=16, updates=2),
}
DEVICES = ("edgetpu", "eyeriss", "fpga")


def get_config() -> ml_collections.ConfigDict:
    """64 seeds, 300 queries."""
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=tuple(f"nas_bench_201/{name}" for name in ("cifar10", "cifar100", "imagenet16")),
        budgets=(300,),
        costs=tuple(f"hw_nas_bench/{device}_latency_ms" for device in DEVICES),
        quantiles=(0.25, 0.5),
        seeds=64,
        reference="equation_3",
    )
    c.evaluator = dict(noise=False)
    c.controllers = {label: methods.autocomet(**arm) for label, arm in ARMS.items()}
    return c
