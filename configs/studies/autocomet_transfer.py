"""AUTOCoMET with nets that were trained on another device: Q does not depend on the device.

    for seed in 0 1 2 3 4 5 6 7; do
        nasjax search --config=nas_bench_201/autocomet \
            --config.seed=$seed --directory=runs/autocomet_$seed
    done
    nasjax study --config=studies/autocomet_transfer --directory=studies/transfer

The searches (Pixel 3, CIFAR-100) leave `learned.npz`. The study starts from their nets on other
devices and on other data sets, and compares with searches that start from nothing. A seed draws one
of the eight nets.

Expected (commit f2f42a3, 6 minutes on one CPU core): on a Raspberry Pi 4, CIFAR-100, 14 queries to
within 0.5 % of the best feasible cell in 96 % of the seeds; from nothing more than 100 (39 %).
"""

import ml_collections

from . import methods

SOURCES = tuple(f"runs/autocomet_{seed}/learned.npz" for seed in range(8))


def get_config() -> ml_collections.ConfigDict:
    """100 seeds, 100 queries."""
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=("nas_bench_201/cifar100", "nas_bench_201/cifar10", "nas_bench_201/imagenet16"),
        budgets=(100,),
        costs=("hw_nas_bench/edgegpu_latency_ms", "hw_nas_bench/raspi4_latency_ms"),
        quantiles=(0.5,),
        seeds=100,
        reference="autocomet",
    )
    c.evaluator = dict(noise=False)
    c.controllers = dict(
        random_search=methods.RANDOM_SEARCH,
        autocomet=methods.autocomet(),
        autocomet_transferred=methods.autocomet(initial=SOURCES),
    )
    return c
