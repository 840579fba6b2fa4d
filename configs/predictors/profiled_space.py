"""Predictors from one device's profile alone: the best one is kept for searches.

    nasjax profile --space=nas_bench_macro --directory=measurements/macro
    nasjax predictor --config=predictors/profiled_space \\
        --config.comparison.folder=measurements/macro --directory=predictors/macro

No other device is known and nothing is transferred (`profiled_device.py` does that). Of 200
profiled networks 160 are fitted and 40 test, ten times; the curve has the results with fewer
networks. `DIRECTORY/saved/` has a predictor for each of `comparison.costs`, fitted on all networks,
for `--config.evaluator.predicted` and for the study `autocomet_macro_device.py`. For cells:
`--config.comparison.space=nas_bench_201`. Where fewer networks were profiled, `comparison.train`
has to be smaller.

Expected (commit f2f42a3, one core of an AMD EPYC, a minute): R2 of the bag of boosted trees 0.957,
XGBoost alone 0.941, support vectors 0.937; with 20 networks they have 0.870, 0.803 and 0.671.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The bag of boosted trees is kept; XGBoost alone and support vectors are compared with it."""
    c = ml_collections.ConfigDict()
    c.comparison = dict(
        data_set="cifar10",
        costs=("latency_ms",),
        folder="measurements/macro",
        space="nas_bench_macro",
        train=160,
        seeds=10,
        curve=(20, 40, 80, 160),
        curve_of=("bag_of_boosted_trees", "xgboost", "svr"),
        curve_seeds=10,
        save="bag_of_boosted_trees",
    )
    c.predictors = dict(
        bag_of_boosted_trees=dict(name="bag_of_boosted_trees"),
        xgboost=dict(name="bag_of_boosted_trees", form="trees", members=1, sample=1.0),
        svr=dict(name="support_vectors"),
    )
    return c
