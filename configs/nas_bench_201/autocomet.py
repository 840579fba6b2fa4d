"""AUTOCoMET on the table NAS-Bench-201, CIFAR-100, for a Pixel 3: accuracy within a latency.

python -m launch.search --config=configs/nas_bench_201/autocomet.py --workdir=runs/autocomet
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """The controller's defaults."""
    c = ml_collections.ConfigDict()
    c.seed = 0
    c.space = dict(name="nas_bench_201")
    c.evaluator = dict(
        name="table",
        data_set="cifar100",
        costs=("hw_nas_bench/pixel3_latency_ms", "network/params_m"),
        noise=False,
        validation_batches=1,
    )
    c.controller = dict(name="autocomet", secondaries=("hw_nas_bench/pixel3_latency_ms",))
    c.reward = dict(name="accuracy")
    c.search = dict(rounds=300, max_cost=12.0, checkpoint_every=50)
    return c
