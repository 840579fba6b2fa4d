"""The pictures of a run's report, in the style of `figures`; matplotlib is imported on use."""

import math
import pathlib
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from nasjax.errors import UserError
from nasjax.registry import layer_text
from nasjax.reports import figures
from nasjax.reports.figures import BLUE, GREEN, GREY, ORANGE, RED
from nasjax.run_report.facts import Attention, Facts, Pair

if TYPE_CHECKING:
    from matplotlib.axes import Axes

VECTOR_POINTS = 3000  # a scatter with more is embedded as a picture, which bounds the page's size
KIND_COLOURS = {"conv": BLUE, "pool": GREEN, "fc": ORANGE, "stop": GREY}
ROLES = {  # role -> (label, colour, size, layer); what matters is drawn last
    "backup": ("back-up", GREY, 7, 1),
    "prefix": ("intermediate prefix", ORANGE, 9, 2),
    "final": ("final model", BLUE, 13, 3),
    "validate": ("noise-free", GREEN, 13, 4),
    "failed": ("not built or trained", RED, 18, 4),
}
PAIR_KINDS = ("conv", "pool", "fc")


# --- figures ------------------------------------------------------------------------------------


def learning_curve(facts: Facts) -> str:
    """Best and mean accuracy per round, noise-free models as marks."""
    with figures.style(figures.PAGE):
        figure, (axes,) = figures.canvas(8.6, 3.3)
        _draw_curve(axes, facts)
        return figures.to_svg(figure, "curve")


def scatter(facts: Facts) -> str:
    """The accuracy of every row over the query index."""
    with figures.style(figures.PAGE):
        figure, (axes,) = figures.canvas(8.6, 3.3)
        _draw_scatter(axes, facts)
        return figures.to_svg(figure, "scatter")


def kinds(facts: Facts) -> str:
    """Stacked bars: which kinds of layers the models had at each position."""
    with figures.style(figures.PAGE):
        figure, (axes,) = figures.canvas(4.3, 3.3)
        positions = np.arange(1, len(facts.kinds) + 1)
        total = max((sum(c.values()) for c in facts.kinds), default=1)
        below = np.zeros(len(positions))
        inks = {"conv": "white", "pool": "white", "fc": "black", "stop": "black"}
        for kind, colour in KIND_COLOURS.items():
            heights = np.array([c[kind] for c in facts.kinds], float)
            axes.bar(positions, heights, 0.78, bottom=below, color=colour, label=kind)
            for x, y, h in zip(positions, below, heights, strict=True):
                if h > 0.07 * total:
                    axes.text(
                        float(x), y + h / 2, f"{h:.0f}", ha="center", va="center", color=inks[kind]
                    )
            below += heights
        axes.set(xlabel="position in the architecture", ylabel="models", xticks=positions)
        axes.grid(False)
        figures.legend(axes, columns=4)
        return figures.to_svg(figure, "kinds")


def pairs(found: Mapping[tuple[str, str], Pair]) -> str:
    """Heat map: the share of layers of a kind, after another, that lost accuracy."""
    from matplotlib import colormaps

    with figures.style(figures.PAGE):
        figure, (axes,) = figures.canvas(4.3, 3.3)
        for i, before in enumerate(PAIR_KINDS):
            for j, this in enumerate(PAIR_KINDS):
                pair = found.get((before, this), Pair(0, 0, 0))
                text, colour = "–", figures.PAGE.muted
                if pair.measured:
                    share = pair.negative / pair.measured
                    text = f"{100 * share:.0f} %\n{pair.negative} of {pair.measured}"
                    colour = "white" if share < 0.6 else "black"
                    face = colormaps["cividis"](share)
                    axes.fill_between([j - 0.48, j + 0.48], i - 0.48, i + 0.48, color=face, lw=0)
                text += f"\n{pair.failed} failed" if pair.failed else ""
                axes.text(j, i, text, ha="center", va="center", color=colour)
        ticks = range(len(PAIR_KINDS))
        axes.set(xlim=(-0.5, 2.5), ylim=(2.5, -0.5), xlabel="this layer", ylabel="layer before it")
        axes.set_xticks(ticks, PAIR_KINDS)
        axes.set_yticks(ticks, PAIR_KINDS)
        axes.tick_params(length=0)
        axes.grid(False)
        axes.spines[:].set_visible(False)
        return figures.to_svg(figure, "pairs")


def metrics(facts: Facts) -> str:
    """Small multiples: every metric of the learner over its updates; "" if it never learned."""
    rounds = [r for r in facts.records.rounds if r.updates > 0]
    names = sorted({k for r in rounds for k, v in r.metrics.items() if math.isfinite(v)})[:12]
    if not names:
        return ""
    columns = 3
    with figures.style(figures.PAGE):
        figure, grid = figures.canvas(
            8.6, 1.9 * math.ceil(len(names) / columns), columns, len(names)
        )
        for axes, name in zip(grid, names, strict=True):
            points = [(r.updates, r.metrics[name]) for r in rounds if name in r.metrics]
            axes.plot(*zip(*points, strict=True), color=BLUE, marker="." if len(points) < 9 else "")
            axes.set_title(name.removeprefix("learn/"))
            axes.margins(y=0.12)
            axes.locator_params(nbins=4)
            axes.set_xlabel("updates")
        return figures.to_svg(figure, "metrics")


