"""AUTOCoMET's Table II on measured devices: which predictor of latency is best?

    nasjax predictor --config=predictors/table2 --directory=predictors/table2

NAS-Bench-201's cells (CIFAR-10) on the six devices of HW-NAS-Bench, one predictor each, fitted on
900 cells and tested on all others, five splits. Two of the devices, Eyeriss and FPGA, are simulated
by formulas and easy to predict; the report averages them separately.

Expected (commit 50d6c2a, 12 minutes on one core): mean R2 of the bag of boosted trees 0.9773, worst
device 0.944; XGBoost 0.9751, SVR 0.9715, random forest 0.9693, GCN 0.9691, MLP 0.9638. Whether the
Edge TPU can run a cell: 99.4 % after 12,500 cells. All cells on all devices inside jit: 0.11 s.
"""

import ml_collections

DEVICES = ("edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga")


def get_config() -> ml_collections.ConfigDict:
    """The methods of the paper; XGBoost, MLP and SVR alone are bags of one."""
    c = ml_collections.ConfigDict()
    c.comparison = dict(
        data_set="cifar10",
        costs=tuple(f"hw_nas_bench/{device}_latency_ms" for device in DEVICES),
        train=900,
        seeds=5,
        curve=(100, 300, 900, 3_000, 12_500),
        curve_of=("bag_of_boosted_trees", "xgboost", "bag_of_boosted_mlps", "svr"),
        curve_seeds=1,
        executability="hw_nas_bench/edgetpu_latency_ms",
        executability_train=(3_000, 12_500),
        in_jit="bag_of_boosted_trees",
        save="bag_of_boosted_trees",
    )
    one = dict(members=1, sample=1.0)
    c.predictors = dict(
        bag_of_boosted_trees=dict(name="bag_of_boosted_trees"),
        bag_of_boosted_mlps=dict(name="bag_of_boosted_mlps"),
        xgboost=dict(name="bag_of_boosted_trees", form="trees", **one),
        random_forest=dict(name="random_forest"),
        mlp=dict(
            name="bag_of_boosted_mlps",
            **dict(rounds=1, shrinkage=1.0, width=256, epochs=200, learning_rate=1e-3),
            **one,
        ),
        svr=dict(name="support_vectors"),
        gcn=dict(name="graph_convolution"),
    )
    return c
