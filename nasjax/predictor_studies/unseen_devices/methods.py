"""Methods that order networks by their cost on a device that no predictor was fitted on.

macs             the networks' multiply-adds: no predictor at all
average          transfer where descriptions do not count: all known devices weigh the same
described_trees  one bag of boosted trees for all known devices, on architecture and description
transfer         `predictors/transfer.py`, after random samples of the new device
chosen           the same, after samples that were chosen before any was measured
alone            the known devices' method, fitted to the samples only
"""

import dataclasses
import functools
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from nasjax.predictor_studies.experiment import compiled
from nasjax.predictor_studies.sources import Source
from nasjax.predictors import transfer
from nasjax.predictors.bag_of_boosted_trees import (
    BagOfBoostedTreesConfig,
    make_bag_of_boosted_trees,
)
from nasjax.predictors.predictor import Params, Prediction, Predictor
from nasjax.predictors.transfer import TransferConfig

METHODS = ("macs", "average", "described_trees", "transfer", "chosen", "alone")
_EQUAL = 1e6  # floor of the likeness at which descriptions do not count
_FEWEST_ALONE = 10  # samples
_CHOICE = 2_000  # networks that samples are chosen from


class KnownDevices(NamedTuple):
    """The known devices of a split, fitted once for all new ones.

    Attributes:
      method, seed: each of them was fitted with.
      config: of the transfer to new devices.
      source: all N networks; costs: names of those on known devices.
      fitted: [M] rows of the source that they were fitted on.
      prepared: see `transfer.prepare`; design: [N, D], see `transfer.design`.
    """

    method: Predictor
    seed: int
    config: TransferConfig
    source: Source
    costs: tuple[str, ...]
    fitted: np.ndarray
    prepared: Params
    design: np.ndarray

    def measurable(self, order: np.ndarray, cost: str) -> np.ndarray:
        """Rows of an order [N] that the new device can run and no known one was fitted on."""
        rest = order[~np.isin(order, self.fitted)]
        return rest[np.isfinite(self.source.costs[cost][rest])]

    def choose(self, candidates: np.ndarray, count: int) -> np.ndarray:
        """[count] of the first candidate rows, those that tell most of a new device."""
        pool = candidates[:_CHOICE]
        return pool[transfer.choose(self.config, self.prepared, self.design[pool], count)]

    def transfer(self, config: TransferConfig, cost: str, rows: np.ndarray) -> Params:
        """Fits a new device, from its description and its costs in these rows [n]."""
        contexts, values = self.source.contexts, self.source.costs[cost][rows]
        known = np.stack([contexts[one] for one in self.costs])
        weights = transfer.likeness(known, contexts[cost], config)
        return transfer.fit(config, self.prepared, weights, self.design[rows], values)


def fit_known_devices(
    method: Predictor,
    seed: int,
    config: TransferConfig,
    source: Source,
    costs: tuple[str, ...],
    fitted: np.ndarray,
) -> KnownDevices:
    """Fits the costs on known devices to M rows of the source, where they are finite."""
    params = []
    for cost in costs:
        rows, values = _finite(source, cost, fitted)
        params.append(method.fit(seed, source.features[rows], values))
    # What a single edge holds says little after few samples; sums over the network do.
    varies = np.ptp(source.features[fitted], axis=0) > 0
    sums = ["=" not in name for name in source.names]
    columns = np.flatnonzero(varies & np.array(sums))
    macs = source.names.index("macs")
    prepared = transfer.prepare(method, params, source.features[fitted], columns, macs)
    design = compiled(transfer.design, method)(prepared, jnp.asarray(source.features))
    return KnownDevices(method, seed, config, source, costs, fitted, prepared, np.asarray(design))


def _finite(source: Source, cost: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Those of the rows whose cost is finite, and their costs."""
    rows = rows[np.isfinite(source.costs[cost][rows])]
    return rows, source.costs[cost][rows].astype(np.float64)


def fit_described_trees(known: KnownDevices) -> Params:
    """One fit to all known devices: log costs, each device's of mean 0 and deviation 1."""
    inputs, targets = [], []
    for cost in known.costs:
        rows, values = _finite(known.source, cost, known.fitted)
        logs = np.log(values)
        inputs.append(_described(known.source.features[rows], known.source.contexts[cost]))
        targets.append((logs - logs.mean()) / max(logs.std(), 1e-6))
    return _described_trees().fit(known.seed, np.concatenate(inputs), np.concatenate(targets))


def _described(features: np.ndarray, context: np.ndarray) -> np.ndarray:
    return np.concatenate([features, np.tile(context, (len(features), 1))], axis=1)


@functools.cache
def _described_trees() -> Predictor:
    # Scaled logarithms have no unit, so that sums and products of layers mean nothing: trees alone.
    return make_bag_of_boosted_trees(BagOfBoostedTreesConfig(members=5, form="trees"))


def predict(
    known: KnownDevices,
    described_trees: Params | None,
    cost: str,
    random: np.ndarray,
    chosen: np.ndarray,
    test: np.ndarray,
) -> dict[str, Prediction]:
    """{method: [T] costs on a new device}, of all methods that the samples allow.

    Args:
      described_trees: see `fit_described_trees`; read where there are no samples.
      random, chosen: [n] rows each, the samples; see `KnownDevices.choose`.
      test: [T] rows to predict.
    """
    features, values = known.source.features, known.source.costs[cost]
    no_spread = jnp.zeros(len(test))
    found = {"macs": Prediction(jnp.asarray(known.source.macs[test]), no_spread)}
    equal = dataclasses.replace(known.config, floor=_EQUAL)
    transfers = [("average", equal, random), ("transfer", known.config, random)]
    if len(chosen):
        transfers.append(("chosen", known.config, chosen))
    for method, config, rows in transfers:
        params = known.transfer(config, cost, rows)
        found[method] = compiled(transfer.predict_from_design)(params, known.design[test])
    if not len(random):
        inputs = jnp.asarray(_described(features[test], known.source.contexts[cost]))
        scaled = compiled(_described_trees().predict)(described_trees, inputs).value
        found["described_trees"] = Prediction(scaled, no_spread)
    elif len(random) >= _FEWEST_ALONE:
        alone = known.method.fit(known.seed, features[random], values[random])
        found["alone"] = compiled(known.method.predict)(alone, jnp.asarray(features[test]))
    return found
