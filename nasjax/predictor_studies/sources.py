"""Measured networks that experiments fit predictors to: their features and costs."""

import functools
import pathlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.config import unknown
from nasjax.data.tables import cost_names, load_networks, load_table
from nasjax.devices import descriptions, measurements
from nasjax.devices.measurements import Measurements
from nasjax.errors import UserError
from nasjax.predictors.features import features_of
from nasjax.spaces.fbnet import OF_SMALL_IMAGES
from nasjax.spaces.mnasnet import MnasNet
from nasjax.spaces.nas_bench_201 import NasBench201
from nasjax.spaces.ofa_mobilenet_v3 import OfaMobileNetV3
from nasjax.spaces.slots import SlotSpace


class Published(NamedTuple):
    """Where published measurements come from.

    Attributes:
      space: the space of the networks.
      data_set: of the table that a search in this space reads; None: there is no table.
      has_accuracies: whether surrogates can be fitted to them.
    """

    space: SlotSpace
    data_set: str | None = None
    has_accuracies: bool = False


# The only place of this package that names spaces beside `comparison.config.CELLS`.
SOURCES: dict[str, Published] = {
    "nas_bench_201": Published(NasBench201(), data_set="cifar10"),
    "one_proxy": Published(NasBench201(), data_set="cifar10"),
    "help_fbnet": Published(OF_SMALL_IMAGES),
    "help_ofa": Published(OfaMobileNetV3()),
    "accel_nasbench": Published(MnasNet(), has_accuracies=True),
}


class Measured(NamedTuple):
    """N networks of a space and their costs on one device.

    Attributes:
      features: [N, F] float32, of the space.
      costs: [N, targets] float32, infinite where the device cannot run a network, NaN where it was
        not measured.
    """

    features: np.ndarray
    costs: np.ndarray


class Source(NamedTuple):
    """N networks of a space and their costs on described devices.

    Attributes:
      features: [N, F] float32; names: [F].
      costs: [N] float32 each, infinite where the device cannot run a network or was not asked.
      contexts: [C] float32 each, the device, how it was used and the task, of the same costs.
    """

    features: np.ndarray
    names: tuple[str, ...]
    costs: dict[str, np.ndarray]
    contexts: dict[str, np.ndarray]

    @property
    def macs(self) -> np.ndarray:
        """[N] float64, multiply-adds per image."""
        return self.features[:, self.names.index("macs")].astype(np.float64)


@functools.lru_cache(maxsize=8)
def load(name: str, costs: tuple[str, ...]) -> Source:
    """Reads the networks of one of `SOURCES`, with these costs.

    Raises:
      UserError: the source is unknown, or has no such cost.
    """
    if name not in SOURCES:
        raise UserError(unknown(f"source {name!r}", name, list(SOURCES)))
    space = SOURCES[name].space
    architectures, columns = _READERS.get(name, _read_networks)(name, costs)
    for cost in costs:
        if cost not in columns:
            raise UserError(unknown(f"cost {cost!r} of {name}", cost, list(columns)))
    task = {"image_size": space.image_size, "classes": space.num_classes}
    described, settings = descriptions.published(), descriptions.columns()
    return Source(
        features_of(space, architectures),
        space.feature_names,
        {cost: np.where(np.isnan(columns[cost]), np.inf, columns[cost]) for cost in costs},
        {
            cost: descriptions.context(described[settings[cost].device], settings[cost], **task)
            for cost in costs
        },
    )


# Architectures [N, L, 1] and columns [N] by name.
_Networks = tuple[np.ndarray, dict[str, np.ndarray]]


def _read_cells(name: str, costs: Sequence[str]) -> _Networks:
    """All cells of NAS-Bench-201, on CIFAR-10."""
    there = cost_names("nas_bench_201", "cifar10")
    table = load_table("nas_bench_201", "cifar10", [cost for cost in there if cost in costs])
    columns = dict(zip(table.cost_names, table.costs.T, strict=True))
    return table.ops.astype(np.int32)[..., None] + 1, columns


