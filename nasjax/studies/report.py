"""Writes a study's results: study.json, picks.json, report.html, report.md and figures/*.png.

`context` gathers what the report says as plain data; the words are in
`nasjax/reports/templates/study.j2`.
"""

import functools
import math
import pathlib
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nasjax import files
from nasjax.errors import UserError
from nasjax.evaluation.surrogate import SAMPLE_SEED, SAMPLED
from nasjax.registry import slot_space
from nasjax.reports import render
from nasjax.reports.render import Picture, number
from nasjax.runs.workdir import versions
from nasjax.studies import config, figures
from nasjax.studies import problem as problems
from nasjax.studies import results as kept_results
from nasjax.studies.analysis.analyse import Analysis, Comparison, Contest, analyse
from nasjax.studies.analysis.incumbents import (
    GOAL,
    GOAL_UNDER_CONSTRAINT,
    best_reported,
    best_row,
)
from nasjax.studies.analysis.statistics import RESAMPLES
from nasjax.studies.analysis.summary import AUTOCOMET, FACT, MEASURE, Row, plain
from nasjax.studies.analysis.tradeoffs import Tradeoff
from nasjax.studies.config import Study
from nasjax.studies.problem import Arm, Problem
from nasjax.studies.results import Group, Result
from nasjax.studies.simulate import ENDED
from nasjax.types import UNTRAINED_BELOW_UPDATES

CONFIG, STUDY, PICKS, FIGURES = "config.json", "study.json", "picks.json", "figures"
STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))


def is_one(directory: pathlib.Path) -> bool:
    """Whether a study was run, or begun, in that directory."""
    try:
        return "study" in files.read_json(directory / CONFIG)
    except UserError:
        return False


def write_again(directory: pathlib.Path) -> list[pathlib.Path]:
    """`write` for the study that was begun in that directory."""
    study = config.parse(files.read_json(directory / CONFIG))
    return write(directory, study, problems.make_arms(study))


def write(directory: pathlib.Path, study: Study, arms: Sequence[Arm]) -> list[pathlib.Path]:
    """Writes study.json, picks.json and the report of the results that are there.

    study.json has versions, commit and machine, seconds, a row for each result with its own
    (`cells`), and `aggregates`; with constraints also the `ratios` of every two settings.

    Raises:
      UserError: nothing is there yet, a shard is damaged, a file cannot be written.
    """
    results = kept_results.read(directory, arms)
    if not results:
        raise UserError(f"{directory} holds no finished part of a study yet")
    analysis = analyse(results, study.config.reference)
    seconds = {
        "compile": round(sum(result.compile_seconds for result in results), 1),
        "run": round(sum(result.run_seconds for result in results), 1),
    }
    made = directory / "versions.json"  # by the process that ran the study, not by this one
    made_by = files.read_json(made) if made.is_file() else versions()
    origin = {**made_by, "written": time.strftime("%Y-%m-%d %H:%M"), "seconds": seconds}
    content = {
        **origin,
        "cells": [_speed(result) for result in results],
        "aggregates": plain(analysis.frame.to_dict("records")),
    }
    written = [directory / STUDY]
    if analysis.contests:
        content["ratios"] = plain(analysis.ratios)
        written.append(files.write_json(directory / PICKS, plain(analysis.recommendations)))
    files.write_json(directory / STUDY, content)
    return [*written, *write_report(directory, analysis, title=directory.name, origin=origin)]


def _speed(result: Result) -> dict[str, Any]:
    queries = np.sum(result.queries != ENDED)
    return {
        "label": result.label,
        "space": result.problem.space,
        "data_set": result.problem.data_set,
        "budget": result.budget,
        "seeds": len(result.seeds),
        "compile_seconds": result.compile_seconds,
        "run_seconds": result.run_seconds,
        "queries_per_second": float(queries / result.run_seconds),
    }


def write_report(
    directory: pathlib.Path, analysis: Analysis, *, title: str, origin: Mapping[str, Any]
) -> list[pathlib.Path]:
    """Writes report.html, report.md and figures/*.png; returns the files.

    Args:
      origin: nested plain values that name the run, printed as they are: seconds, commit, machine.
    """
    shown = context(title, analysis, origin)
    pictures = [each["picture"] for each in shown["comparisons"]]
    for contest in shown["contests"]:
        for each in contest["pictures"]:
            pictures += [each["front"], each["progress"]]
    return render.write(directory, "study", shown, pictures)


# --- what the template reads --------------------------------------------------------------------


def context(title: str, analysis: Analysis, origin: Mapping[str, Any]) -> dict[str, Any]:
    """The data that `study.j2` shows, rows as in `analysis.frame`; and how numbers are printed."""
    frame = analysis.frame
    return {
        "title": title,
        "tiles": [
            ("settings", f"{frame['label'].nunique():,}"),
            ("tables", f"{len(frame[['space', 'data_set']].drop_duplicates()):,}"),
            ("searches", f"{frame['seeds'].sum():,}"),
            ("queries", f"{(frame['queries_mean'] * frame['seeds']).sum():,.0f}"),
        ],
        "reference": analysis.reference,
        "comparisons": [
            _comparison(of, index, analysis.reference)
            for index, of in enumerate(analysis.comparisons)
        ],
        "contests": [
            _contest(contest, index, analysis.reference)
            for index, contest in enumerate(analysis.contests)
        ],
        "origin": origin,
        "goal": f"{100 * GOAL:.0f} %",
        "goal_constrained": f"{100 * GOAL_UNDER_CONSTRAINT:g} %",
        "goal_gap": f"{100 - 100 * GOAL_UNDER_CONSTRAINT:g}",
        "resamples": RESAMPLES,
        "untrained_below": UNTRAINED_BELOW_UPDATES,
        "p_value": p_value,
        "censored": censored,
        "share": share,
        "factor": factor,
    }


