"""What a network costs on a device that was never or hardly measured, from those that were.

    python -m launch.predictor --config=configs/predictors/unseen_devices.py \\
        --directory=predictors/unseen_devices

Split `help` is that of HELP (Lee et al., 2021): nine settings of known devices, 900 cells of
NAS-Bench-201 measured on each, six new devices. Every cell but those tests.

Expected: no run is recorded yet.
"""

import ml_collections


def _help(*devices: str) -> tuple[str, ...]:
    return tuple(f"help/{device}_ms" for device in devices)


def get_config() -> ml_collections.ConfigDict:
    """Settings of what is believed before the first sample were chosen on HELP's known devices."""
    c = ml_collections.ConfigDict()
    c.unseen = dict(main="help", samples=(0, 10, 100), train=900, seeds=5)
    c.splits = dict(
        help=dict(
            source="nas_bench_201",
            known=_help(
                *("1080ti_1", "1080ti_32", "1080ti_256", "silver_4114", "silver_4210r"),
                *("samsung_a50", "pixel3", "essential_ph_1", "samsung_s7"),
            ),
            new=_help("titan_rtx_256", "gold_6226", "fpga", "pixel2", "raspi4", "eyeriss"),
        ),
    )
    c.known = dict(name="bag_of_boosted_trees")
    c.transfer = dict(bandwidth=0.5, floor=0.1)
    return c
