"""One predictor of many described devices: known networks on ncnn's 144 devices.

    nasjax predictor --config=predictors/described_devices \\
        --directory=predictors/described_devices

The data are latencies of 32 networks that users of ncnn sent in; a device is described by its
title. The predictor is tested on unseen rows, unseen networks and unseen devices, with and without
over-sampling (SMOTE). `--config.described.folder=DIR` takes any folder of measurements, e.g. of
`nasjax profile`.

Expected (commit 8517e45, 9 minutes on one core), R2 of logarithms of the bag of boosted trees:
0.856 on unseen rows, 0.862 on unseen networks, 0.618 on unseen devices; over-sampling changes
no figure by 0.004.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The only form is "trees": logarithms are fitted, and some of them are below 0."""
    c = ml_collections.ConfigDict()
    c.described = dict(folder="ncnn_devices", target="latency_ms", seeds=5)
    c.predictors = dict(
        bag_of_boosted_trees=dict(name="bag_of_boosted_trees", form="trees", depth=6),
        xgboost=dict(name="bag_of_boosted_trees", form="trees", depth=6, members=1, sample=1.0),
        random_forest=dict(name="random_forest"),
    )
    return c
