"""Predicted costs on devices with few measurements or none, from devices with many.

    nasjax predictor --config=predictors/unseen_devices --directory=predictors/unseen_devices

Split `help` is that of HELP (Lee et al., 2021): nine settings of known devices, 900 cells of
NAS-Bench-201 measured on each, six new devices; `help_validation` has its validation devices as
new ones. `n1` to `n4` and `f1` to `f4` are the hard splits of NASFLAT (Akhauri and Abdelfattah,
2024), cells and FBNet's networks; its Snapdragon 675 is in no table here, so n1 and n3 know four
devices instead of five, n4 eight instead of ten, n2 has four new ones instead of five.

Expected (commit 8517e45, 18 minutes on one core), mean rank correlation on HELP's new devices:
0.879 without samples (FLOPs 0.846), 0.958 with 10, 0.972 with 100. All figures are in
docs/results/unseen_devices.md.
"""

import ml_collections


def _names(table: str, *devices: str) -> tuple[str, ...]:
    return tuple(f"{table}/{device}_ms" for device in devices)


def _cells(known: tuple[str, ...], new: tuple[str, ...]) -> dict:
    return dict(source="nas_bench_201", known=_names("help", *known), new=_names("help", *new))


def _fbnet(known: tuple[str, ...], new: tuple[str, ...]) -> dict:
    table = "help_fbnet"
    return dict(source=table, known=_names(table, *known), new=_names(table, *new))


def _proxy(known: tuple[str, ...], new: tuple[str, ...]) -> dict:
    def cost(device: str) -> str:
        table = "one_proxy" if device.startswith("eagle") else "help"
        return f"{table}/{device}_ms"

    return dict(source="one_proxy", known=tuple(map(cost, known)), new=tuple(map(cost, new)))


HELP = (
    *("1080ti_1", "1080ti_32", "1080ti_256", "silver_4114", "silver_4210r"),
    *("samsung_a50", "pixel3", "essential_ph_1", "samsung_s7"),
)


def get_config() -> ml_collections.ConfigDict:
    """The prior of `transfer` was chosen as docs/results/unseen_devices.md says."""
    c = ml_collections.ConfigDict()
    c.unseen = dict(main="help", samples=(0, 10, 20, 100), train=900, seeds=5)
    c.splits = dict(
        help=_cells(HELP, ("titan_rtx_256", "gold_6226", "fpga", "pixel2", "raspi4", "eyeriss")),
        help_validation=_cells(HELP, ("titanx_1", "titanx_32", "titanx_256", "gold_6240")),
        n1=_proxy(
            ("eagle_tpu", "eyeriss", "eagle_gpu_855", "pixel3"),
            ("1080ti_1", "titan_rtx_32", "titanxp_1", "2080ti_32", "titan_rtx_1"),
        ),
        n2=_proxy(
            ("1080ti_1", "1080ti_32", "titanx_32", "titanxp_1", "titanxp_32"),
            ("eagle_jetson_16", "eagle_tpu", "eagle_dsp_855", "pixel3"),
        ),
        n3=_proxy(
            ("eagle_gtx", "eagle_jetson_16", "eyeriss", "eagle_gpu_855"),
            ("1080ti_1", "2080ti_1", "titanxp_1", "2080ti_32", "titanxp_32"),
        ),
        n4=_proxy(
            (
                *("eagle_i7", "eagle_jetson", "eagle_tpu", "eyeriss", "eagle_cpu_855"),
                *("eagle_dsp_855", "eagle_gpu_855", "pixel2"),
            ),
            ("1080ti_1", "2080ti_1", "titan_rtx_1"),
        ),
        f1=_fbnet(
            ("2080ti_1", "essential_ph_1", "silver_4114", "titan_rtx_1", "titan_rtx_32"),
            ("eyeriss", "fpga", "raspi4", "samsung_a50", "samsung_s7"),
        ),
        f2=_fbnet(
            ("essential_ph_1", "gold_6226", "gold_6240", "pixel3", "raspi4"),
            ("1080ti_1", "1080ti_32", "2080ti_32", "titan_rtx_1", "titanxp_1"),
        ),
        f3=_fbnet(
            ("essential_ph_1", "pixel2", "pixel3", "raspi4", "samsung_s7"),
            ("1080ti_1", "1080ti_32", "2080ti_1", "titan_rtx_1", "titan_rtx_32"),
        ),
        f4=_fbnet(
            (
                *("1080ti_64", "2080ti_1", "eyeriss", "gold_6226", "gold_6240", "raspi4"),
                *("samsung_s7", "silver_4210r", "titan_rtx_1", "titan_rtx_32"),
            ),
            ("1080ti_1", "pixel2", "essential_ph_1"),
        ),
    )
    c.known = dict(name="bag_of_boosted_trees")
    c.transfer = dict(bandwidth=0.5, floor=0.1)
    return c
