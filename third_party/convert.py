"""Makes the data of this folder: python third_party/convert.py SOURCE_DIR [--out DIR].

SOURCE_DIR holds the files that each METADATA.md names under "How made". Percentages, latencies and
energies are rounded once, to float32; whole numbers stay exact. The same sources give the same
bytes: NumPy dates every member of an .npz 1980-01-01 (another zlib may compress to other bytes). A
table that changes needs its new sha256, printed here, in nasjax/data/tables.py.
"""

import argparse
import hashlib
import json
import pathlib
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

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
    old = pd.read_csv(path)
    letters = ["e", "k", "l", "se"] * 7
    names = [f"block{slot // 4}_{letter}" for slot, letter in enumerate(letters)]
    choices = {"e": (1, 4, 6), "k": (3, 5), "l": (1, 2, 3, 4), "se": (0, 1)}
    columns = {"top1_percent": "val_top1", "top5_percent": "val_top5", "train_time_s": "train_time"}
    for device in ("zcu102", "vck190"):
        columns[f"{device}_latency_ms"] = f"latency_ms_{device}_mean"
    for device in ("a100", "3090", "tpuv2", "tpuv3", "zcu102", "vck190"):
        columns[f"{device}_images_per_s"] = f"img_per_s_{device}_mean"
    for device in ("a100", "3090", "tpuv2", "tpuv3"):
        columns[f"{device}_std_images_per_s"] = f"img_per_s_{device}_std"
    totals = old[["params_M", "macs_M"]] * 1e6
    return {
        **encoded(letters, old[names].to_numpy(), choices),
        "columns": np.array(list(columns)),
        "values": np.array(old[list(columns.values())], np.float32, order="C"),
        "whole_columns": np.array(["params", "published_macs"]),
        "whole_values": exact(np.array(totals.round(), order="C"), np.int32),
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


# What tells a GPU's part of a title from a CPU's.
GPU = re.compile(
    r"\bi?GPU\b|SM x|Tensor|Adreno|Mali|Immortal|Radeon|Ampere|Volta|Pascal|PowerVR|VideoCore|"
    "Graphics|BXM"
)
PARTS = re.compile(r"\s\+\s+|\s&&\s|,\s(?=VideoCore)|\swith\s(?=PowerVR)")
CLOCK = re.compile(r"(\d+(?:\.\d+)?)\s*(GHz|MHz)", re.IGNORECASE)
COUNT = re.compile(r"[\s(][x*]\s?(\d+)(?=[\s)+]|$)|(\d+) ×|(\d+)-[Cc]ore\b")
WORDS = {"Quad Core": 4, "six cores": 6}
# Names of phones, boards and their chips, and of what stands on or under a desk. Laptops: neither.
MOBILE = re.compile(
    "Cortex|Snapdragon(?! X)|iPhone|Raspberry|Jetson|Rockchip|Phytium E2000|Loongson 2K|JH7110|"
    "TH1520|SG2000|Spacemit|T40XP|Ryzen Embedded|Atom x5"
)
PLUGGED_IN = re.compile(
    "Desktop|Threadripper|Ryzen 5700g|EPYC|Xeon|Quadro|RTX3090|Tesla|AWS|Azure|Kunpeng|Sunway|"
    "Loongson 3A|Phytium FT-2000|i7-7700K",
    re.IGNORECASE,
)


def ncnn_devices(source: pathlib.Path, folder: pathlib.Path) -> None:
    """Latencies of known networks on described devices, in the form of predictors/measurements."""
    models = pd.read_csv(source / "ncnn-devices" / "ncnn_models.csv").rename(
        columns={"model": "network"}
    )
    models = models[models["macs"].notna()].drop(columns="layers_without_shape")
    models = models.convert_dtypes()  # whole numbers, which the empty cells above made floats
    old = pd.read_csv(source / "ncnn-devices" / "ncnn_latency.csv.gz")
    old["on_gpu"] = (old["gpu_device"] >= 0) & old["gpu_name"].notna()
    old = old.merge(models[["network", "int8"]], left_on="model", right_on="network")
    old = old[~(old["on_gpu"] & (old["int8"] == 1))]  # int8 layers run on the CPU all the same
    old = old.sort_values("run", kind="stable")
    several = old[old["on_gpu"]].groupby("device")["gpu_device"].nunique() > 1
    names, described = [], {}
    for row in old.itertuples():
        name, description = ncnn_device(row, bool(several.get(row.device, False)))
        names.append(name)
        described[name] = description
    rows = pd.DataFrame({"network": old["network"], "device": names, "batch": 1})
    rows["threads"] = old["num_threads"].astype("Int64").mask(old["on_gpu"])
    rows["precision_bits"] = (8 * old["int8"]).astype("Int64").mask(old["int8"] == 0)
    rows["target"], rows["value"], rows["unit"] = "latency", old["avg_ms"], "ms"
    rows = rows.join(old[["min_ms", "max_ms", "powersave", "loop_count", "run"]])
    folder.mkdir(parents=True, exist_ok=True)
    models.to_csv(folder / "networks.csv", index=False)
    # Without the date that gzip writes by default, the same rows are the same bytes.
    packed = {"method": "gzip", "mtime": 0}
    rows.to_csv(folder / "measurements.csv.gz", index=False, compression=packed)
    page = json.dumps({"devices": described}, indent=1, ensure_ascii=False)
    (folder / "devices.json").write_text(page + "\n", encoding="utf-8")


def ncnn_device(row, several_gpus: bool) -> tuple[str, dict]:
    """The name and the description of the device that a row of the source was measured on."""
    title = row.device
    cpu, gpu = clusters(title), [part for part in PARTS.split(title) if GPU.search(part)]
    if row.on_gpu:
        number = f" {int(row.gpu_device)}" if several_gpus else ""
        return f"{title} GPU{number}", {"kind": "gpu"} | is_mobile(title) | gpu_numbers(gpu)
    # The description is of the cores that ran, if the title tells them apart.
    little = row.powersave == 1 and len(cpu) > 1
    name = f"{title} little cores" if little else title
    cpu = [min(cpu, key=lambda cluster: cluster[1] or 0)] if little else cpu
    counts = [count for count, _ in cpu]
    clocks = [clock for _, clock in cpu if clock]
    numbers = {"cores": sum(counts)} if counts and all(counts) else {}
    numbers |= {"clock_ghz": max(clocks)} if clocks else {}
    return name, {"kind": "cpu"} | is_mobile(title) | numbers


def clusters(title: str) -> list[tuple[int | None, float | None]]:
    """Of each kind of CPU core in a title: how many, and the highest clock in GHz; None: unsaid."""
    found = []
    for part in PARTS.split(title):
        if GPU.search(part):
            continue
        clocks = [
            float(value) / (1000 if unit.lower() == "mhz" else 1)
            for value, unit in CLOCK.findall(part)
        ]
        counts = [int(next(filter(None, match))) for match in COUNT.findall(part)]
        counts += [count for word, count in WORDS.items() if word in part]
        if clocks or counts:
            found.append((counts[0] if counts else None, max(clocks, default=None)))
    if len(found) > 1:  # "2.96 GHz + 2.42 GHz x 3": one without a number is one
        return [(count or 1, clock) for count, clock in found]
    return found


def is_mobile(title: str) -> dict[str, int]:
    """{"mobile": 1 or 0}, empty where the title does not tell."""
    phone_or_board, plugged_in = MOBILE.search(title), PLUGGED_IN.search(title)
    if phone_or_board and plugged_in:
        raise ValueError(f"{title!r} is both {phone_or_board[0]!r} and {plugged_in[0]!r}")
    return {"mobile": int(bool(phone_or_board))} if phone_or_board or plugged_in else {}


def gpu_numbers(parts: list[str]) -> dict[str, float]:
    """What the parts of a title that name a GPU say of it."""
    text = " ".join(parts)
    patterns = {
        "cores": r"SM x (\d+)|\bMC(\d+)|\b(\d+)CU\b",
        "compute_units": r"(\d+)-core NVIDIA",
        "clock_ghz": r"(\d+(?:\.\d+)?)\s*[Gg][Hh]z",
        "memory_gib": r"\((\d+)GB\)|PCIE-(\d+)GB",
    }
    found = {name: re.search(pattern, text) for name, pattern in patterns.items()}
    numbers = {
        name: float(next(filter(None, match.groups()))) for name, match in found.items() if match
    }
    return {
        name: int(number) if number.is_integer() else number for name, number in numbers.items()
    }


FOLDERS = (ncnn_devices,)


def exact(values: np.ndarray, dtype: type[np.signedinteger]) -> np.ndarray:
    """The same whole numbers in a smaller type; ValueError if one does not fit."""
    small = values.astype(dtype)
    if not np.array_equal(small, values):
        raise ValueError(f"{values.dtype} values from {values.min()} to {values.max()} in {dtype}")
    return small


def main() -> None:
    """Write everything below --out, of the tables print the sha256."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = pathlib.Path(__file__).parent
    parser.add_argument("source", type=pathlib.Path, metavar="SOURCE_DIR")
    parser.add_argument("--out", type=pathlib.Path, default=here, help="default: this folder")
    arguments = parser.parse_args()
    try:
        for make in TABLES:
            table = make(arguments.source)
            path = arguments.out / make.__name__ / "table.npz"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(path, allow_pickle=False, version=np.int32(VERSION), **table)
            print(f"{make.__name__} {hashlib.sha256(path.read_bytes()).hexdigest()}")
        for make_folder in FOLDERS:
            make_folder(arguments.source, arguments.out / make_folder.__name__)
            print(make_folder.__name__)
    except FileNotFoundError as error:
        parser.error(f"SOURCE_DIR lacks {str(error.filename)!r}")


if __name__ == "__main__":
    main()
