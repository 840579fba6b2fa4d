"""The report of a search: reads the run's directory, writes report.html, report.md and figures."""

import pathlib
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from nasjax import files
from nasjax.errors import UserError
from nasjax.reports import render
from nasjax.reports.render import Picture
from nasjax.run_report import costs, figures, run_facts, statistics
from nasjax.run_report.costs import Shaping
from nasjax.run_report.run_facts import RunFacts, section
from nasjax.runs import records
from nasjax.runs.summary import SUMMARY
from nasjax.runs.workdir import FINAL_TEST
from nasjax.spaces.layer_chain import LayerChain
from nasjax.types import UNTRAINED_BELOW_UPDATES

TEMPLATE = "run"


def is_one(directory: pathlib.Path) -> bool:
    """Whether a directory is the run of a search."""
    return all((directory / name).is_file() for name in ("config.json", records.EVENTS))


def write_again(directory: pathlib.Path) -> list[pathlib.Path]:
    """Writes the report from the files of a run; returns the files written.

    Raises:
      UserError: the directory is not a run with a record, or a file cannot be written.
    """
    return write(collect(directory))


def write(run: RunFacts) -> list[pathlib.Path]:
    """Writes report.html, report.md and figures/ into the run's directory; returns the files."""
    values = context(run)
    return render.write(run.directory, TEMPLATE, values, [*values["pictures"].values()])


def write_html(run: RunFacts, path: pathlib.Path) -> pathlib.Path:
    """Writes the HTML report alone, to any path."""
    return files.write_text(path, render.html(TEMPLATE, context(run)))


def write_picture(run: RunFacts, path: pathlib.Path) -> pathlib.Path:
    """Writes the learning curve above the accuracies of all candidates as one PNG."""
    picture = Picture("overview", path.name, "", lambda inks: figures.overview(run))
    return picture.write_png(path.parent)


def context(run: RunFacts) -> dict[str, Any]:
    """The values that the template reads: the facts of a run and what follows from them."""
    learning = (row.round for row in run.events.rounds if row.updates > 0)
    lost = {pair: count.negative for pair, count in run.pairs.items() if count.negative}
    return {
        **run._asdict(),
        "title": title(run),
        "pictures": figures.pictures(run),
        "max_cost": section(run.config, "search").get("max_cost"),
        "evaluator": section(run.config, "evaluator").get("name"),
        "planned_rounds": section(run.config, "search").get("rounds"),
        "untrained_below": UNTRAINED_BELOW_UPDATES,
        "learning_start": next(learning, None),
        "lost": sorted(lost.items(), key=lambda item: -item[1]),
        "choices": _choices(run.shaping) if run.shaping and run.shaping.rounds else None,
    }


def _choices(shaping: Shaping) -> dict[str, Any]:
    """The greedy choices that were made, those that the potentials changed, and Q's part."""
    by_slot = np.nansum(shaping.changed, axis=1)
    return {
        "changed": by_slot.sum(),
        "made": np.isfinite(shaping.changed).sum(),
        "slot": shaping.slots[int(by_slot.argmax())],
        "q_spread": float(np.nanmean(shaping.q_spread)),
    }


def title(run: RunFacts) -> str:
    """The data, the method and the seed of a run."""
    evaluator, data = section(run.config, "evaluator"), section(run.config, "data")
    name = data.get("name") or evaluator.get("data_set") or "unknown data"
    controller = section(run.config, "controller").get("name", "unknown controller")
    return f"{name}: {controller}, seed {run.config.get('seed', '–')}"


def collect(directory: pathlib.Path, *, clock: Callable[[], float] = time.time) -> RunFacts:
    """Reads a run's directory; the clock, seconds since 1970, tells running from stopped.

    Raises:
      UserError: the directory is missing, is not a run, or has no record yet.
    """
    named = repr(str(directory))
    if not directory.is_dir():
        wanted = "name the directory of a search, a study or a profile"
        raise UserError(f"{named} does not exist; {wanted}")
    if not is_one(directory):
        needs = f"it needs config.json and {records.EVENTS}"
        raise UserError(f"{named} is not a run directory: {needs}")
    events = records.read(directory / records.EVENTS)
    if not events.candidates and not events.rounds:
        raise UserError(f"{named} has no events yet: {records.EVENTS} holds no record")
    damaged: list[str] = []
    config, versions, summary, tested = (
        run_facts.read_json(directory / name, damaged)
        for name in ("config.json", "versions.json", SUMMARY, FINAL_TEST)
    )
    space = run_facts.find_space(section(config, "space"))
    max_cost = section(config, "search").get("max_cost")
    best = run_facts.incumbent(events.candidates, summary, "best", max_cost)
    checked = [row for row in events.candidates if row.purpose == statistics.NOISE_FREE]
    models = statistics.chain_models(events) if isinstance(space, LayerChain) else []
    budget = statistics.count_budget(events)
    return RunFacts(
        directory=directory,
        status="finished" if summary else run_facts.find_status(events, clock()),
        config=config,
        versions=versions,
        summary=summary,
        final_test=tested,
        events=events,
        roles=statistics.roles(events),
        best=best,
        best_noise_free=run_facts.incumbent(checked, summary, "best_noise_free", max_cost),
        layers=run_facts.describe_layers(best, events.candidates, space),
        curve=statistics.learning_curve(events),
        kinds=statistics.count_kinds(models),
        pairs=statistics.count_pairs(models),
        budget=budget,
        untrained=summary.get("learns", True) and budget.updates < UNTRAINED_BELOW_UPDATES,
        attention=run_facts.read_attention(directory / records.ATTENTION, space, damaged),
        tradeoff=costs.tradeoff(events.candidates, max_cost),
        shaping=costs.shaping(events.rounds, getattr(space, "slot_names", ())),
        damaged_files=damaged,
    )
