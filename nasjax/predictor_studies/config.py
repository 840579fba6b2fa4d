"""Parses a config into the experiment on predictors that it describes."""

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from nasjax.errors import UserError
from nasjax.predictor_studies.comparison.experiment import parse_comparison
from nasjax.predictor_studies.described_devices import parse_described_devices
from nasjax.predictor_studies.experiment import Experiment
from nasjax.predictor_studies.surrogates import parse_surrogates
from nasjax.predictor_studies.unseen_devices.experiment import parse_unseen_devices

# By the section that no other experiment has.
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
    return _parse(read_config(directory))


def read_config(directory: pathlib.Path) -> dict[str, Any]:
    """The config that a directory was made with, as a user writes it; see `read`."""
    path = directory / "config.json"
    try:
        return dict(json.loads(path.read_text(encoding="utf-8"), object_hook=_without_digest))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"cannot read {path}: {error}") from error


def _without_digest(section: dict[str, Any]) -> dict[str, Any]:
    # `Experiment.resolved` adds digests of folders of measurements, which may be gone.
    return {key: value for key, value in section.items() if key != "sha256"}


def _parse(config: Mapping[str, Any]) -> Experiment:
    section = next((name for name in EXPERIMENTS if name in config), "comparison")
    return EXPERIMENTS[section](config)
