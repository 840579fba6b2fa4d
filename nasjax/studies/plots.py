"""A study's pictures: how good the incumbent is after each query, and how far from the optimum."""

import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nasjax.reports import figures
from nasjax.reports.figures import BLUE, GREEN, GREY, ORANGE, PAGE, PAPER, PURPLE, RED, Inks
from nasjax.studies.aggregate import Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MOST_COLOURED = 8  # labels drawn apart; the reference is always one of them
COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, "#56b4e9", "#8c613c")  # sky blue and brown
NO_REGRET = 1e-9  # below it two accuracies are equal: sums of float64 differ in their last bits
WIDTH = 8.6  # inches
LEGEND_CHARACTERS = 105  # about as many fit in WIDTH


class Picture(NamedTuple):
    """What one picture shows."""

    curves: dict[str, Curve]  # label -> curve, from the best to the worst
    reference: str
    optimum: float  # the best reported accuracy of the table


def anytime_svg(picture: Picture, name: str) -> str:
    """An <svg> element in the page's colours; its ids begin with `name`."""
    return as_svg(lambda inks: _anytime(picture, inks), name)


def anytime_png(picture: Picture, path: pathlib.Path) -> None:
    """Write the picture on white; raises OSError."""
    as_png(lambda inks: _anytime(picture, inks), path)


def as_svg(draw: Callable[[Inks], "Figure"], name: str) -> str:
    """What `draw` draws as an <svg> element in the page's colours; its ids begin with `name`."""
    with figures.style(PAGE):
        return figures.to_svg(draw(PAGE), name)


def as_png(draw: Callable[[Inks], "Figure"], path: pathlib.Path) -> None:
    """Write what `draw` draws on white; raises OSError."""
    with figures.style(PAPER):
        figure = draw(PAPER)
        figure.set_facecolor("white")
        figure.savefig(path, format="png", dpi=200)


def drawn_apart(picture: Picture) -> list[str]:
    """The labels with a colour and a band: the reference and the best others, best first."""
    others = [label for label in picture.curves if label != picture.reference]
    kept = {picture.reference, *others[: MOST_COLOURED - 1]}
    return [label for label in picture.curves if label in kept]


def _anytime(picture: Picture, inks: Inks) -> "Figure":
    """Accuracy and regret side by side; the best and the reference with bands, others in grey."""
    figure, (left, right) = figures.canvas(WIDTH, 3.7, 2, 2)
    apart, colours = drawn_apart(picture), iter(COLOURS)
    looks: dict[str, dict[str, Any]] = {
        label: dict(color=inks.ink, ls=(0, (3, 1.2)))
        if label == picture.reference
        else dict(color=next(colours))
        for label in apart
    }
    handles: dict[str, Line2D] = {}
    grey = [label for label in picture.curves if label not in looks]
    for label in [*grey, *reversed(apart)]:  # what is drawn later lies on top
        curve, look = picture.curves[label], looks.get(label)
        for axes, line, low, high in _panels(left, right, curve, picture.optimum):
            if look:
                colour = look["color"]
                axes.fill_between(curve.queries, low, high, color=colour, alpha=0.13, lw=0)
            style = look or dict(color=GREY, lw=0.7, alpha=0.7)
            dot = "." if len(curve.queries) == 1 else ""
            handles[label] = axes.plot(curve.queries, line, marker=dot, **style)[0]
    _scale(left, right, [picture.curves[label] for label in apart], picture.optimum, inks)
    _legend(figure, picture, handles, inks)
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


def _legend(figure: "Figure", picture: Picture, handles: dict[str, "Line2D"], inks: Inks) -> None:
    """Below both panels, from the best to the worst; as many columns as the labels leave room."""
    from matplotlib.lines import Line2D

    # a "$" would begin a formula
    named = {label.replace("$", r"\$"): handles[label] for label in drawn_apart(picture)}
    if others := len(handles) - len(named):
        named[f"{others} others"] = Line2D([], [], color=GREY, lw=0.7)
    named["optimum of the table"] = Line2D([], [], color=inks.muted, lw=1, ls=":")
    longest = max(map(len, named))
    figure.legend(
        named.values(),
        named.keys(),
        loc="outside lower center",
        ncols=max(1, min(4, LEGEND_CHARACTERS // (longest + 6))),
        frameon=False,
        handlelength=1.9,
        columnspacing=1.4,
    )
