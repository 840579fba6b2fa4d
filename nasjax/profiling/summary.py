"""Sums up a profile: a page of JSON, a report and a picture."""

import pathlib
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

from nasjax.devices import descriptions
from nasjax.errors import UserError
from nasjax.profiling import rounds
from nasjax.profiling.config import ProfileConfig
from nasjax.profiling.programs import LATENCY, LAYER_LATENCY, Program
from nasjax.reports import figures
from nasjax.reports.figures import BLUE, PAPER
from nasjax.runs.workdir import versions, write_json

PAGE, REPORT, PICTURE = "profile.json", "report.md", "latency.png"


def write(
    directory: pathlib.Path,
    config: ProfileConfig,
    description: dict[str, Any],
    programs: Sequence[Program],
    rows: pd.DataFrame,
    energy: str,
) -> tuple[dict[str, Any], list[pathlib.Path]]:
    """Writes the files; returns the page and their paths.

    Args:
      rows: of measurements, see `results.table`.
      energy: a line on how it was measured, or why not.

    Raises:
      UserError: they cannot be written.
    """
    macs = {one.name: one.features["macs"] for one in programs}
    rows = rows.assign(macs=rows["network"].map(macs))
    made, facts = rounds.read(directory), list(rounds.read_facts(directory).values())
    page = {
        **versions(),
        "written": time.strftime("%Y-%m-%d %H:%M"),
        "device_name": config.device,
        "description": description,
        "targets": {target: _of_target(some) for target, some in rows.groupby("target")},
        "layers": _layers(rows),
        "rounds": _rounds(made),
        "compile_seconds": round(sum(one.get("compile_seconds", 0) for one in facts), 1),
        "resident_growth_mib": round(sum(one.get("resident_growth_mib", 0) for one in facts), 1),
        "energy": energy,
    }
    written = [directory / PAGE, directory / REPORT, directory / PICTURE]
    try:
        write_json(written[0], page)
        written[1].write_text(markdown(page, config), encoding="utf-8")
        _picture(written[2], rows[rows["target"] == LATENCY])
    except OSError as error:
        raise UserError(f"cannot write to {directory}: {error.strerror}") from error
    return page, written


def _of_target(rows: pd.DataFrame) -> dict[str, Any]:
    """Range, median; spread over rounds relative to the value; rank correlation with macs."""
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
    known = {name: float(value) for name, value in found.items() if pd.notna(value)}
    return {
        "unit": rows["unit"].iloc[0],
        "measured": len(runs),
        "cannot_run": len(rows) - len(runs),
        **{name: float(f"{value:.5g}") for name, value in known.items()},
    }


def _layers(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Of every layer: ms, spread, macs per image."""
    layers = rows[rows["target"] == LAYER_LATENCY].set_index("network").sort_values("macs")
    columns = {"value": "ms", "spread": "spread", "macs": "macs"}
    found = layers[list(columns)].rename(columns=columns).to_dict("index")
    return {str(name): values for name, values in found.items()}


def _rounds(made: list[dict[str, Any]]) -> dict[str, Any]:
    """How many; when; their seconds; the lowest and highest clock; the sum of all latencies.

    `sum_ms` of a round is what all networks and layers took: where its range is wide, other work
    disturbed some rounds.
    """
    clocks = [clock for one in made for clock in one["clock_mhz"] if clock]
    sums = [
        sum(ms for visits in one["latency"].values() for _, ms in visits.values()) for one in made
    ]
    return {
        "count": len(made),
        "first": made[0]["started"],
        "last": made[-1]["started"],
        "seconds": round(sum(one["seconds"] for one in made), 1),
        "processors": sorted({number for one in made for number in one["processors"]}),
        "clock_mhz": [min(clocks), max(clocks)] if clocks else None,
        "sum_ms": [float(f"{sum_ms:.5g}") for sum_ms in (min(sums), max(sums))],
        "peak_process_mib": max(one["memory"]["peak_mib"] for one in made),
    }


def markdown(page: dict[str, Any], config: ProfileConfig) -> str:
    """The report as text."""
    about = page["description"]
    known = [f"{key} {about[key]}" for key in ("kind", *descriptions.NUMBERS) if key in about]
    threads = "" if config.threads is None else f", threads {config.threads}"
    lines = [
        f"# {config.device}",
        "",
        f"{about.get('title', 'this machine')}: {', '.join(known)}",
        *(["", str(about["note"])] if "note" in about else []),
        "",
        f"{config.space}, images of {config.image_size}x{config.image_size}, {config.classes} "
        f"classes, batch {config.batch}{threads}, {config.precision}, seed {config.seed}; "
        f"jax {page['jax']}",
        "",
        "| target | unit | of | lowest | median | highest | spread | largest | Spearman, macs |",
        "|" + " --- |" * 9,
    ]
    for target, row in page["targets"].items():
        numbers = [row.get(name, "") for name in ("lowest", "median", "highest")]
        spreads = [row.get(name) for name in ("relative_spread", "largest_relative_spread")]
        shares = ["" if share is None else f"{100 * share:.1f} %" for share in spreads]
        cells = [target, row["unit"], row["measured"], *numbers, *shares]
        cells.append(row.get("spearman_macs", ""))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    cannot = sum(row["cannot_run"] for row in page["targets"].values())
    made = page["rounds"]
    clock = "" if made["clock_mhz"] is None else "; clock {} to {} MHz".format(*made["clock_mhz"])
    lines += [
        "",
        "Values are medians over the rounds; spread is half the distance of their quartiles, "
        "relative to the value: the median and the largest of all networks.",
        "",
        f"- {made['count']} rounds, {made['first']} to {made['last']}, {made['seconds']} s; "
        f"compiled in {page['compile_seconds']} s{clock}",
        "- a round's latencies add up to {} to {} ms".format(*made["sum_ms"]),
        f"- the process held up to {made['peak_process_mib']} MiB; it grew by "
        f"{page['resident_growth_mib']} while the programs were made, code and arrays together",
        f"- {page['energy']}",
    ]
    if cannot:
        lines.append(f"- {cannot} do not fit into this device's memory")
    if page["layers"]:
        lines += ["", "| layer, alone | ms | spread | GMAC/s |", "|" + " --- |" * 4]
    for name, row in page["layers"].items():
        rate = config.batch * row["macs"] / row["ms"] / 1e6
        lines.append(f"| {name} | {row['ms']:.4g} | {row['spread']:.2g} | {rate:.3g} |")
    written = f"commit {page['commit']}, written {page['written']}"
    return "\n".join([*lines, "", f"![latency]({PICTURE})", "", written, ""])


def _picture(path: pathlib.Path, rows: pd.DataFrame) -> None:
    """How often which latency; latency against multiply-adds."""
    rows = rows[np.isfinite(rows["value"])]
    with figures.style(PAPER):
        figure, (counts, against) = figures.canvas(7.2, 2.7, columns=2, panels=2)
        counts.hist(rows["value"], bins=min(30, max(5, len(rows) // 4)), color=BLUE)
        counts.set_xlabel("latency, ms")
        counts.set_ylabel("networks")
        against.errorbar(
            rows["macs"] / 1e6,
            rows["value"],
            yerr=rows["spread"],
            fmt=".",
            markersize=3,
            linewidth=0.8,
            color=BLUE,
        )
        against.set_xlabel("multiply-adds, millions an image")
        against.set_ylabel("latency, ms")
        figure.set_facecolor("white")
        figure.savefig(path, format="png", dpi=110)
