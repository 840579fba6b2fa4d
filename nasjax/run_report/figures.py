"""Draws the pictures of a run's report."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from nasjax.reports import figures
from nasjax.reports.figures import BLUE, GREEN, GREY, ORANGE, RED, Inks
from nasjax.reports.render import Picture
from nasjax.run_report.costs import Curves, Shaping, Tradeoff
from nasjax.run_report.run_facts import Attention, Best, RunFacts
from nasjax.run_report.statistics import PairCount

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 8.6  # inches
VECTOR_POINTS = 3000  # a scatter with more is embedded as a picture, which bounds the page's size
MANY_FOLD = 30  # a cost whose middle 90 % span a larger factor has a logarithmic axis
LONG_NAME = 34  # characters of a name that a legend beside another one has room for
DASHED = (0, (4, 3))
KIND_COLOURS = {"conv": BLUE, "pool": GREEN, "fc": ORANGE, "stop": GREY}
COST_COLOURS = (BLUE, ORANGE, GREEN, RED, GREY)
ROLES = {  # role -> (label, colour, size, order); the important ones are drawn last
    "backup": ("back-up", GREY, 7, 1),
    "prefix": ("intermediate prefix", ORANGE, 9, 2),
    "final": ("final model", BLUE, 13, 3),
    "validate": ("noise-free", GREEN, 13, 4),
    "failed": ("not built or trained", RED, 18, 4),
}


def pictures(run: RunFacts) -> dict[str, Picture]:
    """The pictures that the report of this run shows, by name."""
    found: dict[str, Picture] = {}

    def add(name: str, alternative: str, draw: Callable[[Inks], "Figure"]) -> None:
        found[name] = Picture(name, f"figures/{name}.png", alternative, draw)

    if run.curve:
        add("curve", "Accuracy in each round", lambda inks: _learning_curve(run))
    if run.events.candidates:
        add("scatter", "Accuracy of every candidate", lambda inks: _scatter(run))
    if found_costs := run.tradeoff:
        add("tradeoff", "Accuracy against cost", lambda inks: _tradeoff(found_costs, run.best))
    if any(run.kinds):
        add("kinds", "Kinds of layers at each position", lambda inks: _kinds(run))
    if run.pairs:
        add("pairs", "How often a layer lost accuracy", lambda inks: _pairs(run.pairs, inks))
    if shaping := run.shaping:
        add("shaping-curves", "Epsilons and losses", lambda inks: _shaping_curves(shaping))
        if shaping.rounds:
            add("decisions", "Choices that shaping changed", lambda inks: _decisions(shaping))
    elif metrics := _metrics(run):
        add("metrics", "Metrics of the learner", lambda inks: _small_multiples(metrics))
    if attention := run.attention:
        actor, critic = attention.actor[-1], attention.critic[-1]
        name = "Attention of the {} in the last step"
        add("heads-actor", name.format("actor"), lambda inks: _attention_heads(attention, actor))
        add("heads-critic", name.format("critic"), lambda inks: _attention_heads(attention, critic))
        add("steps", "Attention in each step", lambda inks: _attention_steps(attention))
    return found


def overview(run: RunFacts) -> "Figure":
    """The learning curve above the accuracies of all candidates."""
    figure, (top, bottom) = figures.canvas(WIDTH, 6.4, 1, 2)
    _draw_curve(top, run)
    _draw_scatter(bottom, run)
    return figure


def _learning_curve(run: RunFacts) -> "Figure":
    figure, (axes,) = figures.canvas(WIDTH, 3.3)
    _draw_curve(axes, run)
    return figure


def _scatter(run: RunFacts) -> "Figure":
    figure, (axes,) = figures.canvas(WIDTH, 3.3)
    _draw_scatter(axes, run)
    return figure


def _draw_curve(axes: "Axes", run: RunFacts) -> None:
    """Accuracy of the incumbent and mean accuracy per round, noise-free models as marks."""
    rounds = [point.round for point in run.curve]
    best, mean = [point.best for point in run.curve], [point.mean for point in run.curve]
    marks = [(point.round, accuracy) for point in run.curve for accuracy in point.noise_free]
    dots = "." if len(rounds) < 40 else ""
    axes.plot(rounds, best, color=BLUE, lw=2, drawstyle="steps-post", label="best so far")
    axes.plot(rounds, mean, color=ORANGE, marker=dots, label="grown, mean")
    if marks:
        x, y = zip(*marks, strict=True)
        axes.scatter(x, y, s=26, color=GREEN, label="noise-free", zorder=4)
    start = next((row.round for row in run.events.rounds if row.updates > 0), None)
    if start is not None:
        axes.axvline(start, color=RED, lw=1.2, ls=DASHED, label="learning starts", zorder=1)
    axes.set(xlabel="round", ylabel="validation accuracy")
    axes.locator_params(axis="x", integer=True)
    figures.accuracy_scale(axes, [*best, *mean, *(accuracy for _, accuracy in marks)])
    figures.legend(axes, columns=4)


def _draw_scatter(axes: "Axes", run: RunFacts) -> None:
    """Accuracy of every candidate over the index of its query; those that failed at the bottom."""
    index = np.cumsum([row.purpose != "validate" for row in run.events.candidates])
    accuracy = np.array([row.accuracy for row in run.events.candidates])
    roles = np.array(run.roles)
    for role, (label, colour, size, order) in ROLES.items():
        rows = roles == role
        if not rows.any():
            continue
        failed = role == "failed"
        # x in data units; y, for failed rows, as a share of the height of the axes
        place = axes.get_xaxis_transform() if failed else axes.transData
        axes.scatter(
            index[rows],
            np.full(rows.sum(), 0.03) if failed else accuracy[rows],
            transform=place,
            s=size,
            color=colour,
            marker="x" if failed else "o",
            lw=1.0 if failed else 0,
            alpha=0.85,
            zorder=order,
            label=f"{label} ({rows.sum():,})",
            rasterized=len(roles) > VECTOR_POINTS,
        )
    axes.set(xlabel="query", ylabel="validation accuracy")
    figures.accuracy_scale(axes, accuracy[roles != "failed"])
    low, high = (axes.yaxis.get_transform().transform(y) for y in axes.get_ylim())
    floor = axes.yaxis.get_transform().inverted().transform(low - 0.09 * (high - low))
    axes.set_ylim(bottom=float(floor))  # room for the marks of failed rows
    figures.legend(axes, columns=3)


def _tradeoff(found: Tradeoff, best: Best | None) -> "Figure":
    """Accuracy against the first cost: all rows, the Pareto front, the bound, the answer."""
    figure, (axes,) = figures.canvas(WIDTH, 3.6)
    axes.scatter(
        found.cost,
        found.accuracy,
        s=9,
        color=GREY,
        lw=0,
        label=f"{len(found.cost):,} rows",
        rasterized=len(found.cost) > VECTOR_POINTS,
    )
    cost, accuracy = found.cost[found.front], found.accuracy[found.front]
    label = "the run's Pareto front"
    axes.plot(cost, accuracy, color=BLUE, marker=".", drawstyle="steps-post", label=label)
    if found.max_cost is not None:
        axes.axvline(found.max_cost, color=RED, lw=1.2, ls=DASHED, label="search.max_cost")
    if best is not None and found.name in best.costs:
        x, y = [best.costs[found.name]], [best.accuracy]
        axes.scatter(x, y, s=70, marker="*", color=ORANGE, label="answer", zorder=4)
    axes.set(xlabel=found.name, ylabel="validation accuracy")
    low, high = np.quantile(found.cost, [0.05, 0.95])
    if found.cost.min() > 0 and high > MANY_FOLD * low:
        axes.set_xscale("log")
    figures.accuracy_scale(axes, found.accuracy)
    figures.legend(axes, columns=4)
    return figure


def _kinds(run: RunFacts) -> "Figure":
    """Stacked bars: the kinds of layers that the models had at each position."""
    figure, (axes,) = figures.canvas(WIDTH / 2, 3.3)
    positions = np.arange(1, len(run.kinds) + 1)
    total = max(sum(count.values()) for count in run.kinds)
    below = np.zeros(len(positions))
    for kind, colour in KIND_COLOURS.items():
        heights = np.array([count[kind] for count in run.kinds], float)
        bars = axes.bar(positions, heights, 0.78, bottom=below, color=colour, label=kind)
        numbers = [f"{height:.0f}" if height > 0.07 * total else "" for height in heights]
        ink = "white" if kind in ("conv", "pool") else "black"
        axes.bar_label(bars, numbers, label_type="center", color=ink)
        below += heights
    axes.set(xlabel="position in the architecture", ylabel="models", xticks=positions)
    axes.grid(False)
    figures.legend(axes, columns=4)
    return figure


def _pairs(found: dict[tuple[str, str], PairCount], inks: Inks) -> "Figure":
    """Heat map: the share of layers of a kind, after another kind, that lost accuracy."""
    from matplotlib import colormaps

    figure, (axes,) = figures.canvas(WIDTH / 2, 3.3)
    kinds = ("conv", "pool", "fc")
    for y, before in enumerate(kinds):
        for x, this in enumerate(kinds):
            pair = found.get((before, this), PairCount(0, 0, 0))
            text, colour = "–", inks.muted
            if pair.measured:
                share = pair.negative / pair.measured
                text = f"{100 * share:.0f} %\n{pair.negative} of {pair.measured}"
                colour = "white" if share < 0.6 else "black"
                face = colormaps["cividis"](share)
                axes.fill_between([x - 0.48, x + 0.48], y - 0.48, y + 0.48, color=face, lw=0)
            text += f"\n{pair.failed} failed" if pair.failed else ""
            axes.text(x, y, text, ha="center", va="center", color=colour)
    axes.set(xlim=(-0.5, 2.5), ylim=(2.5, -0.5), xlabel="this layer", ylabel="layer before it")
    axes.set_xticks(range(len(kinds)), kinds)
    axes.set_yticks(range(len(kinds)), kinds)
    _without_frame(axes)
    return figure


def _metrics(run: RunFacts) -> Curves:
    """The first twelve metrics of the learner, each over its number of updates."""
    rounds = [row for row in run.events.rounds if row.updates > 0]
    names = sorted(
        {name for row in rounds for name, value in row.metrics.items() if math.isfinite(value)}
    )
    found: Curves = {}
    for name in names[:12]:
        points = [(row.updates, row.metrics[name]) for row in rounds if name in row.metrics]
        found[name] = [x for x, _ in points], [y for _, y in points]
    return found


def _small_multiples(metrics: Curves) -> "Figure":
    rows = math.ceil(len(metrics) / 3)
    figure, grid = figures.canvas(WIDTH, 1.9 * rows, 3, len(metrics))
    for axes, (name, (updates, values)) in zip(grid, metrics.items(), strict=True):
        axes.plot(updates, values, color=BLUE, marker="." if len(updates) < 9 else "")
        axes.set_title(name.removeprefix("learn/"))
        axes.margins(y=0.12)
        axes.locator_params(nbins=4)
        axes.set_xlabel("updates")
    return figure


def _shaping_curves(found: Shaping) -> "Figure":
    """Epsilons and losses over the rounds, side by side."""
    figure, grid = figures.canvas(WIDTH, 3.0, 2, 2)
    shown = (("epsilon", found.epsilons), ("loss", found.losses))
    for axes, (title, curves) in zip(grid, shown, strict=True):
        for i, (name, (rounds, values)) in enumerate(curves.items()):
            label = name if len(name) <= LONG_NAME else f"…{name[1 - LONG_NAME :]}"
            colour = COST_COLOURS[i % len(COST_COLOURS)]
            axes.plot(rounds, values, color=colour, lw=1.2, label=label)
        axes.set(xlabel="round", ylabel=title)
        axes.locator_params(axis="x", integer=True)
        if curves:
            figures.legend(axes, columns=1)
    return figure


def _decisions(found: Shaping) -> "Figure":
    """Heat map: how far the potentials set a slot's choices apart; marks: it changed the choice."""
    slots, columns = found.changed.shape
    figure, (axes,) = figures.canvas(WIDTH, 0.9 + 0.26 * slots)
    image = axes.imshow(
        found.potential_spread, cmap="cividis", vmin=0.0, aspect="auto", interpolation="none"
    )
    slot, column = np.nonzero(found.changed == 1)
    size = min(20.0, 1500.0 / columns)
    axes.scatter(column, slot, s=size, color="white", edgecolors="black", lw=0.6)
    axes.set_yticks(range(slots), found.slots)
    labelled = range(0, columns, max(1, math.ceil(columns / 12)))
    axes.set_xticks(labelled, [str(found.rounds[i]) for i in labelled])
    axes.set(xlabel="round", ylabel="slot")
    _without_frame(axes)
    bar = figure.colorbar(image, ax=axes, pad=0.01)
    bar.outline.set_visible(False)
    bar.set_label("potentials' spread")
    return figure


