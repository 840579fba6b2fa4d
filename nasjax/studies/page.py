"""The wording of a study's report: tables with their notes, as one HTML page and as Markdown."""

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from nasjax.runs import markup
from nasjax.runs.page import FEW_UPDATES
from nasjax.studies import plots
from nasjax.studies.aggregate import FACT, Group
from nasjax.studies.answers import AIM
from nasjax.studies.plots import Picture
from nasjax.studies.statistics import RESAMPLES

WIDE = "main { max-width: 1240px; }"  # the tables have many columns
AIM_TEXT = f"{100 * AIM:.0f} %"
STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))

Row = Mapping[str, Any]  # one row of `aggregates`


class Section(NamedTuple):
    """One group of cells: what its table holds and what its picture shows."""

    group: Group
    rows: Sequence[Row]  # sorted by mean reported accuracy
    picture: Picture
    file_name: str  # of the picture, beside the Markdown


class Column(NamedTuple):
    """A column of a table: its head, and its text for a row."""

    head: str
    text: Callable[[Row], str]


def html(title: str, sections: Sequence[Section], study: dict[str, Any]) -> str:
    """The whole page: no network, no scripts; pictures and style are inside."""
    facts = "".join(
        f'<div class="tile"><span>{escape(name)}</span><b>{escape(value)}</b></div>'
        for name, value in _overview(sections)
    )
    parts = [f'<header><h1>{escape(title)}</h1>\n<div class="tiles">{facts}</div></header>']
    for number, section in enumerate(sections):
        columns = _columns(section)
        rows = [[escape(column.text(row)) for column in columns] for row in section.rows]
        heads = [column.head for column in columns]
        content = [
            markup.table(heads, rows, numbers=range(1, len(heads))),
            *(markup.caption(note) for note in _notes(section)),
            plots.anytime_svg(section.picture, f"anytime-{number}"),
            markup.caption(_caption(section)),
        ]
        parts.append(markup.section(_heading(section.group), "\n".join(content)))
    origin = [[f"<code>{escape(k)}</code>", escape(v)] for k, v in markup.flatten(study)]
    parts.append(markup.section(ORIGIN, markup.table(("", ""), origin)))
    return markup.document(title, parts, css=WIDE)


def markdown(title: str, sections: Sequence[Section], study: dict[str, Any]) -> str:
    """The same words in GitHub's Markdown; pictures are files beside it."""
    overview = ", ".join(f"{name}: {value}" for name, value in _overview(sections))
    parts = [f"# {_plain(title)}", overview]
    for section in sections:
        columns = _columns(section)
        table = [[column.text(row) for column in columns] for row in section.rows]
        heading = _heading(section.group)
        parts += [
            f"## {_plain(heading)}",
            _markdown_table([column.head for column in columns], table),
            "\n".join(f"- {_plain(note)}" for note in _notes(section)),
            f"![{_plain(heading)}: anytime curves]({section.file_name})",
            _plain(_caption(section)),
        ]
    origin = [f"- {_plain(k)}: {_plain(v)}" for k, v in markup.flatten(study)]
    parts += [f"## {ORIGIN}", "\n".join(origin)]
    return "\n\n".join(parts) + "\n"


# --- words --------------------------------------------------------------------------------------

ORIGIN = "How the numbers were made"


def _heading(group: Group) -> str:
    words = f"{group.space}, {group.data_set}, {group.budget:,} queries"
    return f"{words}, {group.limit}" if group.limit else words


def _overview(sections: Sequence[Section]) -> list[tuple[str, str]]:
    rows = [row for section in sections for row in section.rows]
    queries = sum(row["queries_mean"] * row["seeds"] for row in rows)
    return [
        ("settings", f"{len({row['label'] for row in rows}):,}"),
        ("tables", f"{len({(s.group.space, s.group.data_set) for s in sections}):,}"),
        ("searches", f"{sum(row['seeds'] for row in rows):,}"),
        ("queries", f"{queries:,.0f}"),
    ]


def _columns(section: Section) -> list[Column]:
    budget, reference = section.group.budget, section.picture.reference
    facts = [name for name in section.rows[0] if name.startswith(FACT)]
    shown = [name for name in facts if any(row[name] is not None for row in section.rows)]
    return [
        Column("setting", lambda row: _label(row, reference)),
        Column("seeds", lambda row: f"{row['seeds']:,}"),
        Column("mean ± sd, %", lambda row: _spread(row["mean_percent"], row["sd_points"])),
        Column("IQM (95 %), %", _interval),
        Column("minus reference, points", lambda row: _number(row["difference_points"], "+.2f")),
        Column("Welch p", lambda row: _p_value(row["welch_p_holm"])),
        Column("Mann-Whitney p", lambda row: _p_value(row["mann_whitney_p_holm"])),
        Column("median regret, points", lambda row: _number(row["median_regret_points"], ".2f")),
        Column(f"reached {AIM_TEXT}", lambda row: _number(row["reached_percent"], ".0f", " %")),
        Column("median queries to it", lambda row: _queries(row["queries_to_target"], budget)),
        Column("distinct rows", lambda row: f"{row['distinct_rows_mean']:,.0f}"),
        Column("search accuracy, %", lambda row: _number(row["search_mean_percent"], ".2f")),
        Column("last noise-free, %", _final),
        Column("updates", lambda row: f"{row['updates_mean']:,.0f}" if row["learns"] else "–"),
        *(Column(name.removeprefix(FACT), functools.partial(_fact, name)) for name in shown),
    ]


