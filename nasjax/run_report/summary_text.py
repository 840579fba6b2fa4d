"""The summary of a run that the commands print."""

import math
from collections.abc import Iterator, Sequence

from nasjax.reports.render import number, percent
from nasjax.run_report.report import title
from nasjax.run_report.run_facts import RunFacts, section
from nasjax.runs.records import count_candidates, count_failures, remedy
from nasjax.types import UNTRAINED_BELOW_UPDATES

# How the final test comes by its accuracy, by the name of the evaluator.
TESTED = {"table": "from the table", "surrogate": "predicted"}


def summary_text(run: RunFacts) -> str:
    """A few aligned lines, also while the search is running."""
    return "\n".join(f"{name:<14} {text}" for name, text in _lines(run))


def _lines(run: RunFacts) -> Iterator[tuple[str, str]]:
    best, budget = run.best, run.budget
    if best is None:
        yield (
            "best network",
            f"none: {run.summary.get('no_answer', 'no candidate may be the answer yet')}",
        )
    else:
        yield "best network", best.architecture
        if best.costs:
            priced = ", ".join(f"{name} {cost:.4g}" for name, cost in best.costs.items())
            max_cost = section(run.config, "search").get("max_cost")
            bound = "" if max_cost is None else f"  (search.max_cost={max_cost:g} of the first)"
            yield "costs", priced + bound
        checked = run.best_noise_free
        noise_free = f"  (noise-free {percent(checked.accuracy)})" if checked else ""
        yield "validation", percent(best.accuracy) + noise_free
    if run.final_test:
        evaluator = str(section(run.config, "evaluator").get("name"))
        how = TESTED.get(evaluator, "retrained on train + validation")
        yield "test", f"{percent(run.final_test.get('test_accuracy'))}  ({how})"
        if (balanced := run.final_test.get("balanced_accuracy")) is not None:
            majority = percent(run.final_test.get("majority_share"))
            yield "", f"{percent(balanced)} mean of the classes; the largest is {majority}"
    for i, layer in enumerate(run.layers[:-1], 1):
        gain = number(100 * layer.gain, "+.2f")
        texts = f"{i} {layer.row.text:<20} {percent(layer.accuracy):>9} {gain:>9}"
        yield "layers" if i == 1 else "", texts
    if run.curve:
        accuracies = [point.best for point in run.curve]
        ends = f"{percent(accuracies[0])} to {percent(accuracies[-1])}"
        yield "progress", f"{sparkline(accuracies)}  {ends}"
    images = section(run.summary, "images")
    if images:
        train, validation = (sum(images[name]) for name in ("train", "validation"))
        yield (
            "images",
            f"{train:,} train + {validation:,} validation of {images['available']:,}, "
            f"{len(images['train'])} classes",
        )
    counts = count_candidates(run.events.candidates).items()
    kinds = ", ".join(f"{count} {kind}" for kind, count in counts)
    yield "candidates", f"{kinds}; {budget.queries} queries"
    for status, count in count_failures(run.events.candidates).items():
        if text := remedy(status):
            yield "note", f"{count} {status}{text}"
    few = f" (untrained: fewer than {UNTRAINED_BELOW_UPDATES})" if run.untrained else ""
    yield (
        "search",
        f"{budget.seconds:.0f} s, {len(run.curve)} rounds, {budget.programs_compiled} programs "
        f"compiled, {budget.updates} updates{few}",
    )
    ended_by = f" by {run.summary['ended_by']}" if run.summary.get("ended_by") else ""
    yield "run", f"{title(run)}: {run.status}{ended_by}"
    for name in run.damaged_files:
        yield "note", f"{name} is damaged and was left out"
    if run.events.damaged_lines:
        yield "note", f"{run.events.damaged_lines} damaged records were left out"


def sparkline(values: Sequence[float], *, width: int = 40) -> str:
    """At most `width` block characters from the least to the greatest of the values."""
    length = min(width, len(values))
    ends = [math.floor((i + 1) * len(values) / length) - 1 for i in range(length)]
    shown = [values[end] for end in ends]
    low, high = min(shown), max(shown)
    scale = 7 / (high - low) if high > low else 0.0
    return "".join("▁▂▃▄▅▆▇█"[round((value - low) * scale)] for value in shown)
