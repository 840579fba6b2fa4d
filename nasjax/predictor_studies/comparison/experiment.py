"""The comparison as an experiment: its jobs, and what its report is written from."""

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from nasjax import files, registry
from nasjax.config import check_sections, parse_section
from nasjax.devices import measurements
from nasjax.predictor_studies import jobs, methods
from nasjax.predictor_studies.comparison import analysis, executability, fits, timing
from nasjax.predictor_studies.comparison.config import CELLS, ComparisonConfig
from nasjax.predictor_studies.comparison.fits import Fit, Measured
from nasjax.predictor_studies.jobs import Job
from nasjax.predictor_studies.methods import Method
from nasjax.predictors import saved
from nasjax.predictors.saved import Saved
from nasjax.reports.render import Picture
from nasjax.spaces.slots import SlotSpace


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Several methods, fitted to the same splits of a table or of a folder of measurements.

    Attributes:
      config: section `comparison`.
      space: the space of the measured architectures.
      methods: section `predictors`, by label.
    """

    template: ClassVar[str] = "predictors_comparison"
    config: ComparisonConfig
    space: SlotSpace
    methods: dict[str, Method]

    @functools.cached_property
    def measured(self) -> Measured:
        """Features and costs of all architectures, read when they are first needed."""
        return fits.read_measured(self.config, self.space)

    @property
    def resolved(self) -> dict[str, Any]:
        """The whole config; measured anew, a folder makes another experiment."""
        section = dataclasses.asdict(self.config)
        if self.config.folder is not None:
            section["sha256"] = measurements.digest(pathlib.Path(self.config.folder))
        return {"comparison": section, "predictors": methods.resolved(self.methods)}

    def check_measurements(self) -> None:
        """Raises a UserError if they are missing, of other networks, or too few to fit on."""
        fits.check_measured(self.config, self.measured)

    def jobs(self, directory: pathlib.Path) -> list[Job]:
        """All methods of a split before the next split, so that any part of them compares."""
        config = self.config
        wanted = [jobs.fit_job(fit.name, functools.partial(self._fit, fit)) for fit in self._fits()]
        if config.executability is not None:
            wanted.append(jobs.measurement_job("executability", self._executability))
        if config.in_jit is not None:
            wanted.append(jobs.measurement_job("in_jit", self._in_jit))
        if config.save is not None:
            wanted += [
                jobs.save_job(_saved_name(cost), functools.partial(self._save, cost))
                for cost in config.costs
            ]
        return jobs.missing(directory, wanted)

    def _fits(self) -> list[Fit]:
        config = self.config
        table = [
            Fit(label, cost, seed, config.train)
            for seed in range(config.seeds)
            for cost in config.costs
            for label in self.methods
        ]
        curve = [
            Fit(label, cost, seed, train)
            for seed in range(config.curve_seeds)
            for train in config.curve
            for cost in config.costs
            for label in config.curve_of
        ]
        return list(dict.fromkeys([*table, *curve]))

    def _fit(self, fit: Fit, directory: pathlib.Path) -> dict[str, Any]:
        costs = self.measured.costs[:, self.config.costs.index(fit.cost)]
        predictor = self.methods[fit.label].predictor
        scores, predictions = fits.fit(fit, predictor, self.measured.features, costs)
        if fit.seed == 0 and fit.train == self.config.train:
            path = analysis.predictions_path(directory, fit.label, fit.cost)
            files.write_npz(path, predictions)
        return scores

    def _executability(self) -> dict[str, float]:
        return executability.measure(self.config, self.measured.features)

    def _in_jit(self) -> dict[str, float]:
        predictor = self.methods[self.config.in_jit or ""].predictor
        return timing.measure(self.config, predictor, self.measured)

    def _save(self, cost: str) -> Saved:
        config, method = self.config, self.methods[self.config.save or ""]
        params, facts = executability.fit_piecewise(
            method.predictor,
            self.measured.features,
            self.measured.costs[:, config.costs.index(cost)].astype(np.float64),
            config.save_train,
        )
        facts = {"data_set": config.data_set, "cost": cost, **facts}
        names = self.measured.feature_names
        return Saved(method.name, method.settings, _saved_name(cost), names, params, facts)

    def analyse(self, directory: pathlib.Path) -> dict[str, Any]:
        """The comparison's figures, see `analysis.analyse`, and those of the other jobs.

        `executability` and `in_jit` as these found them; `saved` {cost: {path, r2,
        balanced_accuracy}}, on architectures that a saved predictor was not fitted on.

        Raises:
          UserError: nothing is there yet, or a file is damaged.
        """
        found = analysis.analyse(jobs.read_fits(directory), self.config)
        for name in ("executability", "in_jit"):
            if measurement := jobs.read_measurement(directory, name):
                found[name] = measurement
        if self.config.save is not None:
            paths = jobs.saved_paths(directory)
            found["saved"] = {
                cost: _saved_facts(paths[_saved_name(cost)])
                for cost in self.config.costs
                if _saved_name(cost) in paths
            }
        return found

    def pictures(self, directory: pathlib.Path, found: Mapping[str, Any]) -> list[Picture]:
        """Predicted against measured costs, one a method, and the learning curves."""
        return analysis.pictures(directory, self.config.costs, found)


def parse_comparison(config: Mapping[str, Any]) -> Comparison:
    """Checks a config.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed.
    """
    check_sections(config, ("comparison", "predictors"), "a study of predictors")
    section = parse_section(ComparisonConfig, config["comparison"], "comparison")
    section.check_labels(list(config["predictors"]))
    space = registry.TABLE_SPACES[section.space or CELLS]()
    return Comparison(section, space, methods.parse_methods(config["predictors"], space))


def _saved_name(cost: str) -> str:
    return cost.rpartition("/")[2]


def _saved_facts(path: pathlib.Path) -> dict[str, Any]:
    facts = saved.load(path).facts
    scores = {name: value for name, value in facts.items() if name in ("r2", "balanced_accuracy")}
    return {"path": str(path), **scores}
