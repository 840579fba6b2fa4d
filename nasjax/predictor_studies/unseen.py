"""Devices that a predictor was not fitted on: what is known of them before and after few samples.

A split names the devices that were measured, the known ones, and those that are new. Methods:

    macs             the order of the networks' multiply-adds: no predictor at all
    average          transfer where descriptions do not count: known devices weigh the same
    described_trees  one bag of boosted trees on architecture and description, all known devices
    transfer         `predictors/transfer.py`, its samples random ones, as those of the others
    chosen           the same, its samples chosen before any is measured
    alone            the known devices' method, fitted on the samples only
"""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from nasjax import registry
from nasjax.config import check, check_label, check_sections, parse_section, unknown
from nasjax.devices import descriptions, measurements
from nasjax.errors import UserError
from nasjax.predictor_studies import fits
from nasjax.predictor_studies.sources import SOURCES, Source, load, with_folder
from nasjax.predictors import scores, transfer
from nasjax.predictors.bag_of_boosted_trees import (
    BagOfBoostedTreesConfig,
    make_bag_of_boosted_trees,
)
from nasjax.predictors.predictor import Params, Prediction, Predictor
from nasjax.predictors.transfer import TransferConfig
from nasjax.runs.workdir import write_json

SECTIONS = ("unseen", "splits", "known", "transfer")
METHODS = ("macs", "average", "described_trees", "transfer", "chosen", "alone")
_LEVEL = 1e6  # floor of likeness at which descriptions do not count
_FEWEST_ALONE = 10  # samples
_CHOICE = 2_000  # networks that samples are chosen from


@dataclasses.dataclass(frozen=True)
class UnseenConfig:
    """Section `unseen`.

    Attributes:
      samples: numbers of networks measured on a new device.
      train: networks measured on every known device.
      seeds: each draws other networks.
      main: label of the split whose figures are summed up first.
    """

    main: str
    samples: tuple[int, ...] = (0, 10, 100)
    train: int = 900
    seeds: int = 5

    def __post_init__(self) -> None:
        good = bool(self.samples) and min(self.samples) >= 0
        check(good, "unseen.samples", self.samples, "one number or more, >= 0")
        for name in ("train", "seeds"):
            check(getattr(self, name) >= 1, f"unseen.{name}", getattr(self, name), ">= 1")


@dataclasses.dataclass(frozen=True)
class SplitConfig:
    """A split.

    Attributes:
      source: whose measurements, one of `SOURCES`.
      known, new: costs, e.g. "help/1080ti_1_ms".
      folder: of measurements of networks of the same space, whose devices are the new ones instead
        (see `launch/profile_device.py`); target: which of its costs.
      keep: numbers of samples of which a predictor of every new cost is kept for searches; of a
        folder, one of all that it holds is kept instead.
    """

    source: str
    known: tuple[str, ...]
    new: tuple[str, ...] = ()
    folder: str | None = None
    target: str = "latency_ms"
    keep: tuple[int, ...] = ()


class UnseenStudy(NamedTuple):
    """A checked config; `known` is the method of known devices, `resolved` the whole, plain."""

    unseen: UnseenConfig
    splits: dict[str, SplitConfig]
    known: Predictor
    transfer: TransferConfig
    resolved: dict[str, Any]


class Job(NamedTuple):
    """A split and seed that is still to be made."""

    label: str
    seed: int


def parse(config: Mapping[str, Any]) -> UnseenStudy:
    """Checks a study's config.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed.
    """
    check_sections(config, SECTIONS, "a study of unseen devices")
    unseen = parse_section(UnseenConfig, config["unseen"], "unseen")
    member = registry.parse_member("predictor", config["known"])
    splits = {}
    for label, section in config["splits"].items():
        check_label("splits", label)
        split = parse_section(SplitConfig, section, f"splits.{label}")
        _check_split(f"splits.{label}", split, unseen)
        splits[label] = split
    check(unseen.main in splits, "unseen.main", unseen.main, f"one of {', '.join(splits)}")
    believed = parse_section(TransferConfig, config["transfer"], "transfer")
    resolved = {
        "unseen": dataclasses.asdict(unseen),
        "splits": {label: _plain(split) for label, split in splits.items()},
        "known": {"name": member.name, **dataclasses.asdict(member.settings)},
        "transfer": dataclasses.asdict(believed),
    }
    predictor = member.entry.make(member.settings, None)
    return UnseenStudy(unseen, splits, predictor, believed, resolved)


