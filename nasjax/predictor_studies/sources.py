"""Measured networks that studies of predictors are about: their features and what they cost."""

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


class Source(NamedTuple):
    """N networks of a space.

    Attributes:
      features: [N, F] float32; names: [F].
      macs: [N] float64, multiply-adds per image.
      costs: of those asked for, [N] float32, infinite where the device cannot run a network or was
        not asked.
      contexts: of the same, [C] float32, the described device, how it was used, and for what.
    """

    features: np.ndarray
    names: tuple[str, ...]
    macs: np.ndarray
    costs: dict[str, np.ndarray]
    contexts: dict[str, np.ndarray]


@functools.lru_cache(maxsize=8)
def load(name: str, costs: tuple[str, ...]) -> Source:
    """The networks of one of `SOURCES`.

    Raises:
      UserError: the source is unknown, or has no such cost.
    """
    if name not in _READERS:
        raise UserError(unknown(f"source {name!r}", name, list(SOURCES)))
    space, architectures, columns = _READERS[name](costs)
    for cost in costs:
        if cost not in columns:
            raise UserError(unknown(f"cost {cost!r} of {name}", cost, list(columns)))
    features = features_of(space, architectures)
    task = {"image_size": space.image_size, "classes": space.num_classes}
    described, settings = descriptions.published(), descriptions.published_settings()
    return Source(
        features,
        space.feature_names,
        features[:, space.feature_names.index("macs")].astype(np.float64),
        {cost: np.where(np.isnan(columns[cost]), np.inf, columns[cost]) for cost in costs},
        {
            cost: descriptions.context(described[settings[cost].device], settings[cost], **task)
            for cost in costs
        },
    )


def with_folder(
    source: Source, folder: pathlib.Path, target: str
) -> tuple[Source, tuple[str, ...]]:
    """The source and, in rows of their own, the networks of a folder of measurements.

    Returns:
      It, and the names of the folder's costs, one for each setting.

    Raises:
      UserError: the folder is missing or damaged, has no such target, or lacks a feature.
    """
    of_task = next(iter(source.contexts.values()))[-len(descriptions.TASK) :].tolist()
    task = {name: int(value) for name, value in zip(descriptions.TASK, of_task, strict=True)}
    found = measurements.read(folder, **task).select(target)
    features = _in_order(folder, found, source.names)
    many, more = len(source.features), len(features)
    costs = {
        cost: np.concatenate([values, np.full(more, np.inf, np.float32)])
        for cost, values in source.costs.items()
    }
    contexts, new = dict(source.contexts), []
    for place, setting in enumerate(found.settings):
        rows = found.setting == place
        if not rows.any():
            continue
        new.append(f"{setting.device}/batch_{setting.batch}_threads_{setting.threads}_{target}")
        costs[new[-1]] = np.full(many + more, np.inf, np.float32)
        costs[new[-1]][many + found.network[rows]] = found.values[rows]
        contexts[new[-1]] = found.contexts[place]
    features = np.concatenate([source.features, features])
    macs = features[:, source.names.index("macs")].astype(np.float64)
    return Source(features, source.names, macs, costs, contexts), tuple(new)


def of_folder(
    folder: pathlib.Path, space: SlotSpace, data_set: str, targets: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The networks of a folder of measurements, all of one space, on one device.

    Args:
      data_set: of the tables, whose images and classes the networks are for.
      targets: with their unit at the end, e.g. "latency_ms".

    Returns:
      features: [N, F] float32, of the space, of those that any of the targets was measured of.
      costs: [N, targets] float32, in the unit that ends a target's name; infinite where the device
        cannot run a network, NaN where it was not measured.

    Raises:
      UserError: the folder is missing or damaged, has no such target or several settings of one;
        its networks are not of this space and data set.
    """
    read = measurements.read(folder)
    costs = np.full((len(read.networks), len(targets)), np.nan, np.float32)
    for column, target in enumerate(targets):
        found = read.select(target)
        if (count := len(np.unique(found.setting))) > 1:
            raise UserError(
                f"{folder} has target={target!r} in {count} settings (device, batch, threads, "
                "precision); it must be one"
            )
        costs[found.network, column] = found.values
    measured = ~np.isnan(costs).all(1)
    features, costs = _in_order(folder, read, space.feature_names)[measured], costs[measured]
    wanted = features_of(space, space.from_features(features), data_set)
    if not np.allclose(features, wanted, rtol=1e-5):
        raise UserError(
            f"{folder / measurements.NETWORKS} has networks that are none of this space for "
            f"images of {data_set}: their features differ; see --image_size and --classes of "
            "launch.profile_device"
        )
    return features, costs


def _in_order(folder: pathlib.Path, found: Measurements, names: Sequence[str]) -> np.ndarray:
    """[N, names] float32: the features of these names."""
    for name in names:
        if name not in found.feature_names:
            raise UserError(f"{folder / measurements.NETWORKS} lacks the feature {name!r}")
    return found.features[:, [found.feature_names.index(name) for name in names]]


_Networks = tuple[SlotSpace, np.ndarray, dict[str, np.ndarray]]


def _nas_bench_201(costs: Sequence[str]) -> _Networks:
    """All cells, on CIFAR-10."""
    known = cost_names("nas_bench_201", "cifar10")
    table = load_table("nas_bench_201", "cifar10", [cost for cost in known if cost in costs])
    columns = dict(zip(table.cost_names, table.costs.T, strict=True))
    return NasBench201(), table.ops.astype(np.int32)[..., None] + 1, columns


def _one_proxy(costs: Sequence[str]) -> _Networks:
    """The 1,999 cells that OneProxy has, with what the other tables know of them."""
    networks, space = load_networks("one_proxy"), NasBench201()
    _, every, columns = _nas_bench_201(costs)
    index = jax.vmap(space.index)
    places = np.argsort(index(jnp.asarray(every)))[index(jnp.asarray(networks.architectures))]
    of_cells = {name: column[places] for name, column in columns.items()}
    named = {f"one_proxy/{name}": column for name, column in networks.columns.items()}
    return space, networks.architectures, named | of_cells


def _networks(name: str, space: SlotSpace, costs: Sequence[str]) -> _Networks:
    """Some networks of a space, all their columns."""
    networks = load_networks(name)
    columns = {f"{name}/{column}": values for column, values in networks.columns.items()}
    return space, networks.architectures, columns


_READERS: dict[str, Callable[[Sequence[str]], _Networks]] = {
    "nas_bench_201": _nas_bench_201,
    "one_proxy": _one_proxy,
    "help_fbnet": functools.partial(_networks, "help_fbnet", OF_SMALL_IMAGES),
    "help_ofa": functools.partial(_networks, "help_ofa", OfaMobileNetV3()),
    "accel_nasbench": functools.partial(_networks, "accel_nasbench", MnasNet()),
}
SOURCES = tuple(_READERS)
