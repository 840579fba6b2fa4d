"""Draws a study's pictures from its analysis.

Without a constraint: the incumbent's accuracy after each query, and its regret. Under constraints:
accuracy against a cost, and how fast searches get there.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nasjax.reports import figures
from nasjax.reports.figures import GREY, SERIES_COLOURS, Inks
from nasjax.studies.analysis.tradeoffs import Curve, Progress, Tradeoff

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MOST_COLOURED = 8  # labels drawn apart; the reference is always one of them
NO_REGRET = 1e-9  # below it two accuracies are equal: sums of float64 differ in their last bits
WIDTH = 8.6  # inches
LEGEND_CHARACTERS = 105  # about as many fit in WIDTH
REFERENCE_DASHES = (0, (3, 1.2))
MARKERS = "o^sDvP*X"  # of quantiles, from the lowest
DASHES = ("-", (0, (5, 1.5, 1, 1.5)))  # of labels beyond the seventh

Looks = dict[str, dict[str, Any]]  # label -> how its lines are drawn


def drawn_apart(labels: Sequence[str], reference: str) -> list[str]:
    """The labels with a colour and a band: the reference and the best others, best first."""
    others = [label for label in labels if label != reference]
    kept = {reference, *others[: MOST_COLOURED - 1]}
    return [label for label in labels if label in kept]


def _looks(labels: Sequence[str], reference: str, inks: Inks) -> Looks:
    """The reference is dashed, fourteen others have a look of their own, the rest is grey."""
    styles = ({"color": colour, "ls": dash} for dash in DASHES for colour in SERIES_COLOURS)
    drawn_grey, dashed = {"color": GREY, "ls": "-"}, {"color": inks.ink, "ls": REFERENCE_DASHES}
    return {label: dashed if label == reference else next(styles, drawn_grey) for label in labels}


# --- without a constraint -----------------------------------------------------------------------


def anytime(inks: Inks, curves: dict[str, Curve], *, reference: str, optimum: float) -> "Figure":
    """Accuracy and regret side by side; the best and the reference with bands, others in grey.

    Args:
      curves: by label, from the best to the worst; optimum: the table's best reported accuracy.
    """
    figure, (left, right) = figures.canvas(WIDTH, 3.7, 2, 2)
    apart = drawn_apart(list(curves), reference)
    looks = _looks(apart, reference, inks)
    handles: dict[str, Line2D] = {}
    grey = [label for label in curves if label not in looks]
    for label in [*grey, *reversed(apart)]:  # what is drawn later lies on top
        curve, look = curves[label], looks.get(label)
        for axes, line, low, high in _panels(left, right, curve, optimum):
            if look:
                colour = look["color"]
                axes.fill_between(curve.queries, low, high, color=colour, alpha=0.13, lw=0)
            style = look or dict(color=GREY, lw=0.7, alpha=0.7)
            dot = "." if len(curve.queries) == 1 else ""
            handles[label] = axes.plot(curve.queries, line, marker=dot, **style)[0]
    _scale(left, right, [curves[label] for label in apart], optimum, inks)
    named = {label: handles[label] for label in apart}
    if grey:
        named[f"{len(grey)} others"] = _line(color=GREY, lw=0.7)
    named["optimum of the table"] = _line(color=inks.muted, lw=1, ls=":")
    _legend(figure, named, columns=4, handle_length=1.9)
    return figure


def _panels(left: "Axes", right: "Axes", curve: Curve, optimum: float) -> list[tuple[Any, ...]]:
    """(axes, line, lower bound, upper bound) of both panels; a log scale clips a regret of 0."""
    regret = [100 * (optimum - accuracy) for accuracy in (curve.mean, curve.high, curve.low)]
    return [(left, curve.mean, curve.low, curve.high), (right, *regret)]


def _scale(left: "Axes", right: "Axes", curves: list[Curve], optimum: float, inks: Inks) -> None:
    """Axes that fit the coloured means, but for a first fifth of the log axis: their steep part."""
    from matplotlib.ticker import LogLocator

    budget = int(curves[0].queries[-1])
    for axes in (left, right):
        axes.set(xscale="log", xlabel="queries", xlim=(1, max(budget, 2)))
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    means = np.concatenate([c.mean[c.queries >= budget**0.2] for c in curves])
    means = means[np.isfinite(means)]
    figures.accuracy_scale(left, [*means, optimum])
    left.axhline(optimum, color=inks.muted, lw=1, ls=":", zorder=1)
    left.set(ylabel="reported accuracy of the incumbent")
    regret = optimum - means
    shown = 100 * regret[regret > NO_REGRET] if (regret > NO_REGRET).any() else np.ones(1)
    right.set_ylim(shown.min() / 1.5, shown.max() * 1.3)  # first: a log scale refuses no data
    right.set(yscale="log", ylabel="regret, percentage points")
    right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
    right.yaxis.minorticks_off()
    right.yaxis.set_major_formatter(lambda y, _: f"{y:g}")


# --- under constraints --------------------------------------------------------------------------


def front(inks: Inks, shown: Tradeoff, *, reference: str) -> "Figure":
    """Cost against accuracy: the table's Pareto front, and quartiles of the incumbents."""
    figure, (axes,) = figures.canvas(WIDTH, 4.2)
    looks = _looks(shown.labels, reference, inks)
    axes.step(shown.front_costs, shown.front_accuracy, where="post", color=inks.muted, lw=1)
    found: list[float] = []
    prices = [each.max_cost for each in shown.progress]
    for marker, each in _marked(shown):
        axes.axvline(each.max_cost, color=inks.muted, lw=1, ls=":", zorder=1)
        for label, (costs, accuracy) in each.incumbents.items():
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
    named = {label: _line(**look) for label, look in looks.items()}
    for marker, each in _marked(shown):
        words = f"answers at most {each.max_cost:.4g}"
        named[words] = _line(color=inks.muted, marker=marker, ls="", ms=5)
    named["best of the table"] = _line(color=inks.muted, lw=1)
    _legend(figure, named, columns=5, handle_length=2.4)
    return figure


