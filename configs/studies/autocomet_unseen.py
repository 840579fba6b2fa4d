"""AUTOCoMET for devices with few measurements or none: the latency is predicted in the loop.

    nasjax predictor --config=predictors/unseen_in_search \\
        --directory=predictors/unseen_in_search
    nasjax study --config=studies/autocomet_unseen --directory=studies/unseen

HELP's new devices, NAS-Bench-201, CIFAR-10, at most the median latency. Searches see the measured
latency, or the latency predicted after ten cells were measured, or before any was. In the last case
the order of cells is known but not their milliseconds: `0_samples` cannot work, and `0_relative`
asks for at most the median of the predicted latencies. An answer is a cell that the search takes
for feasible; the report says how many really are.

Expected (commit f2f42a3, 20 minutes on one CPU core): with ten samples about as many queries as
with all measured, and 96 to 100 % of the answers keep the measured bound (60 % on the Pixel 2);
0_relative comes to the good cells as fast, but 2 to 100 % keep it. All figures are in
docs/results/autocomet_studies.md.
"""

import ml_collections

from . import methods

SAVED = "predictors/unseen_in_search/saved"
DEVICES = ("titan_rtx_256", "gold_6226", "fpga", "pixel2", "raspi4", "eyeriss")


def get_config() -> ml_collections.ConfigDict:
    """100 seeds, 300 queries."""
    c = ml_collections.ConfigDict()
    c.study = dict(
        tables=("nas_bench_201/cifar10",),
        budgets=(300,),
        costs=tuple(f"help/{device}_ms" for device in DEVICES),
        quantiles=(0.5,),
        seeds=100,
        reference="autocomet",
    )
    c.evaluator = dict(noise=False)
    compared = dict(
        autocomet=methods.autocomet(),
        regularized_evolution=methods.UNDER_TARGET["regularized_evolution"],
    )
    c.controllers = dict(random_search=methods.RANDOM_SEARCH)
    for label, method in compared.items():
        c.controllers[label] = method
        for samples in (10, 0):
            predicted = {"predicted": (f"{SAVED}/help--{{cost}}--{samples}",)}
            c.controllers[f"{label}_{samples}_samples"] = method | predicted
        c.controllers[f"{label}_0_relative"] = method | predicted | {"relative": True}
    return c
