"""The wording of a report: facts to one self-contained HTML page, and to a terminal summary."""

import math
from collections.abc import Sequence
from html import escape

import numpy as np

from nasjax.reports import markup
from nasjax.reports.markup import flatten, percent
from nasjax.run_report import cost_plots, plots
from nasjax.run_report.facts import Facts, section
from nasjax.runs.summary import costs_text

FEW_UPDATES = 100  # a learner with fewer is marked untrained
PURPOSES = {
    "grow": "growth",
    "backup": "back-up",
    "propose": "whole proposals",
    "validate": "noise-free validation, not counted",
}
STATES = {"over_memory": "over memory"}


def render(facts: Facts) -> str:
    """The whole page: no network, no scripts; pictures and style are inside."""
    title = f"{_data_name(facts)}: {_controller(facts)}, seed {facts.config.get('seed', '–')}"
    parts = [
        _headline(facts, title),
        markup.section("Best architecture, layer by layer", _layers(facts)),
        markup.section("Learning curve", _curve(facts)),
        markup.section("Accuracies of all models", _scatter(facts)),
        markup.section("Accuracy against cost", _tradeoff(facts)),
        markup.section("Kinds of layers tried", _kinds(facts)),
        markup.section("Budget spent", _budget(facts)),
        markup.section("The learner", _learner(facts)),
        markup.section("What shaping changed", _decisions(facts)),
        markup.section("Where the controller looked", _attention(facts)),
        markup.section("How the numbers were made", _origin(facts)),
    ]
    return markup.document(title, parts)


def summary(facts: Facts) -> str:
    """A few aligned lines for a terminal."""
    budget, best = facts.budget, facts.best
    head = f"{_data_name(facts)}, {_controller(facts)}, seed {facts.config.get('seed', '–')}"
    rows = [("run", f"{head}: {facts.status}, {_rounds(facts)}, {budget.seconds / 60:.1f} min")]
    rows.append(("best", best.architecture if best else _nothing(facts)))
    reached = [f"validation {percent(best.accuracy)}"] if best else []
    if facts.best_noise_free:
        reached.append(f"noise-free {percent(facts.best_noise_free.accuracy)}")
    if facts.final_test:
        reached.append(f"test {percent(facts.final_test.get('test_accuracy'))}")
    rows.append(("accuracy", "   ".join(reached) or "–"))
    if facts.costs:
        rows.append(("costs", costs_text(facts.costs)))
    curve = [p.best for p in facts.curve]
    if curve:
        rows.append(
            ("progress", f"{sparkline(curve)}  {percent(curve[0])} to {percent(curve[-1])}")
        )
    for i, layer in enumerate(facts.layers[: len(best.layers) if best else 0]):
        texts = f"{i + 1} {layer.text:<20} {percent(layer.accuracy):>9} {gain(layer.gain):>9}"
        rows.append(("layers" if i == 0 else "", texts))
    rows.append(("queries", f"{budget.queries:,} ({_by_purpose(facts)})"))
    counts = "  ".join(f"{n:,} {STATES.get(k, k)}" for k, n in budget.candidates.items() if n)
    rows.append(("models", counts or "–"))
    seconds = ", ".join(f"{s:.1f} s {k}" for k, s in sorted(budget.seconds_by_source.items()) if s)
    rows.append(("programs", f"{budget.programs_compiled:,} compiled; {seconds or '0 s'}"))
    few = f" (untrained: fewer than {FEW_UPDATES})" if budget.updates < FEW_UPDATES else ""
    rows.append(("updates", f"{budget.updates:,}{few}"))
    rows += [("note", note) for note in facts.notes]
    return "\n".join(f"{name:<9} {text}" for name, text in rows)


def sparkline(values: Sequence[float], *, width: int = 40) -> str:
    """At most `width` block characters from the least to the greatest of the values."""
    step = max(1.0, len(values) / width)
    shown = [values[min(len(values) - 1, int((i + 1) * step) - 1)] for i in range(width)]
    shown = shown[: min(width, len(values))]
    low, high = min(shown), max(shown)
    scale = 7 / (high - low) if high > low else 0.0
    return "".join("▁▂▃▄▅▆▇█"[round((v - low) * scale)] for v in shown)


