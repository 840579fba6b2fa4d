"""Turns rounds into a folder of measurements, the form that `nasjax.devices.measurements` reads."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from nasjax.devices import measurements
from nasjax.profiling import rounds
from nasjax.profiling.config import PRECISION_BITS, ProfileConfig
from nasjax.profiling.programs import LATENCY, Program

MEMORY = ("arguments_mib", "outputs_mib", "temporary_mib")


def write(
    directory: pathlib.Path,
    config: ProfileConfig,
    description: Mapping[str, Any],
    programs: Sequence[Program],
) -> pd.DataFrame:
    """Writes the folder from the rounds that are there; returns the rows of measurements.csv.

    Networks have the targets `latency` (ms), `throughput` (images_per_s), `program_memory` (MiB:
    arguments, outputs and temporary arrays as XLA plans them) and, where it is measured, `energy`
    (mJ). Layers alone have `layer_latency` (ms). Columns beside `value`, the median over rounds:
    `spread`, half the distance of the quartiles; `repeats`, number of rounds; `calls`, timed calls
    in each round.
    """
    rows = tabulate(config, programs, rounds.read(directory), rounds.read_stats(directory))
    networks = pd.DataFrame([{"network": one.name, **one.features} for one in programs])
    measurements.write(directory, networks, {config.device: description}, rows)
    return rows


def tabulate(
    config: ProfileConfig,
    programs: Sequence[Program],
    visited: Sequence[Mapping[str, Any]],
    stats: Mapping[str, Mapping[str, float]],
) -> pd.DataFrame:
    """The rows of measurements.csv, see `write`.

    Args:
      visited: the rounds; stats: of compiling, by name of the program.
    """
    found: list[dict[str, Any]] = []
    for program in programs:
        visits = [one["latency"][program.target][program.name] for one in visited]
        calls = round(float(np.median([count for count, _ in visits])))
        latency = _median_and_spread([milliseconds for _, milliseconds in visits])
        row = {"network": program.name, "calls": calls}
        found.append({**row, "target": program.target, "unit": "ms", **latency})
        if program.target != LATENCY or not np.isfinite(latency["value"]):
            continue
        rates = [1e3 * config.batch / milliseconds for _, milliseconds in visits]
        throughput = {"target": "throughput", "unit": "images_per_s"}
        found.append({**row, **throughput, **_median_and_spread(rates)})
        planned = [stats[program.name][key] for key in MEMORY if key in stats[program.name]]
        if planned:
            memory = {"target": "program_memory", "unit": "MiB", "value": sum(planned)}
            found.append({"network": program.name, **memory})
        energies = [one["energy"][program.name] for one in visited if program.name in one["energy"]]
        if energies:
            energy = {"target": "energy", "unit": "mJ", **_median_and_spread(energies)}
            found.append({"network": program.name, **energy})
    setting = {
        "device": config.device,
        "batch": config.batch,
        "threads": config.threads,
        "precision_bits": PRECISION_BITS[config.precision],
    }
    columns = [*measurements.COLUMNS, "spread", "repeats", "calls"]
    rows = pd.DataFrame(found).assign(**setting).reindex(columns=columns)
    return rows.astype({"repeats": "Int64", "calls": "Int64", "threads": "Int64"})


def _median_and_spread(values: Sequence[float]) -> dict[str, float]:
    """Columns `value`, `spread` (none where the median is infinite) and `repeats`."""
    median = float(np.median(values))
    if not np.isfinite(median):
        return {"value": median, "repeats": len(values)}
    lower, upper = np.quantile(values, [0.25, 0.75])
    spread = float(upper - lower) / 2
    return {
        "value": float(f"{median:.6g}"),
        "spread": float(f"{spread:.3g}"),
        "repeats": len(values),
    }
