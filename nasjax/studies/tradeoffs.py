"""Pictures of accuracy against a cost: where answers lie, and how fast searches get there."""

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nasjax.reports import figures
from nasjax.reports.figures import GREY, Inks
from nasjax.run_report.costs import pareto_front
from nasjax.studies import pareto, plots, statistics
from nasjax.studies.aggregate import Curve, curve
from nasjax.studies.answers import answers, best_reported
from nasjax.studies.cell import Cell
from nasjax.studies.returns import return_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "o^sDvP*X"  # of quantiles, from the lowest
DASHES = ("-", (0, (5, 1.5, 1, 1.5)))  # of labels beyond the seventh
CURVE_POINTS = 60


class Lying(NamedTuple):
    """Quartiles of a cell's answers over the seeds that have one, [3] each; NaN if none has."""

    costs: np.ndarray
    accuracy: np.ndarray  # reported


class Progress(NamedTuple):
    """What searches under one constraint found: by label."""

    quantile: float
    target: float  # in the cost's unit
    best: float  # the greatest reported accuracy of the table's rows that keep it
    lying: dict[str, Lying]
    accuracy: dict[str, Curve]  # reported, of the best feasible row
    hypervolume: dict[str, Curve]
    returns: dict[str, Curve]


class Tradeoff(NamedTuple):
    """All about one cost on one table with one budget."""

    cost: str
    front_costs: np.ndarray  # [F] of the table's best trade-offs by reported accuracy
    front_accuracy: np.ndarray  # [F]
    labels: Sequence[str]
    reference: str
    progress: Sequence[Progress]  # quantiles ascending


def tradeoff(cells: Sequence[Cell], reference: str) -> Tradeoff:
    """What the pictures show, of cells that share all but their label and their quantile.

    Some row of the table keeps each cell's constraint.
    """
    first = cells[0]
    assert first.constraint is not None
    cost, costs = first.constraint.cost, first.constraint.costs
    front = pareto_front(costs, first.reported_accuracy)
    by_quantile: dict[float, list[Cell]] = {}
    for cell in cells:
        assert cell.constraint is not None
        by_quantile.setdefault(cell.constraint.quantile, []).append(cell)
    progress = [_progress(by_quantile[quantile]) for quantile in sorted(by_quantile)]
    labels = tuple(dict.fromkeys(cell.label for cell in cells))
    return Tradeoff(cost, costs[front], first.reported_accuracy[front], labels, reference, progress)


def _progress(cells: Sequence[Cell]) -> Progress:
    first = cells[0].constraint
    assert first is not None
    return Progress(
        first.quantile,
        first.target,
        best_reported(cells[0]),
        {cell.label: lying(cell) for cell in cells},
        {cell.label: curve(cell, points=CURVE_POINTS) for cell in cells},
        {cell.label: pareto.hypervolume_curve(cell) for cell in cells},
        {cell.label: return_curve(cell) for cell in cells},
    )


def lying(cell: Cell) -> Lying:
    """Where the cell's answers lie."""
    assert cell.constraint is not None
    rows = answers(cell)
    return Lying(*(_quartiles(rows, of) for of in (cell.constraint.costs, cell.reported_accuracy)))


