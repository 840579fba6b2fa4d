"""The wording of a study's report where answers keep a constraint: a chapter a table and budget.

First what all settings reach under each constraint, then pictures, what each would pick, and last
everything about each constraint.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nasjax.studies import columns, tradeoffs
from nasjax.studies.aggregate import Group
from nasjax.studies.answers import AIM_UNDER_CONSTRAINT
from nasjax.studies.blocks import Block, Chapter, Folded, Notes, Picture, Table
from nasjax.studies.cell import Cell
from nasjax.studies.columns import Column, Row, number
from nasjax.studies.constrained import AUTOCOMET, MEASURE
from nasjax.studies.page import heading
from nasjax.studies.statistics import RESAMPLES, Ratio
from nasjax.studies.tradeoffs import Tradeoff

AIM_TEXT = f"{100 * AIM_UNDER_CONSTRAINT:g} %"
BEST = "▲"


class Limited(NamedTuple):
    """One group of cells with a constraint."""

    group: Group
    rows: Sequence[Row]  # sorted by mean reported accuracy; equal in cost, target, feasible
    best: float  # reported accuracy in [0, 1] of the table's best by search accuracy; NaN: none


class OfTable(NamedTuple):
    """All constraints of one table and budget."""

    limits: Sequence[Limited]
    labels: Sequence[str]  # in the study's order
    reference: str
    tradeoffs: Sequence[Tradeoff]  # of the costs that have a feasible row
    file_names: Sequence[tuple[str, str]]  # of both pictures of each trade-off
    picks: Sequence[Mapping[str, Any]]  # of these cells, see `picks.picks`
    notes: Sequence[str] = ()  # what the table is, where it is none


def chapters(tables: Sequence[OfTable]) -> list[Chapter]:
    """A chapter for each table and budget."""
    return [_chapter(table, index) for index, table in enumerate(tables)]


def _chapter(table: OfTable, index: int) -> Chapter:
    head = heading(*table.limits[0].group[:3])
    blocks: list[Block] = [Notes(table.notes)] if table.notes else []
    blocks += _overview(table)
    for at, (shown, names) in enumerate(zip(table.tradeoffs, table.file_names, strict=True)):
        blocks += _pictures(shown, names, f"{index}-{at}", head)
    if table.tradeoffs:
        blocks.append(Notes(PICTURE_NOTES))
    blocks += [Folded("What each setting would pick", _picks(table)), Notes(_reading())]
    blocks += [Folded(_limit(limit.rows[0]), _details(limit, table)) for limit in table.limits]
    return Chapter(head, blocks)


def predicted_notes(cells: Sequence[Cell]) -> list[str]:
    """What a report must say of limited costs that were predicted, not measured."""
    limits = [cell.constraint for cell in cells if cell.constraint is not None]
    names = dict.fromkeys(limit.cost for limit in limits if limit.is_predicted)
    return [
        f"{name} is what a saved predictor says of the table's architectures: it was not measured. "
        "Its quantiles, what keeps a constraint and the costs of answers are predicted too; how "
        "far such predictions are off is told where it was fitted."
        for name in names
    ]


def _limit(row: Mapping[str, Any]) -> str:
    """The constraint in words; its cost's name ends with the unit."""
    words = f"{row['cost']} at most {number(row['target'], '.4g')}"
    return f"{words} ({100 * row['quantile']:g} % quantile)"


# --- overview -----------------------------------------------------------------------------------


