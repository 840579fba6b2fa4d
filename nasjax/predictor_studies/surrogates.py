"""Surrogates of a space too large for a table: predictors of accuracy and of devices' costs.

They are fitted to measured networks of the space, which fall into two halves without a network in
common. The accuracy that a search sees is fitted on one half, the accuracy that is reported on the
other, and each is tested on the half that it has not seen. A cost is fitted on most networks and
tested on the others.
"""

import dataclasses
import functools
import pathlib
import time
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, NamedTuple

import jax.numpy as jnp
import numpy as np
from pydantic import Field

from nasjax.config import (
    NonNegativeInt,
    check,
    check_sections,
    parse_section,
    settings,
    unknown,
)
from nasjax.data.tables import Networks, load_networks
from nasjax.errors import UserError
from nasjax.evaluation.surrogate import drawn_from
from nasjax.predictor_studies import experiment, methods
from nasjax.predictor_studies.experiment import FITS, Experiment, Job, compiled, json_job
from nasjax.predictor_studies.methods import Method
from nasjax.predictor_studies.sources import SOURCES
from nasjax.predictors import saved, scores
from nasjax.predictors.features import features_of
from nasjax.predictors.saved import Saved
from nasjax.spaces.slots import SlotSpace

_PERCENT, _THROUGHPUT = "_percent", "_images_per_s"
_BEST = 0.1  # part of the tested networks: those that a search looks for


@settings("surrogates")
class SurrogatesConfig:
    """Section `surrogates` of a config."""

    networks: str  # the measurements, one of `sources.SOURCES` that has accuracies
    data_set: str  # the accuracies were measured on it; searches ask for it
    accuracies: tuple[str, ...]  # columns in per cent; two surrogates each, which predict 0 to 1
    costs: tuple[str, ...]  # columns; one surrogate each. Images per second become ms per image
    save: str  # label of the predictor that is saved for searches
    # Part of the networks that surrogates of costs are tested on.
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2
    seed: NonNegativeInt = 0  # decides on the halves and on the networks that are held out

    def __post_init__(self) -> None:
        known = [name for name, source in SOURCES.items() if source.has_accuracies]
        if self.networks not in known:
            what = f"config.surrogates.networks={self.networks!r}"
            raise UserError(unknown(what, self.networks, known))
        percent = all(name.endswith(_PERCENT) for name in self.accuracies)
        check(percent, "surrogates.accuracies", self.accuracies, f"columns that end in {_PERCENT}")


class Target(NamedTuple):
    """One quantity that a surrogate predicts; no network is in both `train` and `test`."""

    name: str  # of the surrogate's folder
    column: str  # of the measurements
    values: np.ndarray  # [N] float64, in the unit that ends the name, accuracies 0 to 1; or NaN
    train: np.ndarray  # rows that are fitted
    test: np.ndarray  # rows that are tested


