"""Sums up a profile as profile.json and a report, from nothing but the files of its directory."""

import pathlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.stats

from nasjax import files
from nasjax.devices import descriptions, measurements
from nasjax.errors import UserError
from nasjax.profiling import rounds
from nasjax.profiling.config import ProfileConfig
from nasjax.profiling.programs import LATENCY, LAYER_LATENCY
from nasjax.reports import figures, render
from nasjax.reports.figures import BLUE, Inks
from nasjax.reports.render import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROFILE, PICTURE = "profile.json", "latency.png"


def is_one(directory: pathlib.Path) -> bool:
    """True if the directory holds a profile, finished or not."""
    try:
        return "profile" in files.read_json(directory / "config.json")
    except UserError:
        return False


def write_again(directory: pathlib.Path) -> list[pathlib.Path]:
    """`write` of a profile that may be unfinished; nothing is measured anew."""
    visited = rounds.read(directory)
    if not visited:
        raise UserError(f"{directory} has no round yet; there is nothing to report")
    if (directory / PROFILE).exists():
        return write(directory, files.read_json(directory / PROFILE)["energy"])
    is_measured = any(one["energy"] for one in visited)
    return write(directory, f"energy: {'' if is_measured else 'not '}measured")


def write(directory: pathlib.Path, energy: str) -> list[pathlib.Path]:
    """Writes profile.json, report.html, report.md and the picture; returns the files.

    Args:
      directory: with config.json, versions.json, the rounds and the folder of measurements.
      energy: a line about its meter, see `energy.find_meter`.
    """
    config = ProfileConfig(**files.read_json(directory / "config.json")["profile"])
    rows = measurements.read_table(directory / measurements.ROWS)
    networks = measurements.read_table(directory / measurements.NETWORKS)
    rows = rows.assign(macs=rows["network"].map(networks.set_index("network")["macs"]))
    devices = descriptions.read(directory / measurements.DEVICES)["devices"]
    description = devices[config.device]
    stats = list(rounds.read_stats(directory).values())
    profile = {
        **files.read_json(directory / "versions.json"),
        "written": time.strftime("%Y-%m-%d %H:%M"),
        "device_name": config.device,
        "description": description,
        "targets": {target: _range(some) for target, some in rows.groupby("target")},
        "layers": _layers(rows),
        "rounds": _sum_up(rounds.read(directory)),
        "compile_seconds": round(sum(one.get("compile_seconds", 0) for one in stats), 1),
        "resident_growth_mib": round(sum(one.get("resident_growth_mib", 0) for one in stats), 1),
        "energy": energy,
    }
    picture = _picture(rows[rows["target"] == LATENCY])
    context = {
        "title": config.device,
        "config": config,
        "profile": profile,
        "described": [key for key in ("kind", *descriptions.NUMBERS) if key in description],
        "cannot_run": sum(row["cannot_run"] for row in profile["targets"].values()),
        "picture": picture,
    }
    return [
        files.write_json(directory / PROFILE, profile),
        *render.write(directory, "profile", context, [picture]),
    ]


def _range(rows: pd.DataFrame) -> dict[str, Any]:
    """A target over all networks: range, spread over rounds, rank correlation with macs."""
    runs = rows[np.isfinite(rows["value"])]
    relative = (runs["spread"] / runs["value"]).dropna()
    varies = min(runs["value"].nunique(), runs["macs"].nunique()) > 1
    spearman = float(scipy.stats.spearmanr(runs["macs"], runs["value"])[0]) if varies else None
    found = {
        "lowest": runs["value"].min(),
        "median": runs["value"].median(),
        "highest": runs["value"].max(),
        "relative_spread": relative.median(),
        "largest_relative_spread": relative.max(),
        "spearman_macs": spearman,
    }
    return {
        "unit": rows["unit"].iloc[0],
        "measured": len(runs),
        "cannot_run": len(rows) - len(runs),
        **{name: float(f"{value:.5g}") for name, value in found.items() if pd.notna(value)},
    }


def _layers(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Name of a layer -> its latency `ms`, the `spread` of that, and `macs` per image."""
    layers = rows[rows["target"] == LAYER_LATENCY].set_index("network").sort_values("macs")
    columns = {"value": "ms", "spread": "spread", "macs": "macs"}
    found = layers[list(columns)].rename(columns=columns).to_dict("index")
    return {str(name): values for name, values in found.items()}


def _sum_up(visited: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The rounds' times, processors, clock and memory.

    `sum_ms` is the lowest and the highest sum of a round's latencies: where they lie far apart,
    other work disturbed some rounds.
    """
    clocks = [clock for one in visited for clock in one["clock_mhz"] if clock]
    sums = [
        sum(ms for visits in one["latency"].values() for _, ms in visits.values())
        for one in visited
    ]
    return {
        "count": len(visited),
        "first": visited[0]["started"],
        "last": visited[-1]["started"],
        "seconds": round(sum(one["seconds"] for one in visited), 1),
        "processors": sorted({processor for one in visited for processor in one["processors"]}),
        "clock_mhz": [min(clocks), max(clocks)] if clocks else None,
        "sum_ms": [float(f"{sum_ms:.5g}") for sum_ms in (min(sums), max(sums))],
        "peak_process_mib": max(one["memory"]["peak_mib"] for one in visited),
    }


def _picture(rows: pd.DataFrame) -> Picture:
    """A histogram of the networks' latencies, and latency against multiply-adds."""
    rows = rows[np.isfinite(rows["value"])]

    def draw(_: Inks) -> "Figure":
        figure, (counts, against) = figures.canvas(7.2, 2.7, columns=2, panels=2)
        counts.hist(rows["value"], bins=min(30, max(5, len(rows) // 4)), color=BLUE)
        counts.set(xlabel="latency, ms", ylabel="networks")
        macs, value, spread = rows["macs"] / 1e6, rows["value"], rows["spread"]
        against.errorbar(macs, value, spread, fmt=".", markersize=3, linewidth=0.8, color=BLUE)
        against.set(xlabel="multiply-adds, millions an image", ylabel="latency, ms")
        return figure

    return Picture("latency", PICTURE, "Latency of the networks", draw)
