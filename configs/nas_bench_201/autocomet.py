"""AUTOCoMET on the table NAS-Bench-201, CIFAR-100: the best cell that a Pixel 3 runs within 12 ms.

    nasjax search --config=nas_bench_201/autocomet --directory=runs/autocomet

Expected (commit f2f42a3): with seed 0 a cell of 71.63 % test accuracy and 10.7 ms after 300
queries, in half a minute on 2 CPU cores; of the cells within 12 ms, which are half of all cells, it
has the second best validation accuracy, 71.10 %. `nasjax study` runs many seeds at a time.

The latency was measured (HW-NAS-Bench); its median over the cells is 11.8 ms. Another device:

    --config.evaluator.costs="('hw_nas_bench/raspi4_latency_ms',)" \\
    --config.controller.secondaries="('hw_nas_bench/raspi4_latency_ms',)" \\
    --config.search.max_cost=30

An unknown name is answered with all known ones. The number of parameters is recorded, but the
search does not use it.
"""

import ml_collections

PIXEL_3 = "hw_nas_bench/pixel3_latency_ms"


def get_config() -> ml_collections.ConfigDict:
    """AUTOCoMET with its default settings; its target is `search.max_cost`."""
    c = ml_collections.ConfigDict()
    c.seed = 0
    c.space = dict(name="nas_bench_201")
    c.evaluator = dict(
        name="table",
        data_set="cifar100",
        costs=(PIXEL_3, "network/params_m"),
        noise=False,
        validation_batches=1,
    )
    c.controller = dict(name="autocomet", secondaries=(PIXEL_3,))
    c.reward = dict(name="accuracy")
    c.search = dict(rounds=300, max_queries=300, max_cost=12.0, checkpoint_every=50)
    return c
