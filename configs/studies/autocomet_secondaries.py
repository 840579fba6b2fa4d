"""AUTOCoMET with three and four secondary rewards, and with a cost as the primary one.

    nasjax study --config=studies/autocomet_secondaries --directory=studies/secondaries

NAS-Bench-201, CIFAR-100, Jetson TX2. Its latency has the target; its energy, the parameters and the
multiply-adds count as minus their ratio to the median. Where a cost is the primary the accuracy is
a secondary; answers are still judged, like all others, by accuracy under the constraint.

Expected (commit 3cab0aa, 4 minutes on 2 CPU cores): 71.8 % with the latency alone and with one or
two more secondaries, 71.7 % with three, 71.0 % with the latency as the primary, 70.6 % with the
parameters. All figures are in docs/results/autocomet_studies.md.
"""

import ml_collections

from . import methods

LATENCY, ENERGY = "hw_nas_bench/edgegpu_latency_ms", "hw_nas_bench/edgegpu_energy_mJ"
PARAMS, MACS = "network/params_m", "network/macs_m"


def get_config() -> ml_collections.ConfigDict:
    """100 seeds, 300 queries."""
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=("nas_bench_201/cifar100",),
        budgets=(300,),
        costs=(LATENCY,),
        quantiles=(0.5,),
        measures=(ENERGY, PARAMS, MACS),
        seeds=100,
        reference="latency",
    )
    c.evaluator = dict(noise=False, costs=(ENERGY, PARAMS, MACS))
    weights = (1.0, 0.1, 0.1, 0.1)
    c.controllers = dict(
        random_search=methods.RANDOM_SEARCH,
        latency=methods.autocomet(secondaries=(LATENCY,)),
        latency_energy=methods.autocomet(secondaries=(LATENCY, ENERGY), epsilon=weights[:2]),
        three=methods.autocomet(secondaries=(LATENCY, ENERGY, PARAMS), epsilon=weights[:3]),
        four=methods.autocomet(epsilon=weights),
        params_primary=methods.autocomet(
            primary=PARAMS, secondaries=("accuracy", LATENCY), epsilon=(3.0, 1.0)
        ),
        latency_primary=methods.autocomet(
            primary=LATENCY, secondaries=("accuracy",), epsilon=(3.0,)
        ),
    )
    return c