def _plain(split: SplitConfig) -> dict[str, Any]:
    """Its settings, and which measurements its folder holds now."""
    if split.folder is None:
        return dataclasses.asdict(split)
    digest = measurements.digest(pathlib.Path(split.folder))
    return dataclasses.asdict(split) | {"sha256": digest}


def _check_split(path: str, split: SplitConfig, unseen: UnseenConfig) -> None:
    if split.source not in SOURCES:
        what = f"config.{path}.source={split.source!r}"
        raise UserError(unknown(what, split.source, list(SOURCES)))
    described = descriptions.published_settings()
    one_side = "one cost or more" if split.folder is None else "nothing: there is a folder"
    check(bool(split.new) == (split.folder is None), f"{path}.new", split.new, one_side)
    check(bool(split.known), f"{path}.known", split.known, "one cost or more")
    for side, costs in (("known", split.known), ("new", split.new)):
        for cost in costs:
            if cost not in described:
                raise UserError(unknown(f"config.{path}.{side}={cost!r}", cost, list(described)))
    both = sorted(set(split.known) & set(split.new))
    check(not both, f"{path}.new", both, "devices that are not among the known ones")
    alone = "nothing: there is a folder, of which all is kept"
    check(not split.keep or split.folder is None, f"{path}.keep", split.keep, alone)
    check(min(split.keep, default=0) >= 0, f"{path}.keep", split.keep, ">= 0 each")
    source, new = source_of(split)
    can_run = {cost: int(np.isfinite(values).sum()) for cost, values in source.costs.items()}
    most = min(can_run[cost] for cost in split.known) - 2 * max(unseen.samples) - 1
    check(unseen.train <= most, "unseen.train", unseen.train, f"at most {most} for {path}")
    for cost in new:
        most = can_run[cost] // 3
        allowed = f"at most {most}, a third of the networks that {cost} has"
        check(max(unseen.samples) <= most, "unseen.samples", unseen.samples, allowed)
        check(max(split.keep, default=0) <= most, f"{path}.keep", split.keep, allowed)


def source_of(split: SplitConfig) -> tuple[Source, tuple[str, ...]]:
    """A split's networks, and the costs on new devices."""
    source = load(split.source, (*split.known, *split.new))
    if split.folder is None:
        return source, split.new
    return with_folder(source, pathlib.Path(split.folder), split.target)


def missing(directory: pathlib.Path, study: UnseenStudy) -> list[Job]:
    """What is not there yet, seed by seed."""
    return [
        Job(label, seed)
        for seed in range(study.unseen.seeds)
        for label in study.splits
        if not _path(directory, Job(label, seed)).exists()
    ]


def _path(directory: pathlib.Path, job: Job) -> pathlib.Path:
    return directory / fits.FITS / f"{job.label}--{job.seed}.json"


def make(directory: pathlib.Path, study: UnseenStudy, job: Job) -> None:
    """Fits the known devices, predicts the new ones, keeps the scores of all methods."""
    split = study.splits[job.label]
    source, new = source_of(split)
    order = np.random.default_rng(job.seed).permutation(len(source.features))
    known = fit_known(study, split, source, order, job.seed)
    pooled = fit_pooled(known) if 0 in study.unseen.samples else None
    rows = []
    for cost in new:
        values = source.costs[cost]
        can_run = to_measure(known, order, cost)
        random, pool = can_run[: max(study.unseen.samples)], can_run[:_CHOICE]
        most = len(random)
        chosen = pool[transfer.choose(study.transfer, known.prepared, known.design[pool], most)]
        test = np.setdiff1d(can_run, np.concatenate([random, chosen]))
        for count in study.unseen.samples:
            samples = random[:count], chosen[:count]
            for method, found in predicted(study, known, pooled, cost, samples, test).items():
                row = {"split": job.label, "seed": job.seed, "new": cost, "samples": count}
                rows.append(row | {"method": method, **_scored(values[test], found)})
    path = _path(directory, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {"rows": rows})


def _scored(values: np.ndarray, found: Prediction) -> dict[str, float]:
    """Scores of the order; of the values too, where they have a unit and a spread."""
    predicted, spread = (np.asarray(leaf, np.float64) for leaf in found)
    scored = scores.all_scores(values.astype(np.float64), predicted)
    if not spread.any():
        return {name: scored[name] for name in ("spearman", "kendall")}
    kept = ("spearman", "kendall", "mape", "within_10")
    return {name: scored[name] for name in kept} | scores.calibration(values, predicted, spread)


class Known(NamedTuple):
    """The known devices of a split, fitted once for all new ones.

    Attributes:
      seen: [M] rows of the source that they were fitted on.
      prepared: see `transfer.prepare`; design: [N, D], of all networks.
    """

    seed: int
    source: Source
    split: SplitConfig
    seen: np.ndarray
    prepared: Params
    design: np.ndarray


