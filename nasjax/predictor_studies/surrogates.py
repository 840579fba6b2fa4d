"""Surrogates of a space too large for a table: predictors of accuracy and of devices' costs.

They are fitted to measured networks of the space. These fall into two halves that have no network
in common: what a search sees is fitted on the one, what is reported of its answer on the other, and
each is tested on the half that it has not seen. A cost is fitted on most networks, tested on the
others.
"""

import dataclasses
import pathlib
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from nasjax.config import check, check_sections, parse_section, unknown
from nasjax.data.tables import load_networks
from nasjax.errors import UserError
from nasjax.evaluation.surrogate import SAMPLED, drawn_from
from nasjax.predictor_studies import fits
from nasjax.predictor_studies.config import parse_predictors
from nasjax.predictor_studies.further import SAVED
from nasjax.predictors import saved, scores
from nasjax.predictors.features import features_of
from nasjax.predictors.predictor import Predictor
from nasjax.predictors.saved import Saved
from nasjax.runs.workdir import versions, write_json
from nasjax.spaces.mnasnet import MnasNet
from nasjax.spaces.slots import SlotSpace

SECTIONS = ("surrogates", "predictors")
SEARCH, REPORTED = "search", "reported"
_PERCENT, _THROUGHPUT = "_percent", "_images_per_s"
_SPACES: dict[str, SlotSpace] = {"accel_nasbench": MnasNet()}
_BEST = 0.1  # of the tested networks: those that a search looks for


@dataclasses.dataclass(frozen=True)
class SurrogatesConfig:
    """Section `surrogates`.

    Attributes:
      networks: whose measurements, see `data.tables.load_networks`.
      data_set: what their accuracies are of, for searches to ask for.
      accuracies: columns in per cent, two surrogates each, which predict from 0 to 1.
      costs: columns, one surrogate each; images per second become ms per image.
      held_out: part of the networks that those of costs are tested on.
      seed: of the halves and of what is held out.
      save: label of the predictor that is kept for searches.
    """

    networks: str
    data_set: str
    accuracies: tuple[str, ...]
    costs: tuple[str, ...]
    save: str
    held_out: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        if self.networks not in _SPACES:
            what = f"config.surrogates.networks={self.networks!r}"
            raise UserError(unknown(what, self.networks, list(_SPACES)))
        check(0 < self.held_out < 1, "surrogates.held_out", self.held_out, "above 0, below 1")
        percent = all(name.endswith(_PERCENT) for name in self.accuracies)
        check(percent, "surrogates.accuracies", self.accuracies, f"columns that end in {_PERCENT}")
        check(self.seed >= 0, "surrogates.seed", self.seed, ">= 0")


class Target(NamedTuple):
    """What a surrogate predicts.

    Attributes:
      name: of its folder; column: that it was measured as.
      values: [N] float64, in the name's unit, accuracies from 0 to 1; NaN: missing.
      train, test: rows, no network is in both.
    """

    name: str
    column: str
    values: np.ndarray
    train: np.ndarray
    test: np.ndarray


class SurrogateStudy(NamedTuple):
    """A checked config and what was measured; `resolved` is the whole, plain data."""

    surrogates: SurrogatesConfig
    space: SlotSpace
    features: np.ndarray  # [N, F] float32
    targets: dict[str, Target]
    predictors: dict[str, Predictor]
    settings: dict[str, dict[str, Any]]
    resolved: dict[str, Any]


class Job(NamedTuple):
    """A fit that is still to be made."""

    label: str
    target: str


