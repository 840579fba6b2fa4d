"""Keeps predictors of new devices for searches: of all that a folder of measurements holds."""

import pathlib

import numpy as np

from nasjax.members import TRANSFER
from nasjax.predictors import saved
from nasjax.predictors.saved import Saved
from nasjax.runs.workdir import versions
from nasjax.studies.predictors.further import SAVED
from nasjax.studies.predictors.unseen import UnseenStudy, fit_known, fit_transfer, source_of

# Sources of cells: the data set of the tables that a search with the predictor may read.
_OF_CELLS = {"nas_bench_201": "cifar10", "one_proxy": "cifar10"}


def keep(directory: pathlib.Path, study: UnseenStudy) -> dict[str, str]:
    """Writes a predictor for each cost of a split with a folder, where there is none yet.

    Returns:
      Where they are, by cost.

    Raises:
      UserError: it cannot be written.
    """
    kept: dict[str, str] = {}
    for split in study.splits.values():
        if split.folder is None:
            continue
        source, new = source_of(split)
        paths = {cost: directory / SAVED / cost.replace("/", "--") for cost in new}
        kept |= {cost: str(path) for cost, path in paths.items()}
        if all((path / saved.PAGE).exists() for path in paths.values()):
            continue
        order = np.random.default_rng(0).permutation(len(source.features))
        known = fit_known(study, split, source, order, seed=0)
        for cost, path in paths.items():
            rows = np.flatnonzero(np.isfinite(source.costs[cost]))
            facts = {
                "data_set": _OF_CELLS.get(split.source),
                "cost": cost,
                "measured": len(rows),
                "known": list(split.known),
                **versions(),
            }
            params = fit_transfer(known, cost, rows, study.transfer)
            settings = study.resolved["known"]
            saved.save(path, Saved(TRANSFER, settings, split.target, source.names, params, facts))
    return kept