def fit_known(
    study: UnseenStudy, split: SplitConfig, source: Source, order: np.ndarray, seed: int
) -> Known:
    """Fits the known devices, on the first networks of an order [N] that were measured on any."""
    measured = np.any([np.isfinite(source.costs[cost][order]) for cost in split.known], axis=0)
    seen = order[measured][: study.unseen.train]
    params = []
    for cost in split.known:
        rows, values = _measured(source, cost, seen)
        params.append(study.known.fit(seed, source.features[rows], values))
    # What a single edge holds says little after few samples; sums over the network do.
    varies = np.ptp(source.features[seen], axis=0) > 0
    sums = ["=" not in name for name in source.names]
    columns = np.flatnonzero(varies & np.array(sums))
    macs = source.names.index("macs")
    prepared = transfer.prepare(study.known, params, source.features[seen], columns, macs)
    design = fits.compiled(transfer.design, study.known)(prepared, jnp.asarray(source.features))
    return Known(seed, source, split, seen, prepared, np.asarray(design))


def to_measure(known: Known, order: np.ndarray, cost: str) -> np.ndarray:
    """Rows of an order [N], in it, that the new device can run and no known one was fitted on."""
    rest = order[~np.isin(order, known.seen)]
    return rest[np.isfinite(known.source.costs[cost][rest])]


def _measured(source: Source, cost: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of these rows those that have the cost, and the costs."""
    rows = rows[np.isfinite(source.costs[cost][rows])]
    return rows, source.costs[cost][rows].astype(np.float64)


def fit_pooled(known: Known) -> Params:
    """One fit to all known devices: log costs, each device's of mean 0 and deviation 1."""
    inputs, targets = [], []
    for cost in known.split.known:
        rows, values = _measured(known.source, cost, known.seen)
        logs = np.log(values)
        inputs.append(_described(known.source.features[rows], known.source.contexts[cost]))
        targets.append((logs - logs.mean()) / max(logs.std(), 1e-6))
    return _pooled().fit(known.seed, np.concatenate(inputs), np.concatenate(targets))


def _described(features: np.ndarray, context: np.ndarray) -> np.ndarray:
    return np.concatenate([features, np.tile(context, (len(features), 1))], axis=1)


@functools.cache
def _pooled() -> Predictor:
    """Boosted trees on architecture and description; they are of no unit, so "trees" alone."""
    return make_bag_of_boosted_trees(BagOfBoostedTreesConfig(members=5, form="trees"))


def fit_transfer(known: Known, cost: str, rows: np.ndarray, config: TransferConfig) -> Params:
    """What these rows [n], measured on a new device, say of it."""
    source = known.source
    contexts = np.stack([source.contexts[one] for one in known.split.known])
    weights = transfer.likeness(contexts, source.contexts[cost], config)
    return transfer.fit(
        config, known.prepared, weights, known.design[rows], source.costs[cost][rows]
    )


def predicted(
    study: UnseenStudy,
    known: Known,
    pooled: Params | None,
    cost: str,
    samples: tuple[np.ndarray, np.ndarray],
    test: np.ndarray,
) -> dict[str, Prediction]:
    """Costs of the tested networks on a new device, by method.

    Args:
      pooled: see `fit_pooled`, for where there are no samples.
      samples: [n] rows that were measured on it: random ones, chosen ones; test: [N] others.
    """
    drawn, chosen = samples
    source, nothing = known.source, jnp.zeros(len(test))
    features, values = source.features, source.costs[cost]
    found = {"macs": Prediction(jnp.asarray(source.macs[test]), nothing)}
    everyone = dataclasses.replace(study.transfer, floor=_LEVEL)
    ways = [("average", everyone, drawn), ("transfer", study.transfer, drawn)]
    if len(chosen):
        ways.append(("chosen", study.transfer, chosen))
    for method, settings, rows in ways:
        params = fit_transfer(known, cost, rows, settings)
        found[method] = fits.compiled(transfer.predict_from_design)(params, known.design[test])
    if not len(drawn):
        described = jnp.asarray(_described(features[test], source.contexts[cost]))
        scaled = fits.compiled(_pooled().predict)(pooled, described).value
        found["described_trees"] = Prediction(scaled, nothing)
    elif len(drawn) >= _FEWEST_ALONE:
        alone = study.known.fit(known.seed, features[drawn], values[drawn])
        found["alone"] = fits.compiled(study.known.predict)(alone, jnp.asarray(features[test]))
    return found
