"""Writes the report of an experiment on predictors, from the files of its jobs alone."""

import pathlib
import time

from nasjax import files
from nasjax.errors import UserError
from nasjax.predictor_studies.config import EXPERIMENTS, read, read_config
from nasjax.predictor_studies.experiment import SUMMARY, Experiment, read_if_there
from nasjax.reports import render


def is_one(directory: pathlib.Path) -> bool:
    """Whether a directory holds an experiment on predictors."""
    try:
        config = read_config(directory)
    except UserError:
        return False
    return any(section in config for section in EXPERIMENTS)


def write_again(directory: pathlib.Path) -> list[pathlib.Path]:
    """`write` for a directory with a config; fits nothing and needs no measurements."""
    return write(directory, read(directory))


def write(directory: pathlib.Path, experiment: Experiment) -> list[pathlib.Path]:
    """Writes predictors.json, report.md, report.html and the pictures; returns the files.

    Raises:
      UserError: nothing is there yet, a file is damaged or cannot be written.
    """
    found = experiment.analyse(directory)
    versions = read_if_there(directory / "versions.json")  # those that made the files
    written = {**versions, "written": time.strftime("%Y-%m-%d %H:%M")}
    pictures = experiment.pictures(directory, found)
    context = {
        "name": directory.resolve().name,
        "found": found,
        "about": {key: written[key] for key in ("commit", "written") if key in written},
        "pictures": {picture.name: picture for picture in pictures},
    }
    summary = files.write_json(directory / SUMMARY, written | found)
    return [summary, *render.write(directory, experiment.template, context, pictures)]
