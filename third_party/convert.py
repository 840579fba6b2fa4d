"""Makes the tables of this folder: python third_party/convert.py SOURCE_DIR [--out DIR].

SOURCE_DIR holds the files that each METADATA.md names under "How made". Percentages, latencies and
energies are rounded once, to float32; whole numbers stay exact. The same sources give the same
bytes: NumPy dates every member of an .npz 1980-01-01 (another zlib may compress to other bytes). A
table that changes needs its new sha256, printed here, in nasjax/data/tables.py.
"""

import argparse
import csv
import gzip
import hashlib
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

VERSION = 1  # of the layout below; raise it with `VERSION` of nasjax/data/tables.py

Arrays = dict[str, np.ndarray]


def nas_bench_201(source: pathlib.Path) -> Arrays:
    """Cells, their accuracies at 200 epochs, parameters and multiply-adds."""
    with np.load(source / "nasbench201" / "nb201.npz", allow_pickle=False) as old:
        table = {
            "ops": exact(old["ops"], np.int8),
            "op_names": old["op_names"],
            "params": exact(old["params"], np.int32),
            "macs": exact(old["flops"], np.int32),  # called flops at the origin
        }
        for data_set in ("cifar10", "cifar100", "imagenet16"):
            table[f"search_accuracy_{data_set}"] = old[f"val_acc_200_{data_set}"].astype(np.float32)
            table[f"reported_accuracy_{data_set}"] = old[f"test_acc_200_{data_set}"].astype(
                np.float32
            )
    return table


def hw_nas_bench(source: pathlib.Path) -> Arrays:
    """Costs of the same cells on six devices; NaN where a device cannot run a cell."""
    with np.load(source / "hw-nas-bench" / "hwnasbench_nb201.npz", allow_pickle=False) as old:
        units = old["units"]
        costs = np.flatnonzero(np.isin(units, ["ms", "mJ"]))  # operations per byte are none
        names = [f"{old['columns'][i]}_{units[i]}" for i in costs]
        table = {"columns": np.array(names)}
        for data_set in ("cifar10", "cifar100", "imagenet16"):
            table[data_set] = old[data_set][:, costs].astype(np.float32)
    return table


def help_latency(source: pathlib.Path) -> Arrays:
    """Latencies on HELP's devices: of the same cells, of FBNet's and of once-for-all's networks."""
    folder = source / "help-latency"
    with np.load(folder / "help_nb201.npz", allow_pickle=False) as old:
        table = {"columns": milliseconds(old), "latency": old["latency_ms"].astype(np.float32)}
    with np.load(folder / "help_fbnet.npz", allow_pickle=False) as old:
        if not np.array_equal(old["op_ids"], np.arange(len(old["op_names"]))):
            raise ValueError(f"op_ids of help_fbnet.npz are {old['op_ids']}")
        table |= {"fbnet_ops": exact(old["ops"], np.int8), "fbnet_op_names": old["op_names"]}
        table |= {"fbnet_columns": milliseconds(old)}
        table |= {"fbnet_values": old["latency_ms"].astype(np.float32)}
    with np.load(folder / "help_ofa_mbv3.npz", allow_pickle=False) as old:
        # The resolution; of each stage its depth, and of each of its layers kernel and expansion.
        layers = np.stack([old["ks"], old["expand"]], 2).reshape(-1, 5, 8)
        stages = np.concatenate([old["depth"][:, :, None], layers], 2).reshape(-1, 45)
        values = np.concatenate([old["resolution"][:, None], stages], 1)
        letters = ["r", *["d", *["k", "e"] * 4] * 5]
        choices = {"r": range(128, 225, 4), "d": (2, 3, 4), "k": (3, 5, 7), "e": (3, 4, 6)}
        table |= prefixed("ofa_", encoded(letters, values, choices))
        table |= {"ofa_columns": milliseconds(old)}
        table |= {"ofa_values": old["latency_ms"].astype(np.float32)}
    return table


def one_proxy(source: pathlib.Path) -> Arrays:
    """Latencies of 1,999 of NAS-Bench-201's cells; without HW-NAS-Bench's, which are there."""
    with np.load(source / "nasbench201" / "nb201.npz", allow_pickle=False) as old:
        ops, names = old["ops"], old["op_names"]
    path = source / "help-latency" / "oneproxy_nb201_1999.npz"
    with np.load(path, allow_pickle=False) as old:
        kept = ~np.char.startswith(old["devices"], "rice_")
        return {
            "ops": exact(ops[old["arch_idx"]], np.int8),
            "op_names": names,
            "columns": milliseconds(old)[kept],
            "values": old["latency_ms"][:, kept].astype(np.float32),
        }


