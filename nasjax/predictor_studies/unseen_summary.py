"""Sums up a study of unseen devices: a page of JSON, a report and a picture."""

import pathlib
from typing import Any

import numpy as np
import pandas as pd
import scipy.stats

from nasjax.errors import UserError
from nasjax.predictor_studies import fits
from nasjax.predictor_studies.unseen import METHODS, UnseenStudy
from nasjax.reports import figures
from nasjax.reports.figures import PAPER
from nasjax.studies.figures import COLOURS

PICTURE = "unseen_devices.png"


def page(directory: pathlib.Path, study: UnseenStudy) -> dict[str, Any]:
    """What is there: `unseen_devices` of the main split, `splits` of all, `calibration`.

    unseen_devices: {"0": mean Spearman of `transfer` after 0 samples, ...; "chosen": the same of
      chosen samples; "flops"; "above_flops":
      the difference after 0 samples, its 95 % intervals over seeds and over devices (Student's t)}.
    splits: {split: {samples: {method: {mean, sd, devices: {device: mean over seeds}}}}}; mean over
      devices of means over seeds, sd over seeds of the mean over devices.

    Raises:
      UserError: nothing is there yet, or a file is damaged.
    """
    rows = [row for kept in fits.read(directory) for row in kept["rows"]]
    if not rows:
        raise UserError(f"{directory} holds no finished split yet")
    table = pd.DataFrame(rows)
    main = table[table["split"] == study.unseen.main]
    splits = {
        str(label): {
            str(samples): _of_methods(of_samples)
            for samples, of_samples in of_split.groupby("samples")
        }
        for label, of_split in table.groupby("split", sort=False)
    }
    found: dict[str, Any] = {"splits": splits}
    if len(main):
        found["unseen_devices"] = _headline(main, splits[study.unseen.main])
    spread = table[table["method"] == "transfer"].groupby("samples")
    shares = spread[["within_1_spread", "within_2_spreads"]].mean().round(4)
    found["calibration"] = {str(samples): row.to_dict() for samples, row in shares.iterrows()}
    return found


def _of_methods(rows: pd.DataFrame) -> dict[str, Any]:
    found = {}
    for method in METHODS:
        of_method = rows[rows["method"] == method]
        if of_method.empty:
            continue
        devices = of_method.groupby("new", sort=False)["spearman"].mean()
        seeds = of_method.groupby("seed")["spearman"].mean()
        found[method] = {
            "mean": round(float(devices.mean()), 4),
            "sd": round(float(seeds.std(ddof=1)), 4) if len(seeds) > 1 else None,
            "devices": {str(cost): round(float(value), 4) for cost, value in devices.items()},
        }
    return found


def _headline(rows: pd.DataFrame, of_samples: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        samples: methods["transfer"]["mean"] for samples, methods in of_samples.items()
    }
    found["chosen"] = {
        samples: methods["chosen"]["mean"]
        for samples, methods in of_samples.items()
        if "chosen" in methods
    }
    fewest = rows[rows["samples"] == rows["samples"].min()]
    both = fewest.pivot_table("spearman", ["seed", "new"], "method")
    found["flops"] = round(float(both["macs"].groupby("new").mean().mean()), 4)
    above = both["transfer"] - both["macs"]
    found["above_flops"] = {
        "mean": round(float(above.mean()), 4),
        "over_seeds": _interval(above.groupby("seed").mean().to_numpy()),
        "over_devices": _interval(above.groupby("new").mean().to_numpy()),
    }
    return found


def _interval(values: np.ndarray) -> list[float] | None:
    """95 % interval of the mean, Student's t."""
    if len(values) < 2:
        return None
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [round(float(values.mean() - half), 4), round(float(values.mean() + half), 4)]


def markdown(found: dict[str, Any]) -> str:
    """The report as text: a table for each split, a row for each method and number of samples."""
    lines = ["# Unseen devices", ""]
    if "unseen_devices" in found:
        first = found["unseen_devices"]
        means = [f"{samples} samples {first[samples]}" for samples in first if samples.isdigit()]
        chosen = [f"{samples} samples {rho}" for samples, rho in first["chosen"].items()]
        above = first["above_flops"]
        lines += [
            f"Mean Spearman, transfer: {', '.join(means)}; FLOPs {first['flops']}.",
            f"With chosen samples: {', '.join(chosen)}.",
            f"Transfer without samples is above FLOPs by {above['mean']} (95 % over seeds "
            f"{above['over_seeds']}, over devices {above['over_devices']}).",
            "",
        ]
    for label, of_samples in found["splits"].items():
        costs = list(next(iter(next(iter(of_samples.values())).values()))["devices"])
        short = [cost.rpartition("/")[2] for cost in costs]
        lines += [f"## {label}", "", f"| samples | method | mean | sd | {' | '.join(short)} |"]
        lines.append("|" + " --- |" * (len(costs) + 4))
        for samples, methods in of_samples.items():
            for method, row in methods.items():
                sd = "" if row["sd"] is None else f"{row['sd']:.4f}"
                cells = [f"{row['devices'][cost]:.3f}" for cost in costs]
                lines.append(
                    f"| {samples} | {method} | {row['mean']:.4f} | {sd} | {' | '.join(cells)} |"
                )
        lines.append("")
    lines += [
        "Share of measurements within one and two spreads of transfer (normal: 68, 95 %):",
        "",
    ]
    for samples, row in found["calibration"].items():
        one, two = row["within_1_spread"], row["within_2_spreads"]
        lines.append(f"- {samples} samples: {100 * one:.0f} %, {100 * two:.0f} %")
    lines += ["", *(f"saved {cost}: {path}" for cost, path in found.get("saved", {}).items())]
    return "\n".join([*lines, "", f"![mean Spearman by samples]({PICTURE})", ""])


def png(directory: pathlib.Path, found: dict[str, Any]) -> pathlib.Path:
    """Mean Spearman after so many samples, a panel for each split, a line for each method."""
    path = directory / PICTURE
    with figures.style(PAPER):
        count = len(found["splits"])
        columns = min(3, count)
        size = 3.2 * columns, 2.8 * -(-count // columns)
        figure, axes = figures.canvas(*size, columns, count)
        for axis, (label, of_samples) in zip(axes, found["splits"].items(), strict=True):
            places = range(len(of_samples))
            for colour, method in zip(COLOURS, METHODS, strict=False):
                points = [
                    (place, methods[method]["mean"])
                    for place, methods in zip(places, of_samples.values(), strict=True)
                    if method in methods
                ]
                axis.plot(*zip(*points, strict=True), "o-", ms=3, color=colour, label=method)
            axis.set_xticks(list(places), list(of_samples))
            axis.set_title(label)
            axis.set_xlabel("samples")
            axis.set_ylabel("mean Spearman")
        axes[0].legend(fontsize=7)
        figure.set_facecolor("white")
        figure.savefig(path, format="png", dpi=110)
    return path