def _notes(section: Section) -> list[str]:
    rows, reference, budget = section.rows, section.picture.reference, section.group.budget
    compared = sum(math.isfinite(row["mann_whitney_p"]) for row in rows)
    drawn = sorted({_number(row["random_search_percent"]) for row in rows})
    notes = [
        "Reported accuracy of the architecture with the best search accuracy among the "
        f"{budget:,} queries of a seed; sorted by its mean. sd: over seeds, with N - 1. IQM: mean "
        f"without the lowest and the highest quarter, with a 95 % percentile-bootstrap interval "
        f"({RESAMPLES:,} resamples), too narrow for few seeds: of normal values it covers 90 % "
        "with 5 seeds and 95 % with 30. Regret: "
        f"below the table's best reported accuracy, {_number(100 * section.picture.optimum)} %."
    ]
    if compared:
        notes.append(
            f"Reference: {reference}. Two-sided p-values, corrected by Holm's method for the "
            f"{compared} comparisons of this table, per test: * below 0.05, ** below 0.01, *** "
            "below 0.001; which is better is told by the difference."
        )
    else:
        notes.append(f"No comparison: the reference {reference} has nothing to be compared with.")
    notes.append(
        f"Reached: the share of seeds that came to {AIM_TEXT} of the table's best search "
        "accuracy; the median counts those that did not as infinite. Queries include repeats and "
        "invalid ones. Search accuracy: mean of what the search saw of that architecture; the best "
        f"of {budget:,} uniform draws has {' or '.join(drawn)} % in the mean (closed form)."
    )
    if any(row["final_seeds"] for row in rows):
        notes.append(
            "Last noise-free: mean reported accuracy of the learner's own choice at the end, "
            "without exploration."
        )
    if any(row["untrained_seeds"] for row in rows):
        notes.append(
            f"† untrained: seeds with fewer than {FEW_UPDATES} updates, which are no evidence for "
            "or against the learner."
        )
    if any(row["unknown_seeds"] for row in rows):
        notes.append(
            "‡ seeds that found nothing of known reported accuracy: left out of means and of "
            "Welch's test; the median regret and Mann-Whitney's test count them as the worst."
        )
    return notes


def _caption(section: Section) -> str:
    apart, every = len(plots.drawn_apart(section.picture)), len(section.picture.curves)
    grey = f" Of {every} settings the best and the reference have colours." if every > apart else ""
    return (
        "Mean over seeds of the incumbent's reported accuracy (left) and regret (right) after each "
        f"query, with 95 % percentile-bootstrap bands of the mean; dashed: the reference.{grey} A "
        "line begins where all its seeds have an architecture."
    )


# --- cells of a table ---------------------------------------------------------------------------


def _label(row: Row, reference: str) -> str:
    marks = [row["label"]]
    if row["label"] == reference:
        marks.append("(reference)")
    for name, mark in (("untrained_seeds", "†"), ("unknown_seeds", "‡")):
        if row[name]:
            every = row[name] == row["seeds"]
            marks.append(mark if every else f"{mark} {row[name]} of {row['seeds']}")
    return " ".join(marks)


def _number(value: float, form: str = ".2f", unit: str = "") -> str:
    """A dash for what is not known, the sign of infinity for what is without bound."""
    if math.isnan(value):
        return "–"
    return f"{value:{form}}{unit}" if math.isfinite(value) else "∞"


def _spread(center: float, deviation: float) -> str:
    return f"{_number(center)} ± {_number(deviation)}" if math.isfinite(center) else "–"


def _interval(row: Row) -> str:
    center, low, high = (_number(row[f"iqm_{end}percent"]) for end in ("", "low_", "high_"))
    return center if math.isnan(row["iqm_low_percent"]) else f"{center} ({low} to {high})"


def _p_value(p: float) -> str:
    if math.isnan(p):
        return "–"
    stars = next((f" {stars}" for level, stars in STARS if p < level), "")
    return ("< 0.001" if p < 0.001 else f"{p:.3f}") + stars


def _queries(median: float, budget: int) -> str:
    return f"{median:,.0f}" if math.isfinite(median) else f"> {budget:,}"


def _final(row: Row) -> str:
    some = f" ({row['final_seeds']} of {row['seeds']})" if row["final_seeds"] < row["seeds"] else ""
    return _number(row["final_mean_percent"]) + (some if row["final_seeds"] else "")


def _fact(name: str, row: Row) -> str:
    value = row[name]
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return _number(value, ".4g") if isinstance(value, float) else str(value)


# --- Markdown -----------------------------------------------------------------------------------


def _plain(text: str) -> str:
    """Text as GitHub shows it literally, in one line: no markup, no HTML, no end of a cell."""
    escaped = re.sub(r"([\\`*\[\]<|~$&]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return " ".join(escaped.split())


def _markdown_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column is set flush left, the others flush right."""
    rule = [":--"] + ["--:"] * (len(heads) - 1)
    lines = [[_plain(cell) for cell in row] for row in (heads, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in (lines[0], rule, *lines[1:]))
