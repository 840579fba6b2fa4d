"""Sums up what is there of a study of predictors: a page of JSON, a report and pictures."""

import pathlib
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd

from nasjax.errors import UserError
from nasjax.predictor_studies import fits
from nasjax.predictor_studies.config import PredictorStudy
from nasjax.reports import figures
from nasjax.reports.figures import BLUE, PAPER
from nasjax.studies.figures import COLOURS

SIMULATED = ("eyeriss", "fpga")  # computed by formulas, where others were measured
_MOST_POINTS = 3_000  # of a response plot


def page(directory: pathlib.Path, study: PredictorStudy, more: dict[str, Any]) -> dict[str, Any]:
    """What is there.

    `table2` {label: {r2_mean, r2_worst, rmse, ...}}, see `table2`; `devices` {label: {cost: {score:
    mean over splits}}}; `curve`, see there; and `more`, by name.

    Raises:
      UserError: nothing is there yet, or a file is damaged.
    """
    everything = pd.DataFrame(fits.read(directory))
    if everything.empty:
        raise UserError(f"{directory} holds no finished fit yet")
    rows = everything[everything["train"] == study.comparison.train]
    found = {"table2": table2(rows), "devices": _by_device(rows)}
    if study.comparison.curve:
        found["curve"] = curve(everything[everything["label"].isin(study.comparison.curve_of)])
    return {**found, **more}