def parse(config: Mapping[str, Any]) -> SurrogateStudy:
    """Checks a study's config and reads the measurements.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed.
    """
    check_sections(config, SECTIONS, "a study of surrogates")
    surrogates = parse_section(SurrogatesConfig, config["surrogates"], "surrogates")
    space = _SPACES[surrogates.networks]
    predictors, settings = parse_predictors(config["predictors"], space)
    known = f"one of {', '.join(predictors)}"
    check(surrogates.save in predictors, "surrogates.save", surrogates.save, known)
    networks = load_networks(surrogates.networks)
    for key in ("accuracies", "costs"):
        for column in getattr(surrogates, key):
            if column not in networks.columns:
                what = f"config.surrogates.{key}={column!r}"
                raise UserError(unknown(what, column, list(networks.columns)))
    resolved = {"surrogates": dataclasses.asdict(surrogates), "predictors": settings}
    return SurrogateStudy(
        surrogates,
        space,
        features_of(space, networks.architectures),
        {target.name: target for target in _targets(surrogates, networks)},
        predictors,
        settings,
        resolved,
    )


def _targets(config: SurrogatesConfig, networks: Any) -> list[Target]:
    # What was measured twice is one network.
    codes = networks.architectures[:, :, 0]
    _, network = np.unique(codes, axis=0, return_inverse=True)
    order = np.random.default_rng(config.seed).permutation(network.max() + 1)[network.reshape(-1)]
    part = order / len(np.unique(order))
    first, held_out = np.flatnonzero(part < 0.5), part < config.held_out
    second = np.flatnonzero(part >= 0.5)
    targets = []
    for column in config.accuracies:
        values = networks.columns[column].astype(np.float64) / 100
        name = column.removesuffix(_PERCENT)
        targets.append(Target(f"{name}_{SEARCH}", column, values, first, second))
        targets.append(Target(f"{name}_{REPORTED}", column, values, second, first))
    for column in config.costs:
        values = networks.columns[column].astype(np.float64)
        name = column
        if column.endswith(_THROUGHPUT):
            name, values = f"{column.removesuffix(_THROUGHPUT)}_ms_per_image", 1000 / values
        there = np.isfinite(values)
        rows = np.flatnonzero(there & ~held_out), np.flatnonzero(there & held_out)
        targets.append(Target(name, column, values, *rows))
    return targets


def missing(directory: pathlib.Path, study: SurrogateStudy) -> list[Job]:
    """What is not there yet; what is kept first."""
    first = study.surrogates.save
    labels = sorted(study.predictors, key=lambda label: label != first)
    jobs = [Job(label, target) for label in labels for target in study.targets]
    return [job for job in jobs if not _path(directory, job).exists()]


def _path(directory: pathlib.Path, job: Job) -> pathlib.Path:
    return directory / fits.FITS / f"{job.label}--{job.target}.json"


def make(directory: pathlib.Path, study: SurrogateStudy, job: Job) -> None:
    """Makes a fit and keeps its scores; the predictor too, if its method is the one to be kept."""
    config, target, seed = study.surrogates, study.targets[job.target], study.surrogates.seed
    predictor = study.predictors[job.label]
    start = time.perf_counter()
    params = predictor.fit(seed, study.features[target.train], target.values[target.train])
    fit_seconds = time.perf_counter() - start
    tested = jnp.asarray(study.features[target.test])
    found = np.asarray(fits.compiled(predictor.predict)(params, tested).value, np.float64)
    scored: dict[str, float] = {"fitted": len(target.train), "tested": len(target.test)}
    scored |= _scores(target.values[target.test], found, is_cost=target.column in config.costs)
    if job.label == config.save:
        settings = {key: value for key, value in study.settings[job.label].items() if key != "name"}
        facts = {"data_set": config.data_set, "networks": config.networks, "column": target.column}
        saved.save(
            directory / SAVED / target.name,
            Saved(
                *(study.settings[job.label]["name"], settings, target.name),
                *(study.space.feature_names, params, {**facts, **scored, **versions()}),
            ),
        )
    path = _path(directory, job)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, {**job._asdict(), **scored, "fit_seconds": fit_seconds})


