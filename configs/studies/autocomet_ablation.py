"""An ablation of AUTOCoMET on NAS-Bench-201, under constraints on latency.

    nasjax study --config=studies/autocomet_ablation --directory=studies/autocomet_ablation

Every arm changes one of the default settings, or one of the paper's (`printed...`).

Expected (commits e574b09 and dd392e6, when the default schedule was `dual` with two updates; 25
minutes on 2 busy CPU cores for a data set and device): no arm is better than the defaults in
accuracy; the paper's settings are below random search (69.3 against 69.8 % on CIFAR-100, 43.3
against 44.3 % on ImageNet16-120). All figures are in docs/results/autocomet_ablation.md.
"""

from typing import Any

import ml_collections

from . import methods

# label -> changes to the defaults
ARMS: dict[str, dict[str, Any]] = {
    "no_shaping": dict(secondaries=()),
    "constant_1": dict(schedule="constant", epsilon=(1.0,)),
    "constant_4": dict(schedule="constant", epsilon=(4.0,)),
    "pies": dict(schedule="pies"),
    "dual": dict(schedule="dual"),
    "dual_20": dict(schedule="dual", allowed=0.2),
    "dual_70": dict(schedule="dual", allowed=0.7),
    "equation_3_episode": dict(schedule="equation_3_episode"),
    "regulated": dict(schedule="regulated"),
    "threshold_1": dict(threshold=1.0),
    "value_shaping": dict(shaping="value"),
    "secondary_cost": dict(secondary_reward="cost"),
    "secondary_broken": dict(secondary_reward="broken"),
    "credit_value": dict(credit="value"),
    "credit_gain": dict(credit="gain"),
    "raw": dict(scale="raw"),
    "repeats": dict(attempts=1),
    "temperature_1": dict(temperature=1.0, final_temperature=None),
    "temperature_constant": dict(final_temperature=None),
    "no_replay": dict(replays=0),
    "one_update": dict(updates=1),
    "two_updates": dict(updates=2),
    "eight_updates": dict(updates=8),
    "discount_1": dict(discount=1.0),
}
# label -> changes to the paper's settings
PRINTED: dict[str, dict[str, Any]] = {
    "printed": {},
    "printed_no_shaping": dict(secondaries=()),
    "printed_policy": dict(shaping="policy"),
    "printed_gain": dict(credit="gain"),
    "printed_pies": dict(schedule="pies", shaping="policy"),
    "printed_cold": dict(temperature=0.1, final_temperature=0.01),
}


def get_config() -> ml_collections.ConfigDict:
    """Two contexts, 100 seeds, 300 queries."""
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=("nas_bench_201/cifar100",),
        budgets=(300,),
        costs=("hw_nas_bench/pixel3_latency_ms",),
        quantiles=(0.25, 0.5),
        measures=("network/params_m",),
        seeds=100,
        reference="autocomet",
    )
    c.evaluator = dict(noise=False)
    arms = {label: methods.autocomet(**changes) for label, changes in ARMS.items()}
    printed = {
        label: methods.autocomet(**methods.AS_PRINTED | changes)
        for label, changes in PRINTED.items()
    }
    c.controllers = methods.UNDER_TARGET | dict(autocomet=methods.autocomet()) | arms | printed
    return c
