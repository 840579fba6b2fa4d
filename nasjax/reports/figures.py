"""The style of all figures, and their SVG text, which follows the colours of a page.

Text stays text. Ink, grid and muted colours are drawn in stand-in colours and replaced by CSS
variables, so that one picture reads well on a light and on a dark page. The colours of series are
from Okabe and Ito's palette, which is safe for colour-blind readers. matplotlib is imported on use.
"""

import contextlib
import io
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, PURPLE, GREY = (
    "#0072b2",
    "#e69f00",
    "#009e73",
    "#d55e00",
    "#cc79a7",
    "#8b929c",
)
SERIES_COLOURS = (BLUE, RED, GREEN, ORANGE, PURPLE, "#56b4e9", "#8c613c")  # sky blue and brown


class Inks(NamedTuple):
    """The colours of text, of secondary text and of lines behind the data."""

    ink: str
    muted: str
    grid: str


PAGE = Inks("#010203", "#040506", "#070809")  # stand-ins, replaced by CSS variables
PAPER = Inks("#1b1f24", "#57606a", "#d9dee3")
VARIABLES = {PAGE.ink: "var(--ink)", PAGE.muted: "var(--muted)", PAGE.grid: "var(--grid)"}


# matplotlib's settings in all figures; values that name a field of `Inks` stand for its colour.
STYLE = {
    "svg.fonttype": "none",
    "font.size": 9,
    "lines.linewidth": 1.5,
    "text.color": "ink",
    "axes.titlesize": 9,
    "axes.titlecolor": "ink",
    "axes.labelcolor": "muted",
    "axes.edgecolor": "grid",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "grid",
    "grid.linewidth": 0.7,
    "xtick.color": "grid",
    "xtick.labelcolor": "muted",
    "ytick.color": "grid",
    "ytick.labelcolor": "muted",
}


@contextlib.contextmanager
def style(inks: Inks) -> Iterator[None]:
    """Draws figures in the one style, in these inks."""
    import matplotlib

    colours = inks._asdict()
    settings: Any = {key: colours.get(str(value), value) for key, value in STYLE.items()}
    with matplotlib.rc_context(settings):
        yield


def canvas(
    width: float, height: float, columns: int = 1, panels: int = 1
) -> "tuple[Figure, list[Axes]]":
    """A transparent figure, width x height inches, of `panels` axes in rows of `columns`."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_alpha(0.0)
    rows = math.ceil(panels / columns)
    grid = figure.add_gridspec(rows, columns)
    axes = [figure.add_subplot(grid[divmod(i, columns)]) for i in range(panels)]
    for each in axes:
        each.patch.set_alpha(0.0)
    return figure, axes


def to_svg(figure: "Figure", name: str) -> str:
    """A figure in the inks PAGE as an <svg> element: CSS variables, no metadata.

    All ids begin with `name`, which is unique in the report.
    """
    import matplotlib

    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(text, format="svg", dpi=150, metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r"url\(#", f"url(#{name}-", svg)
    svg = re.sub(r'href="#', f'href="#{name}-', svg)
    svg = re.sub(r"(font: [^\"';]*?px)[^\";]*", r"\1 var(--sans)", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, variable)
    return re.sub(r"\n\s*", "\n", svg)


def accuracy_scale(axes: "Axes", values: Sequence[float] | np.ndarray) -> None:
    """Labels the y axis in per cent, stretched towards 100 % where good models would crowd.

    Fits the accuracies `values` in [0, 1]; NaN is left out.
    """
    finite = np.array([v for v in values if math.isfinite(v)] or [0.0, 1.0])
    low, high = float(finite.min()), float(finite.max())
    if high > 0.9 and low < 0.9:
        ticks = [t for t in (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1) if low - 0.1 <= t]
        axes.set_yscale(
            "function",
            functions=(
                lambda a: -np.log10(1.01 - np.minimum(a, 1.0)),
                lambda y: 1.01 - 10 ** -np.asarray(y, float),
            ),
        )
        axes.set_yticks(ticks, [f"{100 * t:.0f} %" for t in ticks])
        axes.set_ylim(max(0.0, low - 0.05), min(1.0, high + 0.2 * (1.01 - high) + 0.002))
        axes.yaxis.minorticks_off()
    else:
        pad = max(0.01, 0.08 * (high - low))
        axes.set_ylim(low - pad, high + pad)
        axes.yaxis.set_major_formatter(lambda v, _: f"{100 * v:.4g} %")


def legend(axes: "Axes", *, columns: int) -> None:
    """Adds a legend above the axes, flush left, without a frame."""
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        borderaxespad=0.2,
        ncols=columns,
        frameon=False,
        handlelength=1.4,
        markerscale=1.5,
        columnspacing=1.4,
    )