def _scores(values: np.ndarray, found: np.ndarray, *, is_cost: bool) -> dict[str, float]:
    """`scores.all_scores`; mae: mean absolute error; kendall_best: in the best tenth predicted."""
    every = scores.all_scores(values, found)
    kept = {name: every[name] for name in ("r2", "kendall", "spearman", "rmse", "mape")}
    order = np.argsort(found if is_cost else -found)[: max(2, round(_BEST * len(found)))]
    best = scores.all_scores(values[order], found[order])["kendall"]
    return kept | {"mae": float(np.abs(found - values).mean()), "kendall_best": best}


def page(directory: pathlib.Path, study: SurrogateStudy) -> dict[str, Any]:
    """`surrogates` {target: {label: scores}}, the kept one first, and `saved` {target: path}.

    `agreement` {accuracy: {kendall, mae}} of both its surrogates on a random sample of the space.

    Raises:
      UserError: nothing is there yet, or a file is damaged.
    """
    rows = {Job(row["label"], row["target"]): row for row in fits.read(directory)}
    if not rows:
        raise UserError(f"{directory} holds no finished fit yet")
    labels = sorted(study.predictors, key=lambda label: label != study.surrogates.save)
    found: dict[str, Any] = {}
    for target in study.targets:
        of = {label: rows[Job(label, target)] for label in labels if Job(label, target) in rows}
        for label, row in of.items():
            numbers = {key: value for key, value in row.items() if key not in Job._fields}
            found.setdefault(target, {})[label] = {
                key: round(value, 6) if isinstance(value, float) else value
                for key, value in numbers.items()
            }
    paths = {name: directory / SAVED / name for name in study.targets}
    kept = {name: str(path) for name, path in paths.items() if (path / saved.HEADER).exists()}
    return {"surrogates": found, "saved": kept, "agreement": _agreement(study, kept)}


def _agreement(study: SurrogateStudy, kept: dict[str, str]) -> dict[str, dict[str, float]]:
    sample = jnp.asarray(features_of(study.space, drawn_from(study.space)))
    predict = fits.compiled(study.predictors[study.surrogates.save].predict)
    found = {}
    for column in study.surrogates.accuracies:
        name = column.removesuffix(_PERCENT)
        both = [f"{name}_{SEARCH}", f"{name}_{REPORTED}"]
        if not all(one in kept for one in both):
            continue
        read = (saved.load(pathlib.Path(kept[one])).params for one in both)
        search, reported = (np.asarray(predict(params, sample).value, float) for params in read)
        found[name] = {
            "kendall": round(scores.all_scores(reported, search)["kendall"], 6),
            "mae": round(float(np.abs(reported - search).mean()), 6),
        }
    return found


def markdown(page: dict[str, Any]) -> str:
    """The report as text."""
    lines = [
        "# Surrogates",
        "",
        "Errors on networks that a surrogate was not fitted on, in its unit; accuracies from 0 to "
        "1. Those that a search sees and those that are reported are fitted on halves without a "
        f"network in common. Best tenth: within the {100 * _BEST:g} % of the tested networks that "
        "are predicted best.",
        "",
        "| target | predictor | fitted | tested | R2 | Kendall's tau | in the best tenth "
        "| mean absolute error | relative | fit s |",
        "|" + " --- |" * 10,
    ]
    for target, of in page["surrogates"].items():
        for label, row in of.items():
            lines.append(
                f"| {target} | {label} | {row['fitted']} | {row['tested']} | {row['r2']:.4f} "
                f"| {row['kendall']:.3f} | {row['kendall_best']:.3f} | {row['mae']:.4g} "
                f"| {100 * row['mape']:.2g} % | {row['fit_seconds']:.2g} |"
            )
    for name, row in page["agreement"].items():
        lines += [
            "",
            f"{name}, what a search sees and what is reported, on {SAMPLED} random networks of the "
            f"space: Kendall's tau {row['kendall']:.3f}, mean absolute difference {row['mae']:.4f}",
        ]
    return "\n".join([*lines, ""])
