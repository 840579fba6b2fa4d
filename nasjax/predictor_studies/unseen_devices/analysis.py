"""Figures and the picture of a study of unseen devices, from the scores of its splits."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.stats

from nasjax.predictor_studies.unseen_devices.methods import METHODS
from nasjax.reports import figures
from nasjax.reports.figures import SERIES_COLOURS, Inks

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def analyse(rows: Sequence[Mapping[str, Any]], main: str) -> dict[str, Any]:
    """Sums up rows of scores, each of a split, seed, new device, number of samples and method.

    Args:
      main: label of the split that `unseen_devices` is about.

    Returns:
      `splits` {split: {samples: {method: {mean, sd, devices: {device: mean over seeds}}}}} of
      Spearman's rho: mean over devices of the means over seeds, sd over seeds of the mean over
      devices, None for a single seed.
      `unseen_devices`, if the main split is there: {"0": mean of `transfer` after 0 samples, ...;
      "chosen": the same after chosen samples; "flops": mean of `macs`; "above_flops": `transfer`
      minus `macs` after the fewest samples, with 95 % intervals over seeds and over devices}.
      `calibration` {samples: {within_1_spread, within_2_spreads}} of `transfer`.
    """
    table = pd.DataFrame(rows)
    splits = {
        str(label): {str(samples): method_scores(some) for samples, some in mine.groupby("samples")}
        for label, mine in table.groupby("split", sort=False)
    }
    found: dict[str, Any] = {"splits": splits}
    if main in splits:
        found["unseen_devices"] = headline(table[table["split"] == main], splits[main])
    spread = table[table["method"] == "transfer"].groupby("samples")
    shares = spread[["within_1_spread", "within_2_spreads"]].mean().round(4)
    found["calibration"] = {str(samples): row.to_dict() for samples, row in shares.iterrows()}
    return found


def method_scores(rows: pd.DataFrame) -> dict[str, Any]:
    """{method: {mean, sd, devices}} of the rows of one split and number of samples."""
    found = {}
    for method in METHODS:
        mine = rows[rows["method"] == method]
        if mine.empty:
            continue
        devices = mine.groupby("new", sort=False)["spearman"].mean()
        seeds = mine.groupby("seed")["spearman"].mean()
        found[method] = {
            "mean": round(float(devices.mean()), 4),
            "sd": round(float(seeds.std(ddof=1)), 4) if len(seeds) > 1 else None,
            "devices": {str(cost): round(float(value), 4) for cost, value in devices.items()},
        }
    return found


def headline(rows: pd.DataFrame, scores: Mapping[str, Any]) -> dict[str, Any]:
    """`unseen_devices`, from the rows of one split and its scores by number of samples."""
    found = {samples: methods["transfer"]["mean"] for samples, methods in scores.items()}
    found["chosen"] = {
        samples: methods["chosen"]["mean"]
        for samples, methods in scores.items()
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
    """95 % interval of the mean, Student's t; None for a single value."""
    if len(values) < 2:
        return None
    half = scipy.stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return [round(float(values.mean() - half), 4), round(float(values.mean() + half), 4)]


def draw(splits: Mapping[str, Any], inks: Inks) -> "Figure":
    """Mean rank correlation by samples: a panel for each split, a line for each method."""
    columns = min(3, len(splits))
    size = 3.2 * columns, 2.8 * -(-len(splits) // columns)
    figure, panels = figures.canvas(*size, columns, len(splits))
    for axes, (label, scores) in zip(panels, splits.items(), strict=True):
        for colour, method in zip(SERIES_COLOURS, METHODS, strict=False):
            points = [
                (place, methods[method]["mean"])
                for place, methods in enumerate(scores.values())
                if method in methods
            ]
            if points:
                axes.plot(*zip(*points, strict=True), "o-", ms=3, color=colour, label=method)
        axes.set_xticks(range(len(scores)), list(scores))
        axes.set_title(label)
        axes.set_xlabel("samples")
        axes.set_ylabel("mean Spearman")
    panels[0].legend(fontsize=7)
    return figure
