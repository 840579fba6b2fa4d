"""Loads the published tables of `third_party/`: architectures, their accuracies and costs.

A `Table` has every architecture of a benchmark; a search looks its results up there. `Networks` are
some architectures of a larger space, for predictors to be fitted to.

Each folder's METADATA.md has origin, licence, units and caveats. A file is read only if its bytes
are those that this code was written for.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasjax import files
from nasjax.config import unknown
from nasjax.errors import UserError
from nasjax.files import digest

VERSION = 1  # of the files' layout, see third_party/convert.py

_THIRD_PARTY = files.shipped("third_party")

# The digests are here, not in a file beside the tables: this code is written for these files.
_SHA256 = {
    "accel_nasbench": "23c0b61773424cd374538ccbcec8794e6a0df5ebbca72adfcff12c658930fb20",
    "help_latency": "74f755d8327b1162510598d098ea6ac5feb6c5c05850c9cab2b41e1eb7f04829",
    "hw_nas_bench": "145dd8116a79e79edd75aa04955c3a97668d7f4d930a9083b19adb320b147e17",
    "nas_bench_201": "9217f5ac35b2eb37a12cfc8aadfe851ba169463efd0c9515096d67caec0bb0cf",
    "nas_bench_macro": "3e94852177fb945ef32b43da1dd5f07fe7e4491306463bc5989597798ebd39ee",
    "one_proxy": "1a40a023b5ce3a1ce268b67dc6952e298678b68507da999e68123e3348fe0dc1",
}

_DATA_SETS = {
    "nas_bench_201": ("cifar10", "cifar100", "imagenet16"),
    "nas_bench_macro": ("cifar10",),
}

# Data set -> side of its images, classes.
IMAGES = {"cifar10": (32, 10), "cifar100": (32, 100), "imagenet16": (16, 120)}

# (table, data set) -> prefix of costs -> (folder, array) with them, one row per architecture.
_COSTS = {
    # HELP's nets take 32x32 images; ImageNet16-120 has 16x16.
    ("nas_bench_201", "cifar10"): {
        "hw_nas_bench": ("hw_nas_bench", "cifar10"),
        "help": ("help_latency", "latency"),
    },
    ("nas_bench_201", "cifar100"): {
        "hw_nas_bench": ("hw_nas_bench", "cifar100"),
        "help": ("help_latency", "latency"),
    },
    ("nas_bench_201", "imagenet16"): {"hw_nas_bench": ("hw_nas_bench", "imagenet16")},
}

# Name -> (folder, prefix of its arrays' names).
_NETWORKS = {
    "accel_nasbench": ("accel_nasbench", ""),
    "help_fbnet": ("help_latency", "fbnet_"),
    "help_ofa": ("help_latency", "ofa_"),
    "one_proxy": ("one_proxy", ""),
}


class Table(NamedTuple):
    """Every architecture of a benchmark, one row each (host arrays)."""

    name: str
    data_set: str
    ops: np.ndarray  # [N, L] int8, operation of each slot: 0..K-1 in the benchmark's own order
    search_accuracy: np.ndarray  # [N] float32 in [0, 1], the accuracy that a search sees
    reported_accuracy: np.ndarray  # [N] float32 in [0, 1], for reports only; NaN: missing
    params: np.ndarray  # [N] int32, of the net with 10 classes, whatever the data set
    # [N] int32, multiply-adds for one 32x32 image, 10 classes, as published (there called FLOPs).
    # `spaces` count twice as many FLOPs.
    macs: np.ndarray
    costs: np.ndarray  # [N, S] float32, columns as `cost_names`; +inf: the device cannot run it
    cost_names: tuple[str, ...]  # the unit ends the name: "hw_nas_bench/edgegpu_latency_ms"


class Networks(NamedTuple):
    """Measured networks of a space, one row each (host arrays)."""

    name: str
    op_names: tuple[str, ...]  # the space's operations
    architectures: np.ndarray  # [N, L, 1] int32, as `SlotSpace` has them: from 1
    columns: dict[str, np.ndarray]  # [N] float32 or int32, the unit ends the name; NaN: missing


def data_sets(name: str) -> tuple[str, ...]:
    """The data sets of a table, "nas_bench_201" or "nas_bench_macro", else a UserError."""
    if name not in _DATA_SETS:
        raise UserError(unknown(f"table config.space.name={name!r}", name, list(_DATA_SETS)))
    return _DATA_SETS[name]


def cost_names(name: str, data_set: str) -> tuple[str, ...]:
    """The names of the costs that `load_table` can load.

    They are device costs (none for NAS-Bench-Macro) and "network/params_m" and "network/macs_m",
    the benchmark's counts in millions (see `Table`). Raises as `load_table`.
    """
    return tuple(_cost_columns(name, data_set))


def load_table(name: str, data_set: str, costs: Sequence[str] = ()) -> Table:
    """Loads a published table.

    NAS-Bench-201 (Dong and Yang, 2020), rows in official index order: a search sees validation
    accuracies, and test accuracies are reported; both after 200 epochs, means over trained seeds.
    NAS-Bench-Macro (Su et al., 2021) has only the test accuracies of three trainings: a search sees
    the first, and the mean of the other two is reported.

    Args:
        data_set: one of `data_sets(name)`; costs: any of `cost_names(name, data_set)`.

    Raises:
        UserError: a name is unknown, or a file is missing, damaged or of another version.
    """
    available = _cost_columns(name, data_set)
    for cost in costs:
        if cost not in available:
            what = f"cost config.evaluator.costs={cost!r} of {name} on {data_set}"
            raise UserError(unknown(what, cost, list(available) or ["(none)"]))
    table = _read(name)
    if name == "nas_bench_macro":
        percent = table["accuracy"]
        search, reported = percent[:, 0], percent[:, 1:].mean(1)
    else:
        search = table[f"search_accuracy_{data_set}"]
        reported = table[f"reported_accuracy_{data_set}"]
    columns = np.array([available[cost] for cost in costs], np.float32)
    rows = columns.reshape(len(costs), len(search)).T
    return Table(
        name=name,
        data_set=data_set,
        ops=table["ops"],
        search_accuracy=search / 100,
        reported_accuracy=reported / 100,
        params=table["params"],
        macs=table["macs"],
        costs=np.where(np.isnan(rows), np.float32(np.inf), rows),
        cost_names=tuple(costs),
    )


def load_networks(name: str) -> Networks:
    """Loads measured networks.

    Args:
        name: "accel_nasbench", networks of `spaces.mnasnet` on ImageNet (Ahmad et al., 2024);
            "help_fbnet", of `spaces.fbnet.OF_SMALL_IMAGES`, and "help_ofa", of
            `spaces.ofa_mobilenet_v3` (Lee et al., 2021); "one_proxy", 1,999 cells of
            `spaces.nas_bench_201` (Lu et al., 2021).

    Raises:
        UserError: the name is unknown, or a file is missing, damaged or of another version.
    """
    if name not in _NETWORKS:
        raise UserError(unknown(f"networks {name!r}", name, list(_NETWORKS)))
    folder, prefix = _NETWORKS[name]
    table = _read(folder)
    columns: dict[str, np.ndarray] = {}
    for kind in ("", "whole_"):
        if f"{prefix}{kind}columns" in table:
            names = table[f"{prefix}{kind}columns"].tolist()
            columns |= dict(zip(names, table[f"{prefix}{kind}values"].T, strict=True))
    return Networks(
        name=name,
        op_names=tuple(table[f"{prefix}op_names"].tolist()),
        architectures=table[f"{prefix}ops"].astype(np.int32)[..., None] + 1,
        columns=columns,
    )


def _cost_columns(name: str, data_set: str) -> dict[str, np.ndarray]:
    """Every cost of a table by name, [N]; NaN where a device cannot run a network."""
    known = data_sets(name)
    if data_set not in known:
        what = f"data set config.evaluator.data_set={data_set!r} of {name}"
        raise UserError(unknown(what, data_set, list(known)))
    columns: dict[str, np.ndarray] = {}
    for prefix, (folder, array) in _COSTS.get((name, data_set), {}).items():
        table = _read(folder)
        names = [f"{prefix}/{column}" for column in table["columns"]]
        columns |= dict(zip(names, table[array].T, strict=True))
    counted = _read(name)
    return columns | {f"network/{count}_m": counted[count] / 1e6 for count in ("params", "macs")}


def _read(folder: str) -> dict[str, np.ndarray]:
    path = _THIRD_PARTY / folder / "table.npz"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"table {str(path)!r} cannot be read: {error.strerror}; it comes with nasjax: "
            f"check it out or install nasjax again"
        ) from error
    # Checked before it is parsed: a file with the right digest needs no further checks.
    found = digest(content)
    if found != _SHA256[folder]:
        raise UserError(
            f"table {str(path)!r} is damaged or of another nasjax: sha256={found}, allowed: "
            f"{_SHA256[folder]}; check it out or install nasjax again"
        )
    table = files.read_npz(content)
    if table["version"] != VERSION:
        raise UserError(f"table {str(path)!r} has version={table['version']}; allowed: {VERSION}")
    return table
