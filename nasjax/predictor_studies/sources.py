"""Measured networks that experiments fit predictors to: their features and costs."""

import functools
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax import registry
from nasjax.config import unknown
from nasjax.data.tables import cost_names, load_networks, load_table
from nasjax.devices import descriptions, measurements
from nasjax.devices.measurements import Measurements
from nasjax.errors import UserError
from nasjax.evaluation.evaluation import Tables
from nasjax.predictors.features import features_of
from nasjax.spaces.slots import SlotSpace


class Published(NamedTuple):
    """The space of published measurements, and what a search in it can read."""

    space: SlotSpace
    tables: Tables | None  # of results, where there are any
    is_searched: bool  # whether a search can evaluate the networks

    @property
    def data_set(self) -> str | None:
        """The data set of the first table."""
        return self.tables.data_sets[0] if self.tables else None

    @property
    def has_accuracies(self) -> bool:
        """Whether surrogates can be fitted to the measurements, for want of a table."""
        return self.is_searched and self.tables is None


def _published() -> dict[str, Published]:
    """All sources by name: tables by their space, and measured networks by their own name."""
    found: dict[str, Published] = {}
    for name, entry in registry.SPACES.items():
        tabled = (name,) if entry.tables and _is_measured(entry.tables) else ()
        if tabled or entry.measured_networks:
            space = entry.make(entry.settings(), None)
            source = Published(space, entry.tables, entry.evaluator is not None)
            found |= dict.fromkeys((*tabled, *entry.measured_networks), source)
    return found


def _is_measured(tables: Tables) -> bool:
    """Whether a cost of the first table was measured on a described device."""
    described = descriptions.published_settings()
    return any(cost in described for cost in tables.cost_names(tables.data_sets[0]))


SOURCES = _published()


class Measured(NamedTuple):
    """N networks of a space and their costs on one device."""

    features: np.ndarray  # [N, F] float32, of the space
    costs: np.ndarray  # [N, targets] float32, infinite: the device cannot run it; NaN: not measured


class Source(NamedTuple):
    """N networks of a space and their costs on described devices."""

    features: np.ndarray  # [N, F] float32
    names: tuple[str, ...]  # [F]
    costs: dict[str, np.ndarray]  # [N] float32 each, infinite: the device cannot run it, or unknown
    contexts: dict[str, np.ndarray]  # [C] float32 each: the device, how it was used, and the task

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
    architectures, columns = _read_networks(name, costs)
    for cost in costs:
        if cost not in columns:
            raise UserError(unknown(f"cost {cost!r} of {name}", cost, list(columns)))
    task = {"image_size": space.image_size, "classes": space.num_classes}
    described, settings = descriptions.published(), descriptions.published_settings()
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


def _read_networks(name: str, costs: Sequence[str]) -> _Networks:
    """The networks of a source with all their columns, and with those of these costs in a table."""
    if name in registry.SPACES:
        return _read_table(name, costs)
    networks = load_networks(name)
    columns = {f"{name}/{column}": values for column, values in networks.columns.items()}
    space_name = next(
        key for key, entry in registry.SPACES.items() if name in entry.measured_networks
    )
    if SOURCES[name].tables is not None:
        everything, tabled = _read_table(space_name, costs)
        index = jax.vmap(SOURCES[name].space.index)
        places = np.argsort(index(jnp.asarray(everything)))[
            index(jnp.asarray(networks.architectures))
        ]
        columns |= {cost: column[places] for cost, column in tabled.items()}
    return networks.architectures, columns


def _read_table(name: str, costs: Sequence[str]) -> _Networks:
    """All architectures of a space with tables, in the order of its first table."""
    data_set = SOURCES[name].data_set or ""
    there = cost_names(name, data_set)
    table = load_table(name, data_set, [cost for cost in there if cost in costs])
    columns = dict(zip(table.cost_names, table.costs.T, strict=True))
    return table.ops.astype(np.int32)[..., None] + 1, columns


def with_folder(
    source: Source, folder: pathlib.Path, target: str
) -> tuple[Source, tuple[str, ...]]:
    """Adds the networks of a folder of measurements to a source, in rows of their own.

    Returns:
      The source with these rows, and the names of the folder's costs, one for each setting in
      which the target was measured.
    """
    context = next(iter(source.contexts.values()))  # the task stands last and is the same in all
    values = context[-len(descriptions.TASK) :].tolist()
    task = {name: int(value) for name, value in zip(descriptions.TASK, values, strict=True)}
    found = measurements.read(folder, **task).select(target)
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
      targets: quantities that were measured, the unit at the end, e.g. "latency_ms".

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
    features, costs = _select_features(folder, read, space.feature_names)[measured], costs[measured]
    wanted = features_of(space, space.from_features(features), data_set)
    if not np.allclose(features, wanted, rtol=1e-5):
        raise UserError(
            f"{folder / measurements.NETWORKS} has networks that are none of this space for "
            f"images of {data_set}: their features differ; see --image_size and --classes of "
            "`nasjax profile`"
        )
    return Measured(features, costs)


def _select_features(folder: pathlib.Path, found: Measurements, names: Sequence[str]) -> np.ndarray:
    """[N, names] float32: the features of these names."""
    for name in names:
        if name not in found.feature_names:
            raise UserError(f"{folder / measurements.NETWORKS} lacks the feature {name!r}")
    return found.features[:, [found.feature_names.index(name) for name in names]]