def attention_heads(found: Attention, who: str) -> str:
    """The last step's attention: a row a block; first the mean over heads, then every head."""
    weights = np.asarray(getattr(found, who), float)[-1]  # [blocks, heads, L, L]
    blocks, heads, size, _ = weights.shape
    panels = np.concatenate([weights.mean(1, keepdims=True), weights], axis=1)
    titles = ["mean", *(f"head {i + 1}" for i in range(heads))]
    with figures.style(figures.PAGE):
        cell = 7.2 / ((heads + 1) * (size + 1))  # inches; the labels take the rest of the width
        figure, (axes,) = figures.canvas(8.6, 1.7 + cell * (blocks * (size + 2) - 2))
        left, top = _draw_tiles(axes, panels / weights.max((1, 2, 3))[:, None, None, None])
        labels = _layer_labels(found, size)
        axes.set_yticks([y + k for y in top for k in range(size)], labels * blocks)
        numbers = [str(k + 1) for k in range(size)] * heads
        axes.set_xticks([x + k for x in left for k in range(size)], labels + numbers)
        for tick in axes.get_xticklabels()[:size]:
            tick.set(rotation=50, ha="right", rotation_mode="anchor")
        for block, y in enumerate(top):
            for x, title in zip(left, titles, strict=True):
                text = title if x else f"block {block + 1}, {title}"
                axes.text(x - 0.5, y - 0.8, text, va="bottom")
        axes.set(xlabel="key position", ylabel="query position")
        return figures.to_svg(figure, f"heads-{who}")


def attention_steps(found: Attention) -> str:
    """How attention (mean over heads) moved while the architecture grew: a column a step."""
    steps, blocks, _, size, _ = found.actor.shape
    rows = [(who, block) for who in ("actor", "critic") for block in range(blocks)]
    means = [np.asarray(getattr(found, who), float)[:, b].mean(1) for who, b in rows]
    with figures.style(figures.PAGE):
        figure, (axes,) = figures.canvas(min(8.6, 1.0 + 1.27 * steps), 0.7 + 1.2 * len(rows))
        left, top = _draw_tiles(axes, np.stack([m / m.max() for m in means]), between=1)
        for step, x in enumerate(left):
            layer = tuple(found.encodings[step][min(step, size - 1)].tolist())
            name = layer_text(layer, found.space)
            axes.text(x - 0.5, -0.8, f"{step + 1} {name}", va="bottom", size=7.5)
        numbers = [str(k + 1) for k in range(size)]
        axes.set_xticks([x + k for x in left for k in range(size)], numbers * steps)
        names = [f"{who}\nblock {block + 1}" for who, block in rows]
        axes.set_yticks([y + (size - 1) / 2 for y in top], names)
        axes.set(xlabel="key position")
        return figures.to_svg(figure, "steps")


def write_picture(workdir: pathlib.Path, path: pathlib.Path) -> None:
    """Write the learning curve over the scatter of all models, as one PNG, e.g. for a README."""
    from nasjax.run_report.report import collect

    facts = collect(workdir, now=time.time())
    with figures.style(figures.PAPER):
        figure, (top, bottom) = figures.canvas(8.6, 6.4, 1, 2)
        figure.set_facecolor("white")
        _draw_curve(top, facts)
        _draw_scatter(bottom, facts)
        try:
            figure.savefig(path, format="png", dpi=150)
        except OSError as error:
            raise UserError(
                f"--picture={str(path)!r} cannot be written: {error.strerror}"
            ) from error


# --- drawing on axes ----------------------------------------------------------------------------


def _draw_curve(axes: "Axes", facts: Facts) -> None:
    x = [p.round for p in facts.curve]
    best = [p.best for p in facts.curve]
    dots = "." if len(x) < 40 else ""
    axes.plot(x, best, color=BLUE, lw=2, drawstyle="steps-post", label="best so far")
    axes.plot(
        x, [p.grown_mean for p in facts.curve], color=ORANGE, marker=dots, label="grown, mean"
    )
    marks = [(p.round, accuracy) for p in facts.curve for accuracy in p.validation]
    if marks:
        x_marks, y_marks = zip(*marks, strict=True)
        axes.scatter(x_marks, y_marks, s=26, color=GREEN, label="noise-free", zorder=4)
    start = next((r.round for r in facts.records.rounds if r.updates > 0), None)
    if start is not None:
        axes.axvline(start, color=RED, lw=1.2, ls=(0, (4, 3)), label="learning starts", zorder=1)
    axes.set(xlabel="round", ylabel="validation accuracy")
    axes.locator_params(axis="x", integer=True)
    figures.accuracy_scale(
        axes, [*best, *(p.grown_mean for p in facts.curve), *(a for _, a in marks)]
    )
    figures.legend(axes, columns=4)


def _draw_scatter(axes: "Axes", facts: Facts) -> None:
    index = np.cumsum([q.purpose != "validate" for q in facts.records.queries])
    accuracy = np.array([q.accuracy for q in facts.records.queries])
    roles = np.array(facts.roles)
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


def _draw_tiles(
    axes: "Axes", panels: np.ndarray, *, between: int = 2
) -> tuple[list[int], list[int]]:
    """Draw panels [R, C, L, L] in [0, 1] as one image with gaps; the first x and y of each."""
    rows, columns, size, _ = panels.shape
    left = [c * (size + 1) for c in range(columns)]
    top = [r * (size + between) for r in range(rows)]
    image = np.full((top[-1] + size, left[-1] + size), np.nan)
    for r, c in np.ndindex(rows, columns):
        image[top[r] : top[r] + size, left[c] : left[c] + size] = panels[r, c]
    axes.imshow(image, cmap="cividis", vmin=0.0, vmax=1.0, interpolation="none")
    axes.grid(False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return left, top


def _layer_labels(found: Attention, size: int) -> list[str]:
    """Of the last step's architecture."""
    layers = [tuple(int(v) for v in row) for row in found.encodings[-1][:size]]
    return [f"{i + 1} {layer_text(row, found.space) or 'empty'}" for i, row in enumerate(layers)]