def table2(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """A row a predictor, the best mean R2 first.

    r2_mean: mean over devices of the mean over splits; r2_sd: deviation over splits of the mean
    over devices; r2_worst: that of the worst device; r2_lowest: of the worst device and split;
    r2_measured, r2_simulated: means over devices of one kind; rmse, mape, within_10, spearman,
    kendall: means; within_1_spread, within_2_spreads: shares of errors, means (normal: 0.683,
    0.954; 0: it has no spread); fit_seconds, microseconds (of a prediction among all tested ones),
    single_microseconds (alone): medians.
    """
    found: dict[str, dict[str, Any]] = {}
    for label, of_label in rows.groupby("label", sort=False):
        devices = of_label.groupby("cost")["r2"].mean()
        is_simulated = devices.index.str.contains("|".join(SIMULATED))
        by_split = of_label.groupby("seed")["r2"].mean()
        means = {
            name: of_label.groupby("cost")[name].mean().mean()
            for name in (
                *("rmse", "mape", "within_5", "within_10", "spearman", "kendall"),
                *("within_1_spread", "within_2_spreads"),
            )
        }
        medians = {
            name: of_label[name].median()
            for name in ("fit_seconds", "microseconds", "single_microseconds")
        }
        found[str(label)] = {
            "splits": int(of_label["seed"].nunique()),
            "r2_mean": devices.mean(),
            "r2_sd": by_split.std(ddof=1) if len(by_split) > 1 else 0.0,
            "r2_worst": devices.min(),
            "r2_lowest": of_label["r2"].min(),
            "r2_measured": devices[~is_simulated].mean() if not is_simulated.all() else None,
            "r2_simulated": devices[is_simulated].mean() if is_simulated.any() else None,
            **means,
            **medians,
        }
    best_first = sorted(found, key=lambda label: -found[label]["r2_mean"])
    return {
        label: {
            name: round(value, 6) if isinstance(value, float) else value
            for name, value in found[label].items()
        }
        for label in best_first
    }


def curve(rows: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    """{label: {architectures fitted on: {r2_mean, spearman}}}, means over devices and splits."""
    means = rows.groupby(["label", "train"])[["r2", "spearman"]].mean().round(6)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (label, train), scores in means.iterrows():
        scored = {"r2_mean": float(scores["r2"]), "spearman": float(scores["spearman"])}
        found.setdefault(str(label), {})[str(train)] = scored
    return found


def _by_device(rows: pd.DataFrame) -> dict[str, dict[str, dict[str, float]]]:
    names = ["r2", "rmse", "mape", "spearman"]
    means = rows.groupby(["label", "cost"], sort=False)[names].mean().round(6)
    devices: dict[str, dict[str, dict[str, float]]] = {}
    for (label, cost), scores in means.iterrows():
        devices.setdefault(label, {})[cost] = scores.to_dict()
    return devices


def markdown(page: dict[str, Any]) -> str:
    """The report as text."""
    columns = (
        *("R2", "sd", "worst device", "measured", "simulated", "RMSE", "Kendall's tau"),
        "within 10 %",
        "within a spread",  # normal errors: 68 %
    )
    head = f"| predictor | {' | '.join(columns)} | fit s | us each | us alone |"
    lines = ["# Predictors", "", head, "|" + " --- |" * (len(columns) + 4)]
    for label, row in page["table2"].items():
        kinds = [row["r2_measured"], row["r2_simulated"]]
        measured, simulated = ("" if r2 is None else f"{r2:.4f}" for r2 in kinds)
        lines.append(
            f"| {label} | {row['r2_mean']:.4f} | {row['r2_sd']:.4f} | {row['r2_worst']:.4f} "
            f"| {measured} | {simulated} | {row['rmse']:.4g} | {row['kendall']:.3f} "
            f"| {100 * row['within_10']:.0f} % | {_share(row['within_1_spread'])} "
            f"| {row['fit_seconds']:.2g} "
            f"| {row['microseconds']:.2g} | {row['single_microseconds']:.3g} |"
        )
    costs = list(next(iter(page["devices"].values())))
    short = [cost.rpartition("/")[2] for cost in costs]
    lines += ["", "R2 by device:", "", f"| predictor | {' | '.join(short)} |"]
    lines.append("|" + " --- |" * (len(costs) + 1))
    for label in page["table2"]:
        of_label = page["devices"][label]
        cells = [f"{of_label[cost]['r2']:.4f}" if cost in of_label else "" for cost in costs]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    if "curve" in page:
        lines += [
            "",
            "Mean R2 by architectures fitted on:",
            "",
            "![learning curves](curve.png)",
            "",
        ]
        counts = sorted({int(n) for of_label in page["curve"].values() for n in of_label})
        lines.append(f"| predictor | {' | '.join(map(str, counts))} |")
        lines.append("|" + " --- |" * (len(counts) + 1))
        for label, of_label in page["curve"].items():
            r2s = [of_label.get(str(count), {}).get("r2_mean") for count in counts]
            cells = ["" if r2 is None else f"{r2:.4f}" for r2 in r2s]
            lines.append(f"| {label} | {' | '.join(cells)} |")
    for cost, facts in page.get("saved", {}).items():
        lines += [
            "",
            f"saved {cost}: {', '.join(f'{key} {value}' for key, value in facts.items())}",
        ]
    for name in ("executability", "in_jit"):
        if name in page:
            facts = ", ".join(f"{key} {value}" for key, value in page[name].items())
            lines += ["", f"{name.replace('_', ' ')}: {facts}"]
    lines += [""] + [f"![{label}](response_{label}.png)" for label in page["table2"]]
    return "\n".join([*lines, ""])


def _share(value: float) -> str:
    """In per cent; nothing where there is no spread."""
    return f"{100 * value:.0f} %" if value > 0.01 else ""


def pngs(
    directory: pathlib.Path, study: PredictorStudy, page: dict[str, Any]
) -> list[pathlib.Path]:
    """The response plots, one a predictor, and the learning curves."""
    costs = study.comparison.costs
    written = [_response_png(directory, label, costs) for label in page["table2"]]
    return [*written, _curve_png(directory, page["curve"])] if "curve" in page else written


def _curve_png(
    directory: pathlib.Path, found: dict[str, dict[str, dict[str, float]]]
) -> pathlib.Path:
    """Unexplained variance by architectures fitted on, a line a predictor."""
    path = directory / "curve.png"
    with figures.style(PAPER):
        figure, (axis,) = figures.canvas(4.8, 3.2)
        for colour, (label, of_label) in zip(cycle(COLOURS), found.items(), strict=False):
            points = sorted((int(count), 1 - one["r2_mean"]) for count, one in of_label.items())
            axis.plot(*zip(*points, strict=True), "o-", ms=3, color=colour, label=label)
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xlabel("architectures fitted on")
        axis.set_ylabel("1 - mean R2")
        axis.legend(fontsize=7)
        figure.set_facecolor("white")
        figure.savefig(path, format="png", dpi=110)
    return path


def _response_png(directory: pathlib.Path, label: str, costs: tuple[str, ...]) -> pathlib.Path:
    """Predicted against measured, a panel a device, of the first split (the paper's appendix)."""
    path = directory / f"response_{label}.png"
    with figures.style(PAPER):
        columns = min(3, len(costs))
        size = 2.9 * columns, 2.7 * -(-len(costs) // columns)
        figure, axes = figures.canvas(*size, columns, len(costs))
        for axis, cost in zip(axes, costs, strict=True):
            kept = fits.predictions_path(directory, label, cost)
            axis.set_title(cost.rpartition("/")[2])
            if not kept.exists():
                continue
            with np.load(kept, allow_pickle=False) as arrays:
                measured, value = arrays["measured"][:_MOST_POINTS], arrays["value"][:_MOST_POINTS]
            axis.plot(measured, value, ".", ms=2, alpha=0.3, color=BLUE, rasterized=True)
            ends = [measured.min(), measured.max()]
            axis.plot(ends, ends, lw=0.8, color=PAPER.ink)
            axis.set_xlabel("measured")
            axis.set_ylabel("predicted")
        figure.set_facecolor("white")
        figure.savefig(path, format="png", dpi=110)
    return path