def _overview(table: OfTable) -> list[Block]:
    heads = ["constraint", *table.labels]
    accuracy = _by_label(table, "mean_percent", _accuracy, max)
    for row, limit in zip(accuracy, table.limits, strict=True):
        row.append(number(100 * limit.best) if limit.rows[0]["feasible"] else "infeasible")
    needed = _by_label(table, "queries_to_target", _queries_and_share, min)
    notes = [
        "First: mean over seeds of the reported accuracy, %, of the best feasible architecture: of "
        "those that a seed asked for and that keep the constraint, the one with the best search "
        "accuracy; in brackets the share of seeds that have one, where it is not all, and of these "
        "the share that keeps it as measured, where a setting saw predicted costs (means are over "
        "these). Last column: "
        "the table's architecture with the best search accuracy of those that keep the constraint.",
        f"Second: median queries to within {100 - 100 * AIM_UNDER_CONSTRAINT:g} % of the table's "
        "best search accuracy under the constraint, the same target for all; seeds that never came "
        "there count as infinite. In brackets the share that did.",
        f"{BEST} the best of a row as printed, ties included; whether it is better than chance is "
        f"told by the details. The reference is {table.reference}.",
    ]
    if any(not limit.rows[0]["feasible"] for limit in table.limits):
        notes.append("Infeasible: no architecture of the table keeps the constraint.")
    return [Table([*heads, "table's best"], accuracy), Table(heads, needed), Notes(notes)]


def _by_label(
    table: OfTable,
    name: str,
    text: Callable[[Row], str],
    best_of: Callable[[list[float]], float],
) -> list[list[str]]:
    """A row for each constraint, a text for each label; what is printed as the best is marked."""
    lines = []
    for limit in table.limits:
        rows = {row["label"]: row for row in limit.rows}
        known = [row[name] for row in limit.rows if math.isfinite(row[name])]
        best = round(best_of(known), 2) if known else math.nan
        line = [_limit(limit.rows[0])]
        for label in table.labels:
            if label not in rows or not rows[label]["feasible"]:
                line.append("–")
                continue
            mark = f"{BEST} " if known and round(rows[label][name], 2) == best else ""
            line.append(mark + text(rows[label]))
        lines.append(line)
    return lines


def _accuracy(row: Row) -> str:
    answered, kept = row["answered_percent"], row["answered_kept_percent"]
    shares = [_share(answered)] if answered < 100 else []
    shares += [f"{_share(kept)} keep it"] if kept < 100 else []
    return number(row["mean_percent"]) + (f" ({'; '.join(shares)})" if shares else "")


def _queries_and_share(row: Row) -> str:
    median = columns.queries(row["queries_to_target"], row["budget"])
    return f"{median} ({_share(row['reached_percent'])})"


def _share(percent: float) -> str:
    """A share of seeds; all and none are said of all and none only."""
    if 0 < percent < 100:
        percent = min(max(percent, 1.0), 99.0)
    return number(percent, ".0f", " %")


# --- pictures -----------------------------------------------------------------------------------


def _pictures(shown: Tradeoff, names: tuple[str, str], index: str, head: str) -> list[Picture]:
    front, progress = f"{shown.cost} against accuracy", f"{shown.cost}, over queries"
    return [
        Picture(
            f"front-{index}",
            names[0],
            f"{head}: {front}",
            f"{front}.",
            lambda name: tradeoffs.front_svg(shown, name),
            lambda path: tradeoffs.front_png(shown, path),
        ),
        Picture(
            f"progress-{index}",
            names[1],
            f"{head}: {progress}",
            f"{progress}: accuracy of the best feasible, hypervolume and return.",
            lambda name: tradeoffs.progress_svg(shown, name),
            lambda path: tradeoffs.progress_png(shown, path),
        ),
    ]


PICTURE_NOTES = (
    "Cost against accuracy: the line is the best reported accuracy that the table has at no more "
    "cost, which no search sees; dotted: the targets. Marks: the median cost and the median "
    "reported accuracy of the answers of a setting's seeds, a shape a target, hollow where its "
    "line is dash-dotted; bars: the middle half of the seeds. Answers by predicted costs may lie "
    "beyond the target.",
    "Over queries: means over seeds with 95 % percentile-bootstrap bands, a column a target. "
    "Above: reported accuracy of the best feasible architecture so far; a line begins where all "
    "its seeds have one, seeds that never have one are left out; dotted: the best of the table. "
    "In the middle: hypervolume, the area of cost and search accuracy that what was asked for "
    "dominates, whether it keeps the target or not, up to the table's greatest cost and down to "
    "accuracy 0, as a part of what the whole table dominates. Below: the return of what is asked "
    "for, as in AUTOCoMET's Fig. 3, by one yardstick for all: search accuracy * min(1, target / "
    "cost), as a share of the table's best, mean over the queries since the point before.",
)


