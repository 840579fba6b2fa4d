"""From rounds to a folder of measurements, as `predictors.measurements` describes it."""

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
    """Writes the folder from the rounds that are there; returns the rows of measurements.

    Targets: of networks `latency` ms, `throughput` images_per_s, `program_memory` MiB (arguments,
    outputs and temporary, as XLA plans it), `energy` mJ where the machine tells; of single layers
    `layer_latency` ms. Beside `value`, the median over rounds: `spread`, half the distance of
    their quartiles; `repeats`, rounds; `calls`, in a round, whose median counts.
    """
    rows = table(config, programs, rounds.read(directory), rounds.read_facts(directory))
    networks = pd.DataFrame([{"network": one.name, **one.features} for one in programs])
    measurements.write(directory, networks, {config.device: description}, rows)
    return rows


def table(
    config: ProfileConfig,
    programs: Sequence[Program],
    made: Sequence[Mapping[str, Any]],
    facts: Mapping[str, Mapping[str, float]],
) -> pd.DataFrame:
    """The rows of measurements, see `write`."""
    found: list[dict[str, Any]] = []
    for program in programs:
        visits = [one["latency"][program.target][program.name] for one in made]
        calls = round(float(np.median([count for count, _ in visits])))
        latency = _middle([milliseconds for _, milliseconds in visits])
        row = {"network": program.name, "calls": calls}
        found.append({**row, "target": program.target, "unit": "ms", **latency})
        if program.target != LATENCY or not np.isfinite(latency["value"]):
            continue
        rates = [1e3 * config.batch / milliseconds for _, milliseconds in visits]
        throughput = {"target": "throughput", "unit": "images_per_s"}
        found.append({**row, **throughput, **_middle(rates)})
        parts = [facts[program.name][part] for part in MEMORY if part in facts[program.name]]
        if parts:
            mebibytes = {"target": "program_memory", "unit": "MiB", "value": sum(parts)}
            found.append({"network": program.name, **mebibytes})
        energies = [one["energy"][program.name] for one in made if program.name in one["energy"]]
        if energies:
            millijoules = {"target": "energy", "unit": "mJ"}
            found.append({"network": program.name, **millijoules, **_middle(energies)})
    setting = {
        "device": config.device,
        "batch": config.batch,
        "threads": config.threads,
        "precision_bits": PRECISION_BITS[config.precision],
    }
    columns = [*measurements.COLUMNS, "spread", "repeats", "calls"]
    rows = pd.DataFrame(found).assign(**setting).reindex(columns=columns)
    return rows.astype({"repeats": "Int64", "calls": "Int64", "threads": "Int64"})


def _middle(values: Sequence[float]) -> dict[str, float]:
    """The median; half the distance of the quartiles; of how many."""
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
