"""A profiled device: predictions after ten measurements, and a predictor for searches.

    nasjax profile --space=nas_bench_201 --directory=measurements/mine
    nasjax predictor --config=predictors/profiled_device \\
        --config.splits.profiled.folder=measurements/mine --directory=predictors/mine

All devices of HELP are known, with 900 cells of NAS-Bench-201 each. Some of the profiled cells are
samples, the others test. `DIRECTORY/saved/` holds a predictor fitted on all of them, for
`--config.evaluator.predicted`.

Expected (commit bf45ce1, 2 cores of a shared server, 2 minutes): rank correlation on the other
cells 0.78 without samples, 0.91 with ten.
"""

import ml_collections

GPUS = ("1080ti", "2080ti", "titanx", "titanxp", "titan_rtx")
OTHERS = (
    *("gold_6226", "gold_6240", "silver_4114", "silver_4210r", "raspi4", "eyeriss", "fpga"),
    *("essential_ph_1", "pixel2", "pixel3", "samsung_a50", "samsung_s7"),
)


def get_config() -> ml_collections.ConfigDict:
    """Three splits of the profiled cells into samples and test cells."""
    c = ml_collections.ConfigDict()
    c.unseen = dict(main="profiled", samples=(0, 5, 10), train=900, seeds=3)
    batches = (f"{gpu}_{batch}" for gpu in GPUS for batch in (1, 32, 256))
    c.splits = dict(
        profiled=dict(
            source="nas_bench_201",
            known=tuple(f"help/{device}_ms" for device in (*batches, *OTHERS)),
            folder="measurements/mine",
            target="latency_ms",
        ),
    )
    c.known = dict(name="bag_of_boosted_trees")
    c.transfer = dict(bandwidth=0.5, floor=0.1)
    return c