# --- picks --------------------------------------------------------------------------------------


def _picks(table: OfTable) -> list[Table | Notes | Picture]:
    heads = ["constraint", "setting", "architecture", "seeds that agree", "cost", "accuracy, %"]
    lines, seen = [], set()
    for pick in table.picks:
        limit = _limit(pick)
        if limit not in seen:
            seen.add(limit)
            lines.append([limit, "the table's best", *_about(pick, "best_", "")])
        agreed = _share(pick["agreed_percent"])
        lines.append([limit, pick["label"], *_about(pick, "", agreed)])
    note = (
        "The best feasible architecture that most seeds agree on, with their share of all seeds, "
        "its cost in the constraint's unit and its reported accuracy (of as many seeds the one "
        "with the better search accuracy). First the table's: of all that keep it, the "
        "one with the best search accuracy. Different encodings count as different, also where "
        "they compute the same. All this is in picks.json too."
    )
    return [Table(heads, lines, words=(1, 2)), Notes([note])]


def _about(pick: Mapping[str, Any], prefix: str, agreed: str) -> list[str]:
    if pick[f"{prefix}architecture"] is None:
        return ["infeasible" if pick["best_architecture"] is None else "none found", "–", "–", "–"]
    reported = pick[f"{prefix}reported_percent"]
    accuracy = "–" if reported is None else number(reported)
    cost = number(pick[f"{prefix}cost_value"], ".4g")
    cost += "" if pick[f"{prefix}keeps_target"] else " (breaks it)"
    return [pick[f"{prefix}architecture"], agreed or "–", cost, accuracy]


# --- details of a constraint --------------------------------------------------------------------


def _details(limit: Limited, table: OfTable) -> list[Table | Notes | Picture]:
    if not limit.rows[0]["feasible"]:
        words = "Infeasible: no architecture of the table keeps this constraint."
        return [Notes([words])]
    return [
        columns.table(_answers(limit, table), limit.rows),
        columns.table(_further(limit, table), limit.rows),
        Notes(
            [
                _random_note(limit.rows[0], limit.group.budget),
                columns.comparison_note(limit.rows, table.reference),
                *columns.mark_notes(limit.rows),
            ]
        ),
    ]


def _answers(limit: Limited, table: OfTable) -> list[Column]:
    """The columns of AUTOCoMET's Table I, and those that they need to be read."""
    rows = limit.rows
    unit = rows[0]["cost"].split("/")[-1]
    measures = [name for name in rows[0] if name.startswith(MEASURE)]
    bases = [("reference", table.reference), (AUTOCOMET, _autocomet(table.labels))]
    return [
        columns.setting(table.reference),
        columns.SEEDS,
        Column("seeds with an answer", lambda row: _share(row["answered_percent"])),
        *(KEPT if any(row["answered_kept_percent"] < 100 for row in rows) else ()),
        columns.MEAN,
        Column(unit, lambda row: number(row["cost_mean"], ".4g")),
        Column("of the target", lambda row: number(row["cost_percent"], ".0f", " %")),
        *(_measure(name) for name in measures if any(not _missing(row[name]) for row in rows)),
        *columns.reached(AIM_TEXT, limit.group.budget),
        *(_ratio_column(*base) for base in bases if base[1] and base[1] in _labels(rows)),
        Column("s per 1,000 queries", lambda row: number(row["seconds_per_1000_queries"], ".3g")),
    ]


def _labels(rows: Sequence[Row]) -> list[str]:
    return [row["label"] for row in rows]


def _autocomet(labels: Sequence[str]) -> str:
    return next((label for label in labels if label.startswith(AUTOCOMET)), "")


def _missing(value: Any) -> bool:
    return value is None or math.isnan(value)


