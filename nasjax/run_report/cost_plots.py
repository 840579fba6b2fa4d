"""The pictures of device costs and of shaping in a run's report, in the style of `figures`."""

import numpy as np

from nasjax.reports import figures
from nasjax.reports.figures import BLUE, GREEN, GREY, ORANGE, RED
from nasjax.run_report.facts import Best, Shaping, Tradeoff

COLOURS = (BLUE, ORANGE, GREEN, RED, GREY)
MANY_FOLD = 30  # costs that nine tenths of the rows differ by call for a logarithmic axis
LONG_NAME = 34  # characters of a name that a legend beside another has room for


def tradeoff(found: Tradeoff, best: Best | None, best_cost: float | None) -> str:
    """Accuracy against the first cost: all rows, the front, the limit as a line, the answer."""
    with figures.style(figures.PAGE):
        figure, (axes,) = figures.canvas(8.6, 3.6)
        many = len(found.cost) > 3000
        count = f"{len(found.cost):,} rows"
        axes.scatter(
            found.cost, found.accuracy, s=9, color=GREY, lw=0, label=count, rasterized=many
        )
        front = found.cost[found.front], found.accuracy[found.front]
        label = "the run's Pareto front"
        axes.plot(*front, color=BLUE, marker=".", drawstyle="steps-post", label=label)
        if found.max_cost is not None:
            axes.axvline(found.max_cost, color=RED, lw=1.2, ls=(0, (4, 3)), label="search.max_cost")
        if best is not None and best_cost is not None:
            axes.scatter(
                [best_cost],
                [best.accuracy],
                s=70,
                marker="*",
                color=ORANGE,
                label="answer",
                zorder=4,
            )
        axes.set(xlabel=found.name, ylabel="validation accuracy")
        low, high = np.quantile(found.cost, [0.05, 0.95])
        if found.cost.min() > 0 and high > MANY_FOLD * low:
            axes.set_xscale("log")
        figures.accuracy_scale(axes, found.accuracy)
        figures.legend(axes, columns=4)
        return figures.to_svg(figure, "tradeoff")


def curves(found: Shaping) -> str:
    """Epsilons and losses over the rounds, side by side."""
    with figures.style(figures.PAGE):
        figure, grid = figures.canvas(8.6, 3.0, 2, 2)
        for axes, lines, title in zip(
            grid, (found.epsilons, found.losses), ("epsilon", "loss"), strict=True
        ):
            for i, (name, (rounds, values)) in enumerate(lines.items()):
                shown = name if len(name) <= LONG_NAME else f"…{name[1 - LONG_NAME :]}"
                axes.plot(rounds, values, color=COLOURS[i % len(COLOURS)], lw=1.2, label=shown)
            axes.set(xlabel="round", ylabel=title)
            axes.locator_params(axis="x", integer=True)
            if lines:
                figures.legend(axes, columns=1)
        return figures.to_svg(figure, "shaping-curves")


def decisions(found: Shaping) -> str:
    """Heat map: how far the potentials set a slot's choices apart; marks: another one was made."""
    slots, columns = found.changed.shape
    with figures.style(figures.PAGE):
        figure, (axes,) = figures.canvas(8.6, 0.9 + 0.26 * slots)
        image = axes.imshow(
            found.potential_spread, cmap="cividis", vmin=0.0, aspect="auto", interpolation="none"
        )
        slot, column = np.nonzero(found.changed == 1)
        size = min(20.0, 1500.0 / columns)
        axes.scatter(column, slot, s=size, color="white", edgecolors="black", lw=0.6)
        axes.set_yticks(range(slots), found.slots)
        step = max(1, -(-columns // 12))
        shown = range(0, columns, step)
        axes.set_xticks(shown, [str(found.rounds[c]) for c in shown])
        axes.set(xlabel="round", ylabel="slot")
        axes.grid(False)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        bar = figure.colorbar(image, ax=axes, pad=0.01)
        bar.outline.set_visible(False)
        bar.set_label("potentials' spread")
        return figures.to_svg(figure, "decisions")
