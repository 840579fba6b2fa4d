"""Baselines at many weights under a constraint on latency, compared with AUTOCoMET.

    nasjax study --config=studies/autocomet_weights --directory=studies/weights

NAS-Bench-201's three data sets, Jetson TX2, at most the median latency. AUTOCoMET has its epsilon
of 1. NAS+Predictor's reward is accuracy - weight * (cost / target, or its excess over 1); MnasNet's
and evolution's is accuracy * (cost / target)^exponent, also below the target (`both`) or above it
only (`above`).

Expected (commit dee1849, 12 minutes on 2 CPU cores), mean share of seeds within 0.5 % of the best:
NAS+Predictor 4 to 91 %, MnasNet's reward 6 to 28 %, evolution 9 to 45 %, AUTOCoMET 86 %. All
figures are in docs/results/autocomet_contexts.md.
"""

from typing import Any

import ml_collections

from . import methods

WEIGHTS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
EXPONENTS = (-0.03, -0.07, -0.15, -0.3, -1.0)


def get_config() -> ml_collections.ConfigDict:
    """Three contexts, 64 seeds, 300 queries; labels have weights in percent."""
    arms: dict[str, Any] = dict(random_search=methods.RANDOM_SEARCH, autocomet=methods.autocomet())
    for weight in WEIGHTS:
        for penalty in ("cost", "excess"):
            label = f"nas_predictor_{penalty}_{100 * weight:g}"
            arms[label] = methods.nas_predictor(weight, penalty)
    for exponent in EXPONENTS:
        for side, below in (("both", exponent), ("above", 0.0)):
            label = f"{-100 * exponent:g}_{side}"
            arms[f"mnasnet_{label}"] = methods.mnasnet(exponent, below)
            reward = dict(methods.BOUND, exponent=exponent, exponent_below=below)
            evolution = dict(methods.UNDER_TARGET["regularized_evolution"], reward=reward)
            arms[f"evolution_{label}"] = evolution
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=tuple(f"nas_bench_201/{name}" for name in ("cifar10", "cifar100", "imagenet16")),
        budgets=(300,),
        costs=("hw_nas_bench/edgegpu_latency_ms",),
        quantiles=(0.5,),
        seeds=64,
        reference="autocomet",
    )
    c.evaluator = dict(noise=False)
    c.controllers = arms
    return c