def _measure(name: str) -> Column:
    head = name.removeprefix(MEASURE).split("/")[-1]
    return Column(head, lambda row: "–" if _missing(row[name]) else number(row[name], ".4g"))


def _ratio_column(base: str, label: str) -> Column:
    return Column(f"times {label}'s queries (95 %)", lambda row: ratio(row, base))


def ratio(row: Row, base: str) -> str:
    """A ratio of censored medians with its interval; bounds where a median is not known."""
    least, most, low, high = (row[f"{base}_ratio_{end}"] for end in Ratio._fields)
    if math.isnan(least):
        return "–"
    if least == 0 and math.isinf(most):
        return "not known"
    if math.isinf(most):
        center = f"> {_times(least)}"
    else:
        center = f"< {_times(most)}" if least == 0 else _times(least)
    return f"{center} ({_times(low)} to {_times(high)})"


def _times(factor: float) -> str:
    """Two digits at least, whatever the size."""
    return number(factor, ".2g" if factor < 1 else ".2f" if factor < 10 else ",.0f")


def _further(limit: Limited, table: OfTable) -> list[Column]:
    return [
        columns.setting(table.reference),
        *columns.COMPARED,
        *columns.ASKED,
        *(FINAL if any(row["final_percent"] for row in limit.rows) else ()),
        columns.UPDATES,
        *columns.facts(limit.rows),
    ]


def _final_cost(row: Row) -> str:
    unable = row["final_unable_seeds"]
    return number(row["final_cost_mean"], ".4g") + (f" ({unable} cannot run)" if unable else "")


KEPT = (Column("of these keep it", lambda row: _share(row["answered_kept_percent"])),)
FINAL = (
    Column("final greedy", lambda row: _share(row["final_percent"])),
    Column("keeps the constraint", lambda row: number(row["final_kept_percent"], ".0f", " %")),
    Column("its accuracy, %", lambda row: number(row["final_mean_percent"])),
    Column("its cost", _final_cost),
)


def _random_note(row: Row, budget: int) -> str:
    some = ""
    if row["random_answered_percent"] < 99.995:
        some = f"Of random searches {number(row['random_answered_percent'])} % have an answer. "
    return (
        f"{some}The best feasible of {budget:,} uniform draws from the whole table has a search "
        f"accuracy of {number(row['random_search_percent'])} % in the mean, given that any was "
        "drawn (closed form)."
    )


def _reading() -> list[str]:
    """How the tables of the details are read, said once."""
    return [
        "All below is about the best feasible architecture of each seed: its reported accuracy, by "
        "whose mean tables are sorted; means of its cost and of other measures, in the unit that "
        f"ends the name. {columns.SD_NOTE} {columns.IQM_NOTE} Regret: below the best reported "
        "accuracy under the constraint. Search accuracy: mean of what the search saw. Seeds "
        "without an answer are left out of means. Where a setting saw predicted costs, an answer "
        "is feasible as predicted; beside it stands the share that keeps the constraint as "
        "measured, accuracies and tests are of these, costs and other measures of all answers.",
        f"Reached: the share of seeds that came to {AIM_TEXT} of the table's best search accuracy "
        "under the constraint, and took it for feasible; the median counts those that did not as "
        "infinite. Queries include repeats, invalid ones and those that break the constraint.",
        "Times the queries of another: the setting's median over the other's, with a 95 % "
        f"percentile-bootstrap interval over seeds ({RESAMPLES:,} resamples); below 1 it needs "
        "fewer. Of a median beyond the budget no more is known: such a ratio is a bound, not known "
        "if both are, and in resamples it widens the interval. Of all pairs: study.json.",
        "Seconds: of the searches alone, all seeds in one program, on the machine that ran them; "
        "results are looked up, so a search's cost in training is told by its queries.",
        "Final greedy: the learner's own choice at the end, without exploration and whether it "
        "keeps the constraint or not: the share of seeds that have one, of these the share that "
        "keeps it, means of their reported accuracy and cost.",
    ]
