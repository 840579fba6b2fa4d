"""Makes the tables of this folder: python third_party/convert.py SOURCE_DIR [--out DIR].

SOURCE_DIR holds the files that each METADATA.md names under "How made". Percentages, latencies and
energies are rounded once, to float32; whole numbers stay exact. The same sources give the same
bytes: NumPy dates every member of an .npz 1980-01-01 (another zlib may compress to other bytes). A
table that changes needs its new sha256, printed here, in nasjax/data/tables.py.
"""

import argparse
import hashlib
import pathlib

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
    """Latencies of the same cells on HELP's devices and batch sizes."""
    with np.load(source / "help-latency" / "help_nb201.npz", allow_pickle=False) as old:
        return {
            "columns": np.array([f"{device}_ms" for device in old["devices"]]),
            "latency": old["latency_ms"].astype(np.float32),
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


TABLES = (nas_bench_201, hw_nas_bench, help_latency, nas_bench_macro)


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