def gain(value: float) -> str:
    """A difference of accuracies in percentage points, with its sign; a dash if not known."""
    return f"{100 * value:+.2f}" if math.isfinite(value) else "–"


# --- sections -----------------------------------------------------------------------------------


def _headline(facts: Facts, title: str) -> str:
    best, versions = facts.best, facts.versions
    tiles = [("validation accuracy", percent(best.accuracy if best else None), "best ever seen")]
    if facts.best_noise_free:
        name = facts.best_noise_free.architecture
        tiles.append(("noise-free best", percent(facts.best_noise_free.accuracy), name))
    if facts.final_test:
        tested = str(facts.final_test.get("architecture", ""))
        same = best is not None and tested == best.architecture
        images = facts.final_test.get("test_images")
        predicted = section(facts.config, "evaluator").get("name") == "surrogate"
        known = "predicted" if predicted else "of the table"
        source = f"{images} images, read once" if images else known
        under = source if same else f"{source}; of {tested}"
        tiles.append(("test accuracy", percent(facts.final_test.get("test_accuracy")), under))
    most = facts.tradeoff.max_cost if facts.tradeoff else None
    for i, (name, cost) in enumerate(facts.costs.items()):
        limit = f"of the best; at most {most:g}" if most is not None and i == 0 else "of the best"
        tiles.append((name, f"{cost:.4g}", limit))
    tiles.append(("queries", f"{facts.budget.queries:,}", _rounds(facts)))
    updates = facts.budget.updates
    tiles.append(
        ("updates", f"{updates:,}", "untrained" if updates < FEW_UPDATES else "of the learner")
    )
    minutes = f"{facts.budget.seconds / 60:.1f}"
    tiles.append(("minutes", minutes, str(versions.get("device", "")) or "–"))
    cards = "".join(
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b>'
        f"<small>{escape(under)}</small></div>"
        for name, value, under in tiles
    )
    commit = str(versions.get("commit") or "not recorded")
    made = f"nasjax {versions.get('nasjax', '–')}, jax {versions.get('jax', '–')}, commit {commit}"
    text = escape(best.architecture) if best else _nothing(facts)
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in facts.notes)
    return (
        f"<header><h1>{escape(title)} "
        f'<span class="pill {facts.status}">{facts.status}</span></h1>\n'
        f'<p class="best">{text.replace(" &gt; ", " <i>›</i> ")}</p>\n'
        f'<div class="tiles">{cards}</div>\n<p class="caption">{escape(made)}</p>{notes}</header>'
    )


def _layers(facts: Facts) -> str:
    if not facts.layers or not facts.best:
        return ""
    built = len(facts.best.layers)
    most = max((abs(x.gain) for x in facts.layers if math.isfinite(x.gain)), default=1.0) or 1.0
    rows = []
    for i, layer in enumerate(facts.layers):
        known = math.isfinite(layer.gain)
        width = 100 * abs(layer.gain) / most if known else 0.0
        kind = "loss" if known and layer.gain < 0 else "win"
        bar = (
            f'<div class="bar"><i class="{kind}" style="width:{width:.1f}%"></i></div>'
            if known
            else ""
        )
        cost = layer.cost
        costs = (
            (" × ".join(map(str, cost.output_shape)), f"{cost.params:,}", f"{cost.flops:,}")
            if cost
            else ("–",) * 3
        )
        number = str(i + 1) if i < built else "head"
        cells = [number, escape(layer.text), percent(layer.accuracy), gain(layer.gain), bar, *costs]
        rows.append(cells)
    priced = [layer.cost for layer in facts.layers if layer.cost]
    if priced:
        total = (f"{sum(c.params for c in priced):,}", f"{sum(c.flops for c in priced):,}")
        rows.append(["", "<b>whole network</b>", "", "", "", "", *total])
    heads = (
        "",
        "layer",
        "accuracy up to here",
        "added, points",
        "",
        "output shape",
        "params",
        "FLOPs",
    )
    caption = (
        "Accuracy up to here: of the network that ends with this layer, trained from scratch, on "
        "the whole validation split. Added: percentage points over the network one layer shorter; "
        "the first layer is compared with zero. A dash: this prefix was never measured. FLOPs per "
        "image, a multiply-accumulate counts as two. Head: flatten + linear to the classes."
    )
    return markup.table(heads, rows, numbers=(2, 3, 5, 6, 7)) + markup.caption(caption)


