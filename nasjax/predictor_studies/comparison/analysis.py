"""Figures and pictures of a comparison, from the scores of its fits."""

import functools
import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from nasjax import files
from nasjax.errors import UserError
from nasjax.predictor_studies.comparison.config import ComparisonConfig
from nasjax.reports import figures
from nasjax.reports.figures import BLUE, SERIES_COLOURS, Inks
from nasjax.reports.render import Picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIMULATED = ("eyeriss", "fpga")  # computed by formulas, where other devices were measured
_MOST_POINTS = 3_000  # of a picture of predictions


def analyse(fits: Sequence[Mapping[str, Any]], config: ComparisonConfig) -> dict[str, Any]:
    """Sums up the fits that are there.

    Returns:
      `table2` {label: scores}, see `method_scores`.
      `devices` {label: {cost: {r2, rmse, mape, spearman}}}, means over splits.
      `curve`, if one is asked for: {label: {architectures fitted on: {r2_mean, spearman}}}.

    Raises:
      UserError: no fit on `train` architectures is there yet.
    """
    everything = pd.DataFrame(fits)
    rows = everything[everything["train"] == config.train]
    if rows.empty:
        raise UserError(f"no fit on {config.train} architectures is finished yet")
    names = ["r2", "rmse", "mape", "spearman"]
    found = {"table2": method_scores(rows), "devices": _means(rows, "cost", names)}
    if config.curve:
        curve = everything[everything["label"].isin(config.curve_of)].astype({"train": str})
        curve = curve.rename(columns={"r2": "r2_mean"})
        found["curve"] = _means(curve, "train", ["r2_mean", "spearman"])
    return found


def method_scores(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """{label: scores}, the best mean R2 first.

    r2_mean: mean over devices of the mean over splits; r2_sd: standard deviation over splits of the
    mean over devices; r2_worst: mean over splits of the worst device; r2_lowest: R2 of the worst
    device and split; r2_measured, r2_simulated: means over devices of one kind, None without such;
    rmse, mape, within_5, within_10, spearman, kendall: means; within_1_spread, within_2_spreads:
    shares of errors, means (normal errors: 0.683, 0.954; 0: the method has no spread);
    fit_seconds, microseconds (of a prediction among all tested ones), single_microseconds (of one
    alone): medians.
    """
    found = {str(label): _scores(mine) for label, mine in rows.groupby("label", sort=False)}
    return dict(sorted(found.items(), key=lambda item: -item[1]["r2_mean"]))


def _scores(rows: pd.DataFrame) -> dict[str, Any]:
    devices = rows.groupby("cost")["r2"].mean()
    is_simulated = devices.index.str.contains("|".join(SIMULATED))
    splits = rows.groupby("seed")["r2"].mean()
    means = ["rmse", "mape", "within_5", "within_10", "spearman", "kendall"]
    means += ["within_1_spread", "within_2_spreads"]
    medians = ["fit_seconds", "microseconds", "single_microseconds"]
    found = {
        "splits": int(rows["seed"].nunique()),
        "r2_mean": devices.mean(),
        "r2_sd": splits.std(ddof=1) if len(splits) > 1 else 0.0,
        "r2_worst": devices.min(),
        "r2_lowest": rows["r2"].min(),
        "r2_measured": devices[~is_simulated].mean() if not is_simulated.all() else None,
        "r2_simulated": devices[is_simulated].mean() if is_simulated.any() else None,
        **{name: rows.groupby("cost")[name].mean().mean() for name in means},
        **{name: rows[name].median() for name in medians},
    }
    return {
        name: round(float(value), 6) if isinstance(value, float) else value
        for name, value in found.items()
    }


def _means(
    rows: pd.DataFrame, key: str, names: list[str]
) -> dict[str, dict[str, dict[str, float]]]:
    """{label: {key: {name: mean}}}, in the order of the rows."""
    means = rows.groupby(["label", key], sort=False)[names].mean().round(6)
    return {
        str(label): mine.droplevel("label").to_dict("index")
        for label, mine in means.groupby(level="label", sort=False)
    }


def predictions_path(directory: pathlib.Path, label: str, cost: str) -> pathlib.Path:
    """Where the predictions of the first split are kept."""
    return directory / "predictions" / f"{label}--{cost.replace('/', '--')}.npz"


def pictures(
    directory: pathlib.Path, costs: Sequence[str], found: Mapping[str, Any]
) -> list[Picture]:
    """`curve`, if there is one, and `response_LABEL` of every method."""
    drawn = []
    if "curve" in found:
        draw = functools.partial(_draw_curve, found["curve"])
        drawn.append(Picture("curve", "curve.png", "learning curves", draw))
    for label in found["table2"]:
        paths = {cost: predictions_path(directory, label, cost) for cost in costs}
        draw = functools.partial(_draw_predictions, paths)
        drawn.append(Picture(f"response_{label}", f"response_{label}.png", label, draw))
    return drawn


def _draw_curve(curve: dict[str, dict[str, dict[str, float]]], inks: Inks) -> "Figure":
    """Unexplained variance by architectures fitted on, a line for each method."""
    figure, (axes,) = figures.canvas(4.8, 3.2)
    colours = itertools.cycle(SERIES_COLOURS)
    for colour, (label, scores) in zip(colours, curve.items(), strict=False):
        points = sorted((int(count), 1 - one["r2_mean"]) for count, one in scores.items())
        axes.plot(*zip(*points, strict=True), "o-", ms=3, color=colour, label=label)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("architectures fitted on")
    axes.set_ylabel("1 - mean R2")
    axes.legend(fontsize=7)
    return figure


def _draw_predictions(paths: Mapping[str, pathlib.Path], inks: Inks) -> "Figure":
    """Predicted against measured costs, a panel for each device (the paper's appendix)."""
    columns = min(3, len(paths))
    size = 2.9 * columns, 2.7 * -(-len(paths) // columns)
    figure, panels = figures.canvas(*size, columns, len(paths))
    for axes, (cost, path) in zip(panels, paths.items(), strict=True):
        axes.set_title(cost.rpartition("/")[2])
        if not path.exists():
            continue
        try:
            arrays = files.read_npz(path)
        except ValueError as error:
            raise UserError(f"{path} is damaged; without it its panel is empty") from error
        measured, value = arrays["measured"][:_MOST_POINTS], arrays["value"][:_MOST_POINTS]
        axes.plot(measured, value, ".", ms=2, alpha=0.3, color=BLUE, rasterized=True)
        ends = [measured.min(), measured.max()]
        axes.plot(ends, ends, lw=0.8, color=inks.ink)
        axes.set_xlabel("measured")
        axes.set_ylabel("predicted")
    return figure
