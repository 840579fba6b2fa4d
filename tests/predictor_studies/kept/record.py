"""Configs of the studies in this folder, see README.md."""

from typing import Any

import ml_collections

_KNOWN = ("help/1080ti_1_ms", "help/pixel3_ms")
_CONFIGS: dict[str, dict[str, Any]] = {
    "comparison": {
        "comparison": dict(
            data_set="cifar10",
            costs=("hw_nas_bench/edgetpu_latency_ms", "hw_nas_bench/fpga_latency_ms"),
            train=20,
            seeds=2,
            curve=(10, 20),
            curve_of=("svr",),
            curve_seeds=1,
            executability="hw_nas_bench/edgetpu_latency_ms",
            executability_train=(30,),
            in_jit="svr",
            save="svr",
            save_train=8,
        ),
        "predictors": dict(
            svr=dict(name="support_vectors"), forest=dict(name="random_forest", members=2)
        ),
    },
    "unseen_devices": {
        "unseen": dict(main="few", samples=(0, 10), train=20, seeds=2),
        "splits": dict(
            few=dict(source="one_proxy", known=_KNOWN, new=("help/fpga_ms",), keep=(0,))
        ),
        "known": dict(name="support_vectors"),
        "transfer": {},
    },
    "described_devices": {
        "described": dict(folder="ncnn_devices", seeds=2),
        "predictors": dict(forest=dict(name="random_forest", members=2)),
    },
    "surrogates": {
        "surrogates": dict(
            networks="accel_nasbench",
            data_set="imagenet",
            accuracies=("top1_percent",),
            costs=("a100_images_per_s",),
            save="few_trees",
        ),
        "predictors": dict(
            few_trees=dict(name="bag_of_boosted_trees", members=1, rounds=2, depth=1)
        ),
    },
}


def get_config(name: str) -> ml_collections.ConfigDict:
    """The config of one of the studies."""
    return ml_collections.ConfigDict(_CONFIGS[name])