def _curve(facts: Facts) -> str:
    if not facts.curve:
        return "<p>No round has finished yet.</p>"
    start = next((r.round for r in facts.records.rounds if r.updates > 0), None)
    began = (
        f"Learning started in round {start}" if start is not None else "Learning has not started"
    )
    return plots.learning_curve(facts) + markup.caption(
        f"{began}. Best so far: over all rows of the search. Grown, mean: over the models that a "
        "round ended with. Noise-free: the controller's own choice, without exploration."
    )


def _scatter(facts: Facts) -> str:
    if not facts.records.queries:
        return ""
    return plots.scatter(facts) + markup.caption(
        "One mark per row of the records, on the whole validation split. Final: what a grown model "
        "ended with; prefixes are the networks on the way there. Crosses at the bottom: did not "
        "fit, diverged, or needed too much memory. Noise-free rows are not counted as queries."
    )


def _kinds(facts: Facts) -> str:
    if not any(facts.kinds):
        return ""
    figures = plots.kinds(facts)
    text = "Left: what the models had at each position; stop: they had ended before it. "
    if facts.pairs:
        figures += plots.pairs(facts.pairs)
        text += (
            "Right: how often a layer lost accuracy (negative reward), by its kind and that of the "
            "layer before it; failed: could not be built or trained, not counted as a loss."
        )
        lost = sum(p.negative for p in facts.pairs.values())
        ranked = sorted(facts.pairs.items(), key=lambda item: -item[1].negative)
        shares = [
            f"{a} → {b} {100 * p.negative / lost:.0f} % ({p.negative})"
            for (a, b), p in ranked
            if p.negative
        ]
        if shares:
            text += f" All {lost} losses by pair: {', '.join(shares)}."
    return f'<div class="pair">{figures}</div>' + markup.caption(text)


def _budget(facts: Facts) -> str:
    budget = facts.budget
    rows = [["queries", f"<b>{budget.queries:,}</b>", escape(_by_purpose(facts))]]
    meanings = {
        "trained": "first met in this run",
        "reused": "met before in this run; costs nothing",
        "invalid": "a layer did not fit",
        "diverged": "the loss was not finite",
        "over_memory": "would not fit in memory",
        "stopped": "given up early, see evaluator.stop_below",
        "infeasible": "a cost is infinite: a device cannot run it",
    }
    for name, count in budget.candidates.items():
        rows.append([f"models {STATES.get(name, name)}", f"{count:,}", meanings[name]])
    compiled = f"{budget.programs_compiled:,}"
    rows.append(["programs compiled", compiled, "candidates of one signature share a program"])
    for source, seconds in sorted(budget.seconds_by_source.items()):
        if not seconds:
            continue
        rows.append([f"seconds, {escape(source)}", f"{seconds:,.1f}", "summed over candidates"])
    few = "untrained" if budget.updates < FEW_UPDATES else "of the learner"
    rows.append(["updates", f"{budget.updates:,}", few])
    return markup.table(("", "count", ""), rows, numbers=(1,))


def _learner(facts: Facts) -> str:
    if facts.shaping:
        return cost_plots.curves(facts.shaping) + markup.caption(
            "Epsilon: the weight of every secondary's potential beside Q. Loss: of Q and of the "
            "potentials, at the last update of a round."
        )
    figure = plots.metrics(facts)
    return figure + markup.caption("As reported at the end of each round.") if figure else ""


