"""Keeps predictors of new devices for searches.

Of a folder of measurements one of all that it holds, `saved/COST`; of a split's `keep` those of so
many samples, `saved/SPLIT--COST--SAMPLES`, where COST is the last part of the cost's name.
"""

import pathlib

import numpy as np

from nasjax.predictor_studies.further import SAVED
from nasjax.predictor_studies.unseen import (
    Known,
    SplitConfig,
    UnseenStudy,
    fit_known,
    fit_transfer,
    source_of,
    to_measure,
)
from nasjax.predictors import saved
from nasjax.predictors.saved import Saved
from nasjax.registry import TRANSFER
from nasjax.runs.workdir import versions

# Sources of cells: the data set of the tables that a search with the predictor may read.
_OF_CELLS = {"nas_bench_201": "cifar10", "one_proxy": "cifar10"}
_SEED = 0  # of the order of networks: what known devices are fitted on, then the samples


def keep(directory: pathlib.Path, study: UnseenStudy) -> dict[str, str]:
    """Writes the predictors that are not there yet.

    Returns:
      Where they are, by name.

    Raises:
      UserError: one cannot be written.
    """
    kept: dict[str, str] = {}
    for label, split in study.splits.items():
        names = _names(label, split)
        paths = {name: directory / SAVED / name for name in names}
        kept |= {name: str(path) for name, path in paths.items()}
        if any(not (path / saved.HEADER).exists() for path in paths.values()):
            _fit(study, split, {paths[name]: wanted for name, wanted in names.items()})
    return kept


def _names(label: str, split: SplitConfig) -> dict[str, tuple[str, int | None]]:
    """(cost, samples) by the name of what is kept; None: all."""
    if split.folder is not None:
        return {cost.replace("/", "--"): (cost, None) for cost in source_of(split)[1]}
    wanted = [(cost, count) for cost in split.new for count in split.keep]
    return {f"{label}--{cost.rpartition('/')[2]}--{count}": (cost, count) for cost, count in wanted}


def _fit(
    study: UnseenStudy, split: SplitConfig, paths: dict[pathlib.Path, tuple[str, int | None]]
) -> None:
    source, _ = source_of(split)
    order = np.random.default_rng(_SEED).permutation(len(source.features))
    known = fit_known(study, split, source, order, seed=_SEED)
    for path, (cost, count) in paths.items():
        if count is None:
            rows = np.flatnonzero(np.isfinite(source.costs[cost]))
        else:
            rows = to_measure(known, order, cost)[:count]
        saved.save(path, _saved(known, study, cost, rows))


def _saved(known: Known, study: UnseenStudy, cost: str, rows: np.ndarray) -> Saved:
    split = known.split
    facts = {
        "data_set": _OF_CELLS.get(split.source),
        "cost": cost,
        "measured": len(rows),
        "known": list(split.known),
        **versions(),
    }
    params = fit_transfer(known, cost, rows, study.transfer)
    settings = study.resolved["known"]
    return Saved(TRANSFER, settings, split.target, known.source.names, params, facts)
