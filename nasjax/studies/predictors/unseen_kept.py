"""Keeps predictors of new devices for searches: of all that a folder of measurements holds."""

import pathlib

import numpy as np

from nasjax.members import TRANSFER
from nasjax.predictors import saved
from nasjax.predictors.saved import Saved
from nasjax.runs.workdir import versions
from nasjax.studies.predictors.further import SAVED
from nasjax.studies.predictors.sources import DATA_SETS
from nasjax.studies.predictors.unseen import UnseenStudy, fit_known, fit_transfer, source_of


def keep(directory: pathlib.Path, study: UnseenStudy) -> dict[str, str]:
    """Writes a predictor for each cost of a split with a folder; returns where they are, by cost.

    Raises:
      UserError: it cannot be written.
    """
    kept = {}
    for split in study.splits.values():
        if split.folder is None:
            continue
        source, new = source_of(split)
        order = np.random.default_rng(0).permutation(len(source.features))
        known, _ = fit_known(study, split, source, order, seed=0)
        for cost in new:
            rows = np.flatnonzero(np.isfinite(source.costs[cost]))
            facts = {
                "data_set": DATA_SETS[split.source],
                "cost": cost,
                "measured": len(rows),
                "known": list(split.known),
                **versions(),
            }
            path = directory / SAVED / cost.replace("/", "--")
            params = fit_transfer(known, cost, rows, study.transfer)
            settings = study.resolved["known"]
            saved.save(path, Saved(TRANSFER, settings, split.target, source.names, params, facts))
            kept[cost] = str(path)
    return kept
