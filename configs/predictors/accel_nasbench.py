"""Surrogates of MnasNet's space: accuracy on ImageNet and six devices, from 5,138 networks.

    nasjax predictor --config=predictors/accel_nasbench --directory=predictors/accel_nasbench

Searches and studies in the space `mnasnet` read the fitted surrogates from
predictors/accel_nasbench/saved/. `surrogates.seed` divides the networks of Accel-NASBench into two
halves: the accuracies that a search sees are predicted from one half, the reported ones from the
other.

Expected (commit 649dd88, 3 minutes on one core), on networks not fitted: top-1 of both halves R2
0.979 and 0.980, Kendall's tau 0.908 and 0.914, mean absolute error 0.36 points; costs 1.4 to 2.8 %,
R2 0.9885 (TPUv3) to 0.998 (A100). No other method has a greater R2, except XGBoost alone on the
ZCU102 (0.9955, 0.9953). A bag of boosted MLPs had 0.974 where this one had 0.977 (top-1, one
split).
"""

import ml_collections

DEVICES = (
    *("zcu102_latency_ms", "vck190_latency_ms"),
    *("a100_images_per_s", "3090_images_per_s", "tpuv2_images_per_s", "tpuv3_images_per_s"),
)


def get_config() -> ml_collections.ConfigDict:
    """The bag of boosted trees is kept for searches; the other methods are compared with it."""
    c = ml_collections.ConfigDict()
    c.surrogates = dict(
        networks="accel_nasbench",
        data_set="imagenet",
        accuracies=("top1_percent", "top5_percent"),
        costs=DEVICES,
        save="bag_of_boosted_trees",
        held_out=0.2,
        seed=0,
    )
    c.predictors = dict(
        bag_of_boosted_trees=dict(name="bag_of_boosted_trees"),
        xgboost=dict(name="bag_of_boosted_trees", form="trees", members=1, sample=1.0),
        svr=dict(name="support_vectors"),
        random_forest=dict(name="random_forest"),
    )
    return c