def _attention_heads(found: Attention, weights: np.ndarray) -> "Figure":
    """A row of panels for each block: the mean over its heads, then every head.

    Args:
      found: names the layers.
      weights: [blocks, heads, L, L].
    """
    blocks, heads, size, _ = weights.shape
    panels = np.concatenate([weights.mean(1, keepdims=True), weights], axis=1)
    cell = 7.2 / ((heads + 1) * (size + 1))  # inches; the labels take the rest of the width
    figure, (axes,) = figures.canvas(WIDTH, 1.7 + cell * (blocks * (size + 2) - 2))
    left, top = _draw_tiles(axes, panels / weights.max((1, 2, 3))[:, None, None, None], gap=2)
    labels = [f"{i + 1} {layer or 'empty'}" for i, layer in enumerate(found.architecture)]
    axes.set_yticks([y + i for y in top for i in range(size)], labels * blocks)
    numbers = [str(i + 1) for i in range(size)] * heads
    axes.set_xticks([x + i for x in left for i in range(size)], labels + numbers)
    for tick in axes.get_xticklabels()[:size]:
        tick.set(rotation=50, ha="right", rotation_mode="anchor")
    for block, y in enumerate(top):
        axes.text(-0.5, y - 0.8, f"block {block + 1}, mean", va="bottom")
        for head, x in enumerate(left[1:], 1):
            axes.text(x - 0.5, y - 0.8, f"head {head}", va="bottom")
    axes.set(xlabel="key position", ylabel="query position")
    return figure