def _read_one_proxy(name: str, costs: Sequence[str]) -> _Networks:
    """The 1,999 cells that OneProxy has, with the costs that other tables have of them."""
    architectures, measured = _read_networks(name, costs)
    cells, columns = _read_cells(name, costs)
    index = jax.vmap(SOURCES[name].space.index)
    places = np.argsort(index(jnp.asarray(cells)))[index(jnp.asarray(architectures))]
    return architectures, measured | {name: column[places] for name, column in columns.items()}


def _read_networks(name: str, costs: Sequence[str]) -> _Networks:
    """Some networks of a space, all their columns."""
    networks = load_networks(name)
    columns = {f"{name}/{column}": values for column, values in networks.columns.items()}
    return networks.architectures, columns


_READERS: dict[str, Callable[[str, Sequence[str]], _Networks]] = {
    "nas_bench_201": _read_cells,
    "one_proxy": _read_one_proxy,
}


def with_folder(
    source: Source, folder: pathlib.Path, target: str
) -> tuple[Source, tuple[str, ...]]:
    """Adds the networks of a folder of measurements to a source, in rows of their own.

    Returns:
      The source with these rows, and the names of the folder's costs, one for each setting in
      which the target was measured.

    Raises:
      UserError: the folder is missing or damaged, has no such target, or lacks a feature.
    """
    context = next(iter(source.contexts.values()))  # the task stands last and is the same in all
    values = context[-len(descriptions.TASK) :].tolist()
    task = {name: int(value) for name, value in zip(descriptions.TASK, values, strict=True)}
    found = measurements.read(folder, **task).of_target(target)
    features = _select_features(folder, found, source.names)
    before, added = len(source.features), len(features)
    costs = {
        cost: np.concatenate([column, np.full(added, np.inf, np.float32)])
        for cost, column in source.costs.items()
    }
    contexts, new = dict(source.contexts), []
    for place, setting in enumerate(found.settings):
        rows = found.setting == place
        if not rows.any():
            continue
        new.append(f"{setting.device}/batch_{setting.batch}_threads_{setting.threads}_{target}")
        costs[new[-1]] = np.full(before + added, np.inf, np.float32)
        costs[new[-1]][before + found.network[rows]] = found.values[rows]
        contexts[new[-1]] = found.contexts[place]
    features = np.concatenate([source.features, features])
    return Source(features, source.names, costs, contexts), tuple(new)


def read_folder(
    folder: pathlib.Path, space: SlotSpace, data_set: str, targets: Sequence[str]
) -> Measured:
    """Reads the networks of a folder of measurements, all of one space, on one device.

    Networks without a measurement of any target are left out.

    Args:
      data_set: of a table; the networks are for its images and classes.
      targets: what was measured, the unit at the end, e.g. "latency_ms".

    Raises:
      UserError: the folder is missing or damaged, has no such target or several settings of one;
        its networks are not of this space and data set.
    """
    read = measurements.read(folder)
    costs = np.full((len(read.networks), len(targets)), np.nan, np.float32)
    for column, target in enumerate(targets):
        found = read.of_target(target)
        if (count := len(np.unique(found.setting))) > 1:
            raise UserError(
                f"{folder} has target={target!r} in {count} settings (device, batch, threads, "
                "precision); it must be one"
            )
        costs[found.network, column] = found.values
    measured = ~np.isnan(costs).all(1)
    features, costs = _select_features(folder, read, space.feature_names)[measured], costs[measured]
    wanted = features_of(space, space.of_features(features), data_set)
    if not np.allclose(features, wanted, rtol=1e-5):
        raise UserError(
            f"{folder / measurements.NETWORKS} has networks that are none of this space for "
            f"images of {data_set}: their features differ; see --image_size and --classes of "
            "launch.profile_device"
        )
    return Measured(features, costs)


def _select_features(folder: pathlib.Path, found: Measurements, names: Sequence[str]) -> np.ndarray:
    """[N, names] float32: the features of these names."""
    for name in names:
        if name not in found.feature_names:
            raise UserError(f"{folder / measurements.NETWORKS} lacks the feature {name!r}")
    return found.features[:, [found.feature_names.index(name) for name in names]]