@dataclasses.dataclass(frozen=True)
class Surrogates(Experiment):
    """An experiment that fits surrogates, compares methods and saves one of them."""

    template: ClassVar[str] = "predictors_surrogates"
    config: SurrogatesConfig
    space: SlotSpace  # of the networks
    methods: dict[str, Method]  # section `predictors`, by label

    @functools.cached_property
    def measured(self) -> Networks:
        """The networks, read when they are first needed."""
        return load_networks(self.config.networks)

    @functools.cached_property
    def features(self) -> np.ndarray:
        """[N, F] float32 of the measured networks."""
        return features_of(self.space, self.measured.architectures)

    @functools.cached_property
    def targets(self) -> dict[str, Target]:
        """The predicted quantities, by the names of their surrogates."""
        return {target.name: target for target in _make_targets(self.config, self.measured)}

    @property
    def resolved(self) -> dict[str, Any]:
        section = dataclasses.asdict(self.config)
        return {"surrogates": section, "predictors": methods.resolved(self.methods)}

    def check_measurements(self) -> None:
        columns = self.measured.columns
        for key in ("accuracies", "costs"):
            for column in getattr(self.config, key):
                if column not in columns:
                    what = f"config.surrogates.{key}={column!r}"
                    raise UserError(unknown(what, column, list(columns)))

    def all_jobs(self) -> list[Job]:
        """Fits, those of the saved method first; then the saved surrogates are compared."""
        fits = [
            json_job(
                f"{FITS}/{label}--{target}.json",
                functools.partial(self._fit, label, target),
                saves=[target] if label == self.config.save else [],
            )
            for label in self._labels()
            for target in self.target_names()
        ]
        return [*fits, json_job("agreement.json", self._agreement)]

    def target_names(self) -> list[str]:
        """Those of accuracies first."""
        names = [name for column in self.config.accuracies for name in accuracy_names(column)]
        return [*names, *map(cost_name, self.config.costs)]

    def _labels(self) -> list[str]:
        """The method that is saved stands first."""
        return sorted(self.methods, key=lambda label: label != self.config.save)

    def _fit(self, label: str, name: str, directory: pathlib.Path) -> dict[str, Any]:
        """Scores a fit; saves it too, if its method is the one to be saved."""
        config, target, method = self.config, self.targets[name], self.methods[label]
        start = time.perf_counter()
        params = method.predictor.fit(
            config.seed, self.features[target.train], target.values[target.train]
        )
        fit_seconds = time.perf_counter() - start
        tested = jnp.asarray(self.features[target.test])
        found = np.asarray(compiled(method.predictor.predict)(params, tested).value, np.float64)
        is_cost = target.column in config.costs
        scored: dict[str, Any] = {"fitted": len(target.train), "tested": len(target.test)}
        scored |= _scores(target.values[target.test], found, is_cost=is_cost)
        if label == config.save:
            facts = {"data_set": config.data_set, "networks": config.networks}
            facts |= {"column": target.column, **scored}
            names = self.space.feature_names
            predictor = Saved(method.name, method.settings, name, names, params, facts)
            experiment.save(directory, name, predictor)
        return {"label": label, "target": name, **scored, "fit_seconds": fit_seconds}

    def _agreement(self, directory: pathlib.Path) -> dict[str, dict[str, float]]:
        """{accuracy: {kendall, mae}} of its two surrogates, on a random sample of the space."""
        sample = jnp.asarray(features_of(self.space, drawn_from(self.space)))
        predict = compiled(self.methods[self.config.save].predictor.predict)
        paths = experiment.saved_paths(directory)
        found = {}
        for column in self.config.accuracies:
            both = (saved.load(pathlib.Path(paths[name])) for name in accuracy_names(column))
            search, reported = (
                np.asarray(predict(one.params, sample).value, float) for one in both
            )
            found[column.removesuffix(_PERCENT)] = {
                "kendall": round(scores.all_scores(reported, search)["kendall"], 6),
                "mae": round(float(np.abs(reported - search).mean()), 6),
            }
        return found

    def analyse(self, directory: pathlib.Path) -> dict[str, Any]:
        """`surrogates` {target: {label: scores}}, the method that is saved first.

        `saved` {target: path} of the surrogates for searches; `agreement` see `_agreement`.
        """
        rows = {(row["target"], row["label"]): row for row in experiment.read_fits(directory)}
        found: dict[str, Any] = {}
        for target in self.target_names():
            for label in self._labels():
                if row := rows.get((target, label)):
                    found.setdefault(target, {})[label] = {
                        key: round(value, 6) if isinstance(value, float) else value
                        for key, value in row.items()
                        if key not in ("label", "target")
                    }
        return {
            "surrogates": found,
            "saved": experiment.saved_paths(directory),
            "agreement": experiment.read_measurement(directory, "agreement"),
        }


def parse_surrogates(config: Mapping[str, Any]) -> Surrogates:
    """Checks a config; a UserError says which section, key, name or value is not allowed."""
    check_sections(config, ("surrogates", "predictors"), "a study of surrogates")
    section = parse_section(SurrogatesConfig, config["surrogates"], "surrogates")
    space = SOURCES[section.networks].space
    predictors = methods.parse_methods(config["predictors"], space)
    allowed = f"one of {', '.join(predictors)}"
    check(section.save in predictors, "surrogates.save", section.save, allowed)
    return Surrogates(section, space, predictors)


def _make_targets(config: SurrogatesConfig, networks: Networks) -> list[Target]:
    # A network that was measured twice has two rows; both fall on the same side.
    codes = networks.architectures[:, :, 0]
    _, network = np.unique(codes, axis=0, return_inverse=True)
    order = np.random.default_rng(config.seed).permutation(network.max() + 1)[network.reshape(-1)]
    place = order / len(np.unique(order))  # [N] in [0, 1)
    halves = np.flatnonzero(place < 0.5), np.flatnonzero(place >= 0.5)
    targets = []
    for column in config.accuracies:
        values = networks.columns[column].astype(np.float64) / 100
        for name, train, test in zip(accuracy_names(column), halves, halves[::-1], strict=True):
            targets.append(Target(name, column, values, train, test))
    for column in config.costs:
        values = networks.columns[column].astype(np.float64)
        values = 1000 / values if column.endswith(_THROUGHPUT) else values
        there, held_out = np.isfinite(values), place < config.held_out
        train, test = np.flatnonzero(there & ~held_out), np.flatnonzero(there & held_out)
        targets.append(Target(cost_name(column), column, values, train, test))
    return targets


def accuracy_names(column: str) -> tuple[str, str]:
    """Names of the surrogates of an accuracy: what a search sees, and what is reported."""
    name = column.removesuffix(_PERCENT)
    return f"{name}_search", f"{name}_reported"


def cost_name(column: str) -> str:
    """Name of the surrogate of a cost, its unit at the end; the lower, the better."""
    if column.endswith(_THROUGHPUT):
        return f"{column.removesuffix(_THROUGHPUT)}_ms_per_image"
    return column


def _scores(values: np.ndarray, found: np.ndarray, *, is_cost: bool) -> dict[str, float]:
    """`scores.all_scores`; mae: mean absolute error; kendall_best: in the best tenth predicted."""
    every = scores.all_scores(values, found)
    kept = {name: every[name] for name in ("r2", "kendall", "spearman", "rmse", "mape")}
    order = np.argsort(found if is_cost else -found)[: max(2, round(_BEST * len(found)))]
    best = scores.all_scores(values[order], found[order])["kendall"]
    return kept | {"mae": float(np.abs(found - values).mean()), "kendall_best": best}