def _attention_steps(found: Attention) -> "Figure":
    """The mean over heads while the architecture grew: a column of panels for each step."""
    steps, blocks, _, size, _ = found.actor.shape
    sides = (("actor", found.actor), ("critic", found.critic))
    names = [f"{who}\nblock {block + 1}" for who, _ in sides for block in range(blocks)]
    means = np.concatenate([weights.mean(2).swapaxes(0, 1) for _, weights in sides])
    figure, (axes,) = figures.canvas(min(WIDTH, 1.0 + 1.27 * steps), 0.7 + 1.2 * len(names))
    left, top = _draw_tiles(axes, means / means.max((1, 2, 3), keepdims=True), gap=1)
    for step, (x, layer) in enumerate(zip(left, found.added, strict=True)):
        axes.text(x - 0.5, -0.8, f"{step + 1} {layer}", va="bottom", size=7.5)
    numbers = [str(i + 1) for i in range(size)] * steps
    axes.set_xticks([x + i for x in left for i in range(size)], numbers)
    axes.set_yticks([y + (size - 1) / 2 for y in top], names)
    axes.set(xlabel="key position")
    return figure


def _draw_tiles(axes: "Axes", panels: np.ndarray, *, gap: int) -> tuple[list[int], list[int]]:
    """Draws panels [R, C, L, L] in [0, 1] as one image; returns the first x and y of each."""
    rows, columns, size, _ = panels.shape
    left = [column * (size + 1) for column in range(columns)]
    top = [row * (size + gap) for row in range(rows)]
    image = np.full((top[-1] + size, left[-1] + size), np.nan)
    for row, column in np.ndindex(rows, columns):
        x, y = left[column], top[row]
        image[y : y + size, x : x + size] = panels[row, column]
    axes.imshow(image, cmap="cividis", vmin=0.0, vmax=1.0, interpolation="none")
    _without_frame(axes)
    return left, top


def _without_frame(axes: "Axes") -> None:
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