def accel_nasbench(source: pathlib.Path) -> Arrays:
    """Networks of MnasNet's space, their accuracies on ImageNet and speed on six devices."""
    path = source / "accel-nasbench" / "accel_nasbench.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    letters = ["e", "k", "l", "se"] * 7
    names = [f"block{slot // 4}_{letter}" for slot, letter in enumerate(letters)]
    values = np.array([[int(row[name]) for name in names] for row in rows])
    choices = {"e": (1, 4, 6), "k": (3, 5), "l": (1, 2, 3, 4), "se": (0, 1)}
    columns = {"top1_percent": "val_top1", "top5_percent": "val_top5", "train_time_s": "train_time"}
    for device in ("zcu102", "vck190"):
        columns[f"{device}_latency_ms"] = f"latency_ms_{device}_mean"
    for device in ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190"):
        columns[f"{device}_images_per_s"] = f"img_per_s_{device}_mean"
    for device in ("a100", "3090", "tpuv2", "tpuv3"):
        columns[f"{device}_std_images_per_s"] = f"img_per_s_{device}_std"
    measured = [[float(row[name] or "nan") for name in columns.values()] for row in rows]
    totals = [[round(float(row[f"{name}_M"]) * 1e6) for row in rows] for name in ("params", "macs")]
    return {
        **encoded(letters, values, choices),
        "columns": np.array(list(columns)),
        "values": np.array(measured, np.float32),
        "whole_columns": np.array(["params", "published_macs"]),
        "whole_values": exact(np.array(totals).T, np.int32),
    }


def nas_bench_macro(source: pathlib.Path) -> Arrays:
    """Chains of eight blocks, their test accuracies of three seeds, parameters and MACs."""
    with np.load(source / "nas-bench-macro" / "nas_bench_macro.npz", allow_pickle=False) as old:
        return {
            "ops": exact(old["ops"], np.int8),
            "op_names": np.array(["identity", "mb3_k3", "mb6_k5"]),
            "accuracy": old["test_acc"].astype(np.float32),
            "params": exact(old["params"], np.int32),
            "macs": exact(old["flops"], np.int32),  # called flops at the origin
        }


TABLES = (
    nas_bench_201,
    hw_nas_bench,
    help_latency,
    nas_bench_macro,
    one_proxy,
    accel_nasbench,
)


def milliseconds(source: Mapping[str, np.ndarray]) -> np.ndarray:
    """The names of the devices' columns."""
    return np.array([f"{device}_ms" for device in source["devices"]])


def prefixed(prefix: str, arrays: Arrays) -> Arrays:
    """The same arrays under longer names."""
    return {prefix + name: array for name, array in arrays.items()}


def encoded(
    letters: Sequence[str], values: np.ndarray, choices: Mapping[str, Sequence[int]]
) -> Arrays:
    """Slots that hold a number each as operations, e.g. "k5": their names, and each slot's index.

    Args:
      letters: [L], of each slot.
      values: [N, L].
      choices: of each letter, in the order of the operations.
    """
    names = [f"{letter}{value}" for letter, known in choices.items() for value in known]
    place = {name: index for index, name in enumerate(names)}
    ops = [[place[f"{a}{n}"] for a, n in zip(letters, row, strict=True)] for row in values]
    return {"ops": np.array(ops, np.int8), "op_names": np.array(names)}


def exact(values: np.ndarray, dtype: type[np.signedinteger]) -> np.ndarray:
    """The same whole numbers in a smaller type; ValueError if one does not fit."""
    small = values.astype(dtype)
    if not np.array_equal(small, values):
        raise ValueError(f"{values.dtype} values from {values.min()} to {values.max()} in {dtype}")
    return small


def main() -> None:
    """Write every table below --out and print its sha256."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = pathlib.Path(__file__).parent
    parser.add_argument("source", type=pathlib.Path, metavar="SOURCE_DIR")
    parser.add_argument("--out", type=pathlib.Path, default=here, help="default: this folder")
    arguments = parser.parse_args()
    for make in TABLES:
        try:
            table = make(arguments.source)
        except FileNotFoundError as error:
            parser.error(f"SOURCE_DIR lacks {str(error.filename)!r}")
        path = arguments.out / make.__name__ / "table.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, allow_pickle=False, version=np.int32(VERSION), **table)
        print(f"{make.__name__} {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