def _quartiles(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    found = statistics.look_up(rows, values)
    known = found[np.isfinite(found)]
    return np.quantile(known, (0.25, 0.5, 0.75)) if len(known) else np.full(3, np.nan)


# --- pictures -----------------------------------------------------------------------------------


def front_svg(shown: Tradeoff, name: str) -> str:
    """Cost against accuracy; see `plots.as_svg`."""
    return plots.as_svg(lambda inks: _front(shown, inks), name)


def front_png(shown: Tradeoff, path: pathlib.Path) -> None:
    """Cost against accuracy; see `plots.as_png`."""
    plots.as_png(lambda inks: _front(shown, inks), path)


def progress_svg(shown: Tradeoff, name: str) -> str:
    """Accuracy, hypervolume and return over queries; see `plots.as_svg`."""
    return plots.as_svg(lambda inks: _curves(shown, inks), name)


def progress_png(shown: Tradeoff, path: pathlib.Path) -> None:
    """Accuracy, hypervolume and return over queries; see `plots.as_png`."""
    plots.as_png(lambda inks: _curves(shown, inks), path)


def _looks(shown: Tradeoff, inks: Inks) -> dict[str, dict[str, Any]]:
    """How each label is drawn: the reference dashed, fourteen others apart, what is left grey."""
    styles: list[dict[str, Any]] = [
        {"color": colour, "ls": dash} for dash in DASHES for colour in plots.COLOURS
    ]
    looks: dict[str, dict[str, Any]] = {}
    for label in shown.labels:
        if label == shown.reference:
            looks[label] = {"color": inks.ink, "ls": (0, (3, 1.2))}
        else:
            looks[label] = styles.pop(0) if styles else {"color": GREY, "ls": "-"}
    return looks


def _front(shown: Tradeoff, inks: Inks) -> "Figure":
    figure, (axes,) = figures.canvas(plots.WIDTH, 4.2)
    looks = _looks(shown, inks)
    axes.step(shown.front_costs, shown.front_accuracy, where="post", color=inks.muted, lw=1)
    found: list[float] = []
    prices = [each.target for each in shown.progress]
    for marker, each in zip(MARKERS * len(shown.progress), shown.progress, strict=False):
        axes.axvline(each.target, color=inks.muted, lw=1, ls=":", zorder=1)
        for label, (costs, accuracy) in each.lying.items():
            if np.isfinite(costs).all() and np.isfinite(accuracy).all():
                x, y = costs[1], accuracy[1]
                colour = looks[label]["color"]
                axes.hlines(y, costs[0], costs[2], color=colour, lw=0.9, alpha=0.7)
                axes.vlines(x, accuracy[0], accuracy[2], color=colour, lw=0.9, alpha=0.7)
                full = colour if looks[label]["ls"] != DASHES[1] else "none"
                axes.plot(x, y, marker, ms=5, color=colour, mfc=full)
                found += accuracy.tolist()
                prices += costs.tolist()
    _percent(axes, [*found, *(each.best for each in shown.progress)])
    span = max(prices) - min(prices) or 1.0
    axes.set(xlabel=shown.cost.replace("$", r"\$"), ylabel="reported accuracy")
    axes.set_xlim(min(prices) - 0.2 * span, max(prices) + 0.1 * span)
    _legend(figure, shown, looks, inks, with_markers=True)
    return figure


def _curves(shown: Tradeoff, inks: Inks) -> "Figure":
    """Three rows of panels, a column for each quantile."""
    count = len(shown.progress)
    figure, axes = figures.canvas(plots.WIDTH, 7.2, count, 3 * count)
    looks = _looks(shown, inks)
    for column, each in enumerate(shown.progress):
        upper, middle, lower = axes[column::count]
        upper.set_title(f"at most {each.target:.4g} ({100 * each.quantile:g} %)")
        _panel(upper, each.accuracy, looks)
        late = [c.mean[c.queries >= c.queries[-1] ** 0.2] for c in each.accuracy.values()]
        _percent(upper, [*np.concatenate(late), each.best])
        upper.axhline(each.best, color=inks.muted, lw=1, ls=":", zorder=1)
        _panel(middle, each.hypervolume, looks)
        _panel(lower, each.returns, looks)
        lower.set_xlabel("queries")
    axes[0].set_ylabel("accuracy of the best feasible")
    axes[count].set_ylabel("hypervolume")
    axes[2 * count].set_ylabel("return")
    _legend(figure, shown, looks, inks, with_markers=False)
    return figure


def _panel(axes: "Axes", curves: dict[str, Curve], looks: dict[str, dict[str, Any]]) -> None:
    for label, each in curves.items():
        look = looks[label]
        axes.fill_between(each.queries, each.low, each.high, color=look["color"], alpha=0.12, lw=0)
        dot = "." if len(each.queries) == 1 else ""
        axes.plot(each.queries, each.mean, marker=dot, lw=1.2, **look)
    budget = max(int(each.queries[-1]) for each in curves.values())
    axes.set(xscale="log", xlim=(1, max(budget, 2)))
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")


def _percent(axes: "Axes", values: Sequence[float]) -> None:
    """The y axis in per cent, around what is finite of the values."""
    known = [value for value in values if np.isfinite(value)]
    pad = 0.08 * (max(known) - min(known)) or 0.01
    axes.set_ylim(min(known) - pad, max(known) + pad)
    axes.yaxis.set_major_formatter(lambda y, _: f"{100 * y:.4g} %")


def _legend(
    figure: "Figure",
    shown: Tradeoff,
    looks: dict[str, dict[str, Any]],
    inks: Inks,
    *,
    with_markers: bool,
) -> None:
    from matplotlib.lines import Line2D

    # a "$" would begin a formula
    named = {label.replace("$", r"\$"): Line2D([], [], **look) for label, look in looks.items()}
    if with_markers:
        for marker, each in zip(MARKERS * len(shown.progress), shown.progress, strict=False):
            words = f"answers at most {each.target:.4g}"
            named[words] = Line2D([], [], color=inks.muted, marker=marker, ls="", ms=5)
        named["best of the table"] = Line2D([], [], color=inks.muted, lw=1)
    figure.legend(
        named.values(),
        named.keys(),
        loc="outside lower center",
        ncols=max(1, min(5, plots.LEGEND_CHARACTERS // (max(map(len, named)) + 6))),
        frameon=False,
        handlelength=2.4,
        columnspacing=1.4,
    )