def _tradeoff(facts: Facts) -> str:
    found = facts.tradeoff
    if found is None:
        return ""
    text = "One mark per measured row. On the Pareto front no other row is as accurate for less. "
    if found.max_cost is not None:
        kept = int((found.cost.astype("float32") <= np.float32(found.max_cost)).sum())
        text += (
            f"{kept:,} of {len(found.cost):,} rows keep search.max_cost={found.max_cost:g}; the "
            "answer is the most accurate of these. "
        )
    if found.infeasible:
        text += f"Rows not shown, which a device cannot run: {found.infeasible:,}. "
    picture = cost_plots.tradeoff(found, facts.best, facts.costs.get(found.name))
    return picture + markup.caption(text)


def _decisions(facts: Facts) -> str:
    found = facts.shaping
    if found is None or not found.rounds:
        return ""
    changed, made = int(np.nansum(found.changed)), int(np.isfinite(found.changed).sum())
    by_slot = np.nansum(found.changed, axis=1)
    most = f", most of them in slot {found.slots[int(by_slot.argmax())]}" if changed else ""
    text = (
        f"The potentials changed {changed:,} of {made:,} greedy choices{most}. A column is an "
        "architecture built without exploration. A mark: in this slot, after the same choices "
        "before it, Q alone would have chosen otherwise. Colour: how far epsilon times the "
        "potentials sets the slot's choices apart, in the units of Q, which sets them "
        f"{np.nanmean(found.q_spread):.3g} apart in the mean: where the colour's value is smaller, "
        "Q mostly decides. Slots are named as the space names them (of NAS-Bench-201, 01 is the "
        "edge from node 0 to node 1)."
    )
    return cost_plots.decisions(found) + markup.caption(text)


def _attention(facts: Facts) -> str:
    found = facts.attention
    if found is None:
        return ""
    text = (
        f"True attention weights of the noise-free episode of round {found.round}, which built "
        f"{found.length} layers. Rows: query position; columns: key position; every row sums to "
        "one; brighter is more, within each block. Labels: the architecture after the step."
    )
    parts = [markup.caption(text)]
    for who in ("actor", "critic"):
        parts += [f"<h3>{who}, last step</h3>", plots.attention_heads(found, who)]
    parts += ["<h3>mean over heads, step by step</h3>", plots.attention_steps(found)]
    return "\n".join(parts)


def _origin(facts: Facts) -> str:
    command = str(facts.versions.get("command") or "not recorded")
    parts = [f"<pre>{escape(command)}</pre>"]
    if facts.budget.updates < FEW_UPDATES:
        parts.append(
            f"<p>The controller is <b>untrained</b>: it made {facts.budget.updates} updates, fewer "
            f"than {FEW_UPDATES}. What it found is no evidence for or against its learning.</p>"
        )
    test = (
        "was read once, by the final test" if facts.final_test else "was not read by this run yet"
    )
    parts.append(f"<p>All accuracies are on the validation split. The test split {test}.</p>")
    for name, values in (("Config", facts.config), ("Versions", facts.versions)):
        rows = [[f"<code>{escape(k)}</code>", escape(v)] for k, v in flatten(values)]
        table = markup.table(("key", "value"), rows)
        parts.append(f"<details><summary>{name}</summary>{table}</details>")
    return "\n".join(parts)


# --- pieces -------------------------------------------------------------------------------------


def _nothing(facts: Facts) -> str:
    if facts.tradeoff and facts.tradeoff.max_cost is not None:
        return f"nothing keeps search.max_cost={facts.tradeoff.max_cost:g}"
    return "nothing could be built yet"


def _data_name(facts: Facts) -> str:
    looked_up = section(facts.config, "evaluator").get("data_set")
    return str(section(facts.config, "data").get("name") or looked_up or "unknown data")


def _controller(facts: Facts) -> str:
    return str(section(facts.config, "controller").get("name", "unknown controller"))


def _rounds(facts: Facts) -> str:
    done, planned = len(facts.curve), section(facts.config, "search").get("rounds")
    return f"{done} of {planned} rounds" if planned else f"{done} rounds"


def _by_purpose(facts: Facts) -> str:
    counts = facts.budget.by_purpose
    return ", ".join(f"{counts[k]:,} {text}" for k, text in PURPOSES.items() if k in counts) or "–"