def progress(inks: Inks, shown: Tradeoff, *, reference: str) -> "Figure":
    """Accuracy, hypervolume and return over queries: three rows of panels, a column a quantile."""
    count = len(shown.progress)
    figure, axes = figures.canvas(WIDTH, 7.2, count, 3 * count)
    looks = _looks(shown.labels, reference, inks)
    for column, each in enumerate(shown.progress):
        upper, middle, lower = axes[column::count]
        upper.set_title(f"at most {each.max_cost:.4g} ({100 * each.quantile:g} %)")
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
    named = {label: _line(**look) for label, look in looks.items()}
    _legend(figure, named, columns=5, handle_length=2.4)
    return figure


def _panel(axes: "Axes", curves: dict[str, Curve], looks: Looks) -> None:
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


def _marked(shown: Tradeoff) -> list[tuple[str, Progress]]:
    """Each constraint with its marker."""
    return list(zip(MARKERS * len(shown.progress), shown.progress, strict=False))


# --- legends ------------------------------------------------------------------------------------


def _line(**look: Any) -> "Line2D":
    from matplotlib.lines import Line2D

    return Line2D([], [], **look)


def _legend(
    figure: "Figure", named: "dict[str, Line2D]", *, columns: int, handle_length: float
) -> None:
    """Below the panels; as many columns as the labels leave room, at most `columns`."""
    texts = [label.replace("$", r"\$") for label in named]  # a "$" would begin a formula
    figure.legend(
        list(named.values()),
        texts,
        loc="outside lower center",
        ncols=max(1, min(columns, LEGEND_CHARACTERS // (max(map(len, texts)) + 6))),
        frameon=False,
        handlelength=handle_length,
        columnspacing=1.4,
    )
