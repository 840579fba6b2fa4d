"""Columns of a report's tables: a row of `aggregates` as text."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nasjax.studies.aggregate import FACT
from nasjax.studies.blocks import Table
from nasjax.studies.statistics import RESAMPLES
from nasjax.types import UNTRAINED_BELOW_UPDATES

STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))

Row = Mapping[str, Any]  # one row of `aggregates`


class Column(NamedTuple):
    """A column of a table: its head, and its text for a row."""

    head: str
    text: Callable[[Row], str]


def table(columns: Sequence[Column], rows: Sequence[Row]) -> Table:
    """The table of these columns."""
    texts = [[column.text(row) for column in columns] for row in rows]
    return Table([column.head for column in columns], texts)


def setting(reference: str) -> Column:
    """The label, with the marks that `mark_notes` explains."""
    return Column("setting", lambda row: _label(row, reference))


def facts(rows: Sequence[Row]) -> list[Column]:
    """A column for each fact that any of the rows has."""
    names = [name for name in rows[0] if name.startswith(FACT)]
    shown = [name for name in names if any(row[name] is not None for row in rows)]
    return [Column(name.removeprefix(FACT), functools.partial(_fact, name)) for name in shown]


def comparison_note(rows: Sequence[Row], reference: str) -> str:
    """What the p-values of a table are."""
    compared = sum(math.isfinite(row["mann_whitney_p"]) for row in rows)
    if not compared:
        return f"No comparison: the reference {reference} has nothing to be compared with."
    return (
        f"Reference: {reference}. Two-sided p-values, corrected by Holm's method for the "
        f"{compared} comparisons of this table, per test: * below 0.05, ** below 0.01, *** "
        "below 0.001; which is better is told by the difference."
    )


def mark_notes(rows: Sequence[Row]) -> list[str]:
    """What the marks beside labels mean, as far as there are any."""
    notes = []
    if any(row["untrained_seeds"] for row in rows):
        notes.append(
            f"† untrained: seeds with fewer than {UNTRAINED_BELOW_UPDATES} updates, which "
            "are no evidence for or against the learner."
        )
    if any(row["unknown_seeds"] for row in rows):
        notes.append(
            "‡ seeds that found nothing of known reported accuracy, or whose answer breaks the "
            "constraint: left out of means and of Welch's test; the median regret and "
            "Mann-Whitney's test count them as the worst."
        )
    return notes


# --- texts --------------------------------------------------------------------------------------


def number(value: float, form: str = ".2f", unit: str = "") -> str:
    """A dash for what is not known, the sign of infinity for what is without bound."""
    if math.isnan(value):
        return "–"
    return f"{value:{form}}{unit}" if math.isfinite(value) else "∞"


def spread(center: float, deviation: float) -> str:
    """A mean and its deviation."""
    return f"{number(center)} ± {number(deviation)}" if math.isfinite(center) else "–"


def p_value(p: float) -> str:
    """A p-value with its stars."""
    if math.isnan(p):
        return "–"
    stars = next((f" {stars}" for level, stars in STARS if p < level), "")
    return ("< 0.001" if p < 0.001 else f"{p:.3f}") + stars


def queries(median: float, budget: int) -> str:
    """A median of queries, infinite where it lies above the budget."""
    return f"{median:,.0f}" if math.isfinite(median) else f"> {budget:,}"


def _label(row: Row, reference: str) -> str:
    marks = [row["label"]]
    if row["label"] == reference:
        marks.append("(reference)")
    for name, mark in (("untrained_seeds", "†"), ("unknown_seeds", "‡")):
        if row[name]:
            every = row[name] == row["seeds"]
            marks.append(mark if every else f"{mark} {row[name]} of {row['seeds']}")
    return " ".join(marks)


def _interval(row: Row) -> str:
    center, low, high = (number(row[f"iqm_{end}percent"]) for end in ("", "low_", "high_"))
    return center if math.isnan(row["iqm_low_percent"]) else f"{center} ({low} to {high})"


def _fact(name: str, row: Row) -> str:
    value = row[name]
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return number(value, ".4g") if isinstance(value, float) else str(value)


# --- columns of every study ---------------------------------------------------------------------

SEEDS = Column("seeds", lambda row: f"{row['seeds']:,}")
MEAN = Column("mean ± sd, %", lambda row: spread(row["mean_percent"], row["sd_points"]))
COMPARED = (
    Column("IQM (95 %), %", _interval),
    Column("minus reference, points", lambda row: number(row["difference_points"], "+.2f")),
    Column("Welch p", lambda row: p_value(row["welch_p_holm"])),
    Column("Mann-Whitney p", lambda row: p_value(row["mann_whitney_p_holm"])),
    Column("median regret, points", lambda row: number(row["median_regret_points"], ".2f")),
)
ASKED = (
    Column("distinct rows", lambda row: f"{row['distinct_rows_mean']:,.0f}"),
    Column("search accuracy, %", lambda row: number(row["search_mean_percent"], ".2f")),
)
UPDATES = Column("updates", lambda row: f"{row['updates_mean']:,.0f}" if row["learns"] else "–")
SD_NOTE = "sd: over seeds, with N - 1."
IQM_NOTE = (
    "IQM: mean "
    f"without the lowest and the highest quarter, with a 95 % percentile-bootstrap interval "
    f"({RESAMPLES:,} resamples), too narrow for few seeds: of normal values it covers 90 % "
    "with 5 seeds and 95 % with 30."
)


def reached(part: str, budget: int) -> list[Column]:
    """The share of seeds that came to `part` of the best, and the median of their queries."""
    return [
        Column(f"reached {part}", lambda row: number(row["reached_percent"], ".0f", " %")),
        Column("median queries to it", lambda row: queries(row["queries_to_target"], budget)),
    ]
