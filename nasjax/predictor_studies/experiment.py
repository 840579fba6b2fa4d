"""What every experiment on predictors is, and which of them a config describes."""

import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from nasjax.errors import UserError
from nasjax.predictor_studies.comparison.experiment import parse_comparison
from nasjax.predictor_studies.described_devices import parse_described_devices
from nasjax.predictor_studies.jobs import Job
from nasjax.predictor_studies.surrogates import parse_surrogates
from nasjax.predictor_studies.unseen_devices.experiment import parse_unseen_devices
from nasjax.reports.render import Picture


class Experiment(Protocol):
    """A study of predictors: jobs that leave files in a directory, and an analysis of the files.

    Measurements are read by `check_measurements`, by `resolved` and by jobs only, so that a report
    can be written where they are not.
    """

    @property
    def template(self) -> str:
        """The template of its report, without the suffix."""

    @property
    def resolved(self) -> dict[str, Any]:
        """The whole config, every default filled in and measurements named by their digest."""

    def check_measurements(self) -> None:
        """Reads the measurements; raises a UserError unless they are as the config says."""

    def jobs(self, directory: pathlib.Path) -> list[Job]:
        """The jobs that are not done yet, in the order in which to run them."""

    def analyse(self, directory: pathlib.Path) -> dict[str, Any]:
        """Plain data: what the files that are there say. Nothing is fitted.

        Raises:
          UserError: nothing is there yet, or a file is damaged.
        """

    def pictures(self, directory: pathlib.Path, found: Mapping[str, Any]) -> Sequence[Picture]:
        """Pictures of the report on what `analyse` found."""


# By the section that only this experiment has.
EXPERIMENTS: dict[str, Callable[[Mapping[str, Any]], Experiment]] = {
    "comparison": parse_comparison,
    "unseen": parse_unseen_devices,
    "described": parse_described_devices,
    "surrogates": parse_surrogates,
}


def parse(config: Mapping[str, Any]) -> Experiment:
    """Checks a config and the measurements that it names.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed; measurements are
        missing, damaged or too few.
    """
    experiment = _parse(config)
    experiment.check_measurements()
    return experiment


def read(directory: pathlib.Path) -> Experiment:
    """The experiment that a directory holds, whether or not its measurements are still there.

    Raises:
      UserError: its config is missing, damaged or not of an experiment on predictors.
    """
    return _parse(_without_digests(read_config(directory)))


def read_config(directory: pathlib.Path) -> dict[str, Any]:
    """The config that a directory was made with, as `Experiment.resolved`.

    Raises:
      UserError: it is missing or damaged.
    """
    path = directory / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}") from error
    return config if isinstance(config, dict) else {}


def _parse(config: Mapping[str, Any]) -> Experiment:
    section = next((name for name in EXPERIMENTS if name in config), "comparison")
    return EXPERIMENTS[section](config)


def _without_digests(config: dict[str, Any]) -> dict[str, Any]:
    """The config as a user writes it: digests of measurements are added when it is resolved."""
    return {
        key: _without_digests(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if key != "sha256"
    }