def _comparison(of: Comparison, index: int, reference: str) -> dict[str, Any]:
    problem, optimum = of.results[0].problem, best_reported(of.results[0].problem)
    draw = functools.partial(
        figures.anytime, curves=of.curves, reference=reference, optimum=optimum
    )
    name = f"{_heading(of.group)}: anytime curves"
    return {
        **_rows(of),
        **_searched(of.group, problem),
        "optimum": optimum,
        "random": sorted({number(row["random_search_percent"]) for row in of.rows}),
        "drawn_apart": len(figures.drawn_apart(list(of.curves), reference)),
        "picture": Picture(f"anytime-{index}", _file_name(of.group), name, draw),
    }


def _searched(group: Group, problem: Problem) -> dict[str, Any]:
    """The table or the surrogates that were searched, and the queries of a search."""
    surrogates = None
    if problem.surrogates is not None:
        size = slot_space(problem.space).size
        surrogates = {"size": size, "sampled": SAMPLED, "seed": SAMPLE_SEED}
    return {
        "space": group.space,
        "data_set": group.data_set,
        "budget": group.budget,
        "surrogates": surrogates,
    }


def _rows(of: Comparison) -> dict[str, Any]:
    facts = [name for name in of.rows[0] if name.startswith(FACT)]
    return {
        "rows": of.rows,
        "facts": [name for name in facts if any(row[name] is not None for row in of.rows)],
        "compared": sum(math.isfinite(row["mann_whitney_p"]) for row in of.rows),
    }


def _contest(contest: Contest, index: int, reference: str) -> dict[str, Any]:
    results = [result for of in contest.comparisons for result in of.results]
    labels = list(dict.fromkeys(result.label for result in results))
    predicted = {
        result.problem.constraint.cost: None
        for result in results
        if result.problem.constraint is not None and result.problem.is_predicted
    }
    return {
        **_searched(results[0].group, results[0].problem),
        "predicted": list(predicted),
        "labels": labels,
        "constraints": [_constraint(of, labels, reference) for of in contest.comparisons],
        "pictures": [
            _pictures(tradeoff, f"{index}-{place}", contest, reference)
            for place, tradeoff in enumerate(contest.tradeoffs)
        ],
    }


def _constraint(of: Comparison, labels: Sequence[str], reference: str) -> dict[str, Any]:
    rows, first, problem = of.rows, of.rows[0], of.results[0].problem
    by_label = {row["label"]: row for row in rows if row["feasible"]}
    autocomet = next((label for label in labels if label.startswith(AUTOCOMET)), "")
    bases = ("reference", reference), ("autocomet", autocomet)
    measures = [name for name in first if name.startswith(MEASURE)]
    feasible = problem.is_feasible
    return {
        **_rows(of),
        "first": first,
        "by_label": {label: by_label.get(label) for label in labels},
        "feasible": feasible,
        "best": float(problem.reported_accuracy[best_row(problem)]) if feasible else math.nan,
        "most_accurate": _best(rows, "mean_percent", max),
        "fastest": _best(rows, "queries_to_target", min),
        "recommendations": of.recommendations,
        "shows_kept": any(row["answered_kept_percent"] < 100 for row in rows),
        "measures": [name for name in measures if any(_is_known(row[name]) for row in rows)],
        "bases": [base for base in bases if base[1] and base[1] in by_label],
        "shows_final": any(row["final_percent"] for row in rows),
    }


def _best(rows: Sequence[Row], name: str, choose: Any) -> list[str]:
    """The labels that have the best value as printed, ties included."""
    known = {row["label"]: round(row[name], 2) for row in rows if math.isfinite(row[name])}
    return [label for label, value in known.items() if value == choose(known.values())]


def _is_known(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _pictures(tradeoff: Tradeoff, index: str, contest: Contest, reference: str) -> dict[str, Any]:
    group, cost = contest.comparisons[0].group, tradeoff.cost
    drawn: dict[str, Any] = {"cost": cost}
    for name, draw, says in (
        ("front", figures.front, " against accuracy"),
        ("progress", figures.progress, ", over queries"),
    ):
        shown = functools.partial(draw, shown=tradeoff, reference=reference)
        alternative, file_name = f"{_heading(group)}: {cost}{says}", _file_name(group, cost, name)
        drawn[name] = Picture(f"{name}-{index}", file_name, alternative, shown)
    return drawn


def _heading(group: Group) -> str:
    return f"{group.space}, {group.data_set}, {group.budget:,} queries"


def _file_name(group: Group, *words: str) -> str:
    name = "-".join((group.space, group.data_set, str(group.budget), *words))
    name = re.sub(r"[^\w.=-]+", "_", name)
    return f"{FIGURES}/{name}.png"


# --- how numbers are printed --------------------------------------------------------------------


def p_value(p: float) -> str:
    """A p-value with its stars; a dash where there is none."""
    if math.isnan(p):
        return "–"
    stars = next((f" {stars}" for level, stars in STARS if p < level), "")
    return ("< 0.001" if p < 0.001 else f"{p:.3f}") + stars


def censored(median: float, budget: int) -> str:
    """A median of queries, infinite where it lies above the budget."""
    return f"{median:,.0f}" if math.isfinite(median) else f"> {budget:,}"


def share(percent: float) -> str:
    """A share of seeds; only all are 100 % and only none are 0 %."""
    if 0 < percent < 100:
        percent = min(max(percent, 1.0), 99.0)
    return number(percent, ".0f", " %")


def factor(value: float) -> str:
    """A ratio with two digits at least, whatever its size."""
    return number(value, ".2g" if value < 1 else ".2f" if value < 10 else ",.0f")
