"""The comparison as an experiment: its jobs, and the figures of its report."""

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from nasjax import files, registry
from nasjax.config import check, check_sections, parse_section
from nasjax.devices import measurements
from nasjax.predictor_studies import experiment, methods
from nasjax.predictor_studies.comparison import analysis, executability, fits, timing
from nasjax.predictor_studies.comparison.config import CELLS, ComparisonConfig
from nasjax.predictor_studies.experiment import FITS, Experiment, Job, json_job
from nasjax.predictor_studies.methods import Method
from nasjax.predictor_studies.sources import Measured
from nasjax.predictors import saved
from nasjax.predictors.saved import Saved
from nasjax.reports.render import Picture
from nasjax.spaces.slots import SlotSpace


@dataclasses.dataclass(frozen=True)
class Comparison(Experiment):
    """Several methods, fitted to the same splits of a table or of a folder of measurements."""

    template: ClassVar[str] = "predictors_comparison"
    config: ComparisonConfig
    space: SlotSpace  # of the measured architectures
    methods: dict[str, Method]  # section `predictors`, by label

    @functools.cached_property
    def measured(self) -> Measured:
        """Features and costs of all architectures, read when they are first needed."""
        return fits.read_measured(self.config, self.space)

    @property
    def resolved(self) -> dict[str, Any]:
        section = dataclasses.asdict(self.config)
        if self.config.folder is not None:
            section["sha256"] = measurements.digest(pathlib.Path(self.config.folder))
        return {"comparison": section, "predictors": methods.resolved(self.methods)}

    def check_measurements(self) -> None:
        train, fewest = self.config.train, int(np.isfinite(self.measured.costs).sum(0).min())
        allowed = f"below {fewest}, the networks that were measured and can run, for all of costs"
        check(train < fewest, "comparison.train", train, allowed)
        if self.config.executability is not None:
            executability.load_costs(self.config)

    def all_jobs(self) -> list[Job]:
        """All methods of a split before the next split, so that any part of them compares."""
        config = self.config
        table = itertools.product(range(config.seeds), [config.train], config.costs, self.methods)
        curve = itertools.product(
            range(config.curve_seeds), config.curve, config.costs, config.curve_of
        )
        jobs = [
            json_job(
                f"{FITS}/{label}--{cost.replace('/', '--')}--{train}--{seed}.json",
                functools.partial(self._fit, label, cost, seed, train),
            )
            for seed, train, cost, label in dict.fromkeys((*table, *curve))
        ]
        if config.executability is not None:
            jobs.append(json_job("executability.json", self._measure_executability))
        if config.in_jit is not None:
            jobs.append(json_job("in_jit.json", self._time))
        for cost in config.costs if config.save is not None else ():
            header = experiment.saved_header(_saved_name(cost))
            jobs.append(Job(f"saved {cost}", (header,), functools.partial(self._save, cost)))
        return jobs

    def _fit(
        self, label: str, cost: str, seed: int, train: int, directory: pathlib.Path
    ) -> dict[str, Any]:
        costs = self.measured.costs[:, self.config.costs.index(cost)]
        predictor = self.methods[label].predictor
        scores, predictions = fits.fit(predictor, self.measured.features, costs, train, seed)
        if seed == 0 and train == self.config.train:
            files.write_npz(analysis.predictions_path(directory, label, cost), predictions)
        return {"label": label, "cost": cost, "seed": seed, "train": train, **scores}

    def _measure_executability(self, directory: pathlib.Path) -> dict[str, Any]:
        return executability.measure(self.config, self.measured.features)

    def _time(self, directory: pathlib.Path) -> dict[str, Any]:
        predictor = self.methods[self.config.in_jit or ""].predictor
        return timing.measure(self.config, predictor, self.measured)

    def _save(self, cost: str, directory: pathlib.Path) -> None:
        config, method = self.config, self.methods[self.config.save or ""]
        costs = self.measured.costs[:, config.costs.index(cost)].astype(np.float64)
        params, facts = executability.fit_piecewise(
            method.predictor, self.measured.features, costs, config.save_train
        )
        facts = {"data_set": config.data_set, "cost": cost, **facts}
        name, names = _saved_name(cost), self.space.feature_names
        predictor = Saved(method.name, method.settings, name, names, params, facts)
        experiment.save(directory, name, predictor)

    def analyse(self, directory: pathlib.Path) -> dict[str, Any]:
        """See `analysis.analyse`; and what the other jobs found.

        `executability`, `in_jit`: see these modules. `saved` {cost: {path, r2, balanced_accuracy}},
        scores on architectures that the saved predictor was not fitted on.
        """
        found = analysis.analyse(experiment.read_fits(directory), self.config)
        for name in ("executability", "in_jit"):
            if measurement := experiment.read_measurement(directory, name):
                found[name] = measurement
        if self.config.save is not None:
            paths = experiment.saved_paths(directory)
            found["saved"] = {
                cost: {"path": path, **_saved_scores(path)}
                for cost in self.config.costs
                if (path := paths.get(_saved_name(cost)))
            }
        return found

    def pictures(self, directory: pathlib.Path, found: Mapping[str, Any]) -> list[Picture]:
        """Predicted against measured costs, one a method, and the learning curves."""
        return analysis.pictures(directory, self.config.costs, found)


def parse_comparison(config: Mapping[str, Any]) -> Comparison:
    """Checks a config; a UserError says which section, key, name or value is not allowed."""
    check_sections(config, ("comparison", "predictors"), "a study of predictors")
    section = parse_section(ComparisonConfig, config["comparison"], "comparison")
    labels = config["predictors"]
    allowed = f"among {', '.join(labels)}"
    for key, label in (("in_jit", section.in_jit), ("save", section.save)):
        good = label is None or label in labels
        check(good, f"comparison.{key}", label, f"None or {allowed}")
    unknown = [label for label in section.curve_of if label not in labels]
    check(not unknown, "comparison.curve_of", unknown, allowed)
    space = registry.slot_space(section.space or CELLS)
    return Comparison(section, space, methods.parse_methods(labels, space))


def _saved_name(cost: str) -> str:
    return cost.rpartition("/")[2]


def _saved_scores(path: str) -> dict[str, float]:
    facts = saved.load(pathlib.Path(path)).facts
    return {name: value for name, value in facts.items() if name in ("r2", "balanced_accuracy")}
