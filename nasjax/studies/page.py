"""The wording of a study's report, a chapter a group; of those without a constraint."""

from collections.abc import Sequence
from typing import NamedTuple

from nasjax.studies import columns, plots
from nasjax.studies.aggregate import Group
from nasjax.studies.answers import AIM
from nasjax.studies.blocks import Chapter, Notes, Picture
from nasjax.studies.columns import Column, Row, number

AIM_TEXT = f"{100 * AIM:.0f} %"


class Section(NamedTuple):
    """One group of cells: what its table holds and what its picture shows."""

    group: Group
    rows: Sequence[Row]  # sorted by mean reported accuracy
    picture: plots.Picture
    file_name: str  # of the picture, beside the Markdown
    notes: Sequence[str] = ()  # what the table is, where it is none


def chapters(sections: Sequence[Section]) -> list[Chapter]:
    """A chapter for each section."""
    return [_chapter(section, number) for number, section in enumerate(sections)]


def tiles(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """What stands at the head of the report: names and values."""
    asked = sum(row["queries_mean"] * row["seeds"] for row in rows)
    return [
        ("settings", f"{len({row['label'] for row in rows}):,}"),
        ("tables", f"{len({(row['space'], row['data_set']) for row in rows}):,}"),
        ("searches", f"{sum(row['seeds'] for row in rows):,}"),
        ("queries", f"{asked:,.0f}"),
    ]


def heading(space: str, data_set: str, budget: int) -> str:
    """Of what is searched, and how long."""
    return f"{space}, {data_set}, {budget:,} queries"


def _chapter(section: Section, index: int) -> Chapter:
    head = heading(*section.group[:3])
    picture = Picture(
        f"anytime-{index}",
        section.file_name,
        f"{head}: anytime curves",
        _caption(section),
        lambda name: plots.anytime_svg(section.picture, name),
        lambda path: plots.anytime_png(section.picture, path),
    )
    table = columns.table(_columns(section), section.rows)
    first = [Notes(section.notes)] if section.notes else []
    return Chapter(head, [*first, table, Notes(_notes(section)), picture])


def _columns(section: Section) -> list[Column]:
    return [
        columns.setting(section.picture.reference),
        columns.SEEDS,
        columns.MEAN,
        *columns.COMPARED,
        *columns.reached(AIM_TEXT, section.group.budget),
        *columns.ASKED,
        Column("last noise-free, %", _final),
        columns.UPDATES,
        *columns.facts(section.rows),
    ]


def _notes(section: Section) -> list[str]:
    rows, budget = section.rows, section.group.budget
    drawn = sorted({number(row["random_search_percent"]) for row in rows})
    notes = [
        "Reported accuracy of the architecture with the best search accuracy among the "
        f"{budget:,} queries of a seed; sorted by its mean. {columns.SD_NOTE} "
        f"{columns.IQM_NOTE} Regret: "
        f"below the table's best reported accuracy, {number(100 * section.picture.optimum)} %.",
        columns.comparison_note(rows, section.picture.reference),
        f"Reached: the share of seeds that came to {AIM_TEXT} of the table's best search "
        "accuracy; the median counts those that did not as infinite. Queries include repeats and "
        "invalid ones. Search accuracy: mean of what the search saw of that architecture; the best "
        f"of {budget:,} uniform draws has {' or '.join(drawn)} % in the mean (closed form).",
    ]
    if any(row["final_seeds"] for row in rows):
        notes.append(
            "Last noise-free: mean reported accuracy of the learner's own choice at the end, "
            "without exploration."
        )
    return notes + columns.mark_notes(rows)


def _caption(section: Section) -> str:
    apart, every = len(plots.drawn_apart(section.picture)), len(section.picture.curves)
    grey = f" Of {every} settings the best and the reference have colours." if every > apart else ""
    return (
        "Mean over seeds of the incumbent's reported accuracy (left) and regret (right) after each "
        f"query, with 95 % percentile-bootstrap bands of the mean; dashed: the reference.{grey} A "
        "line begins where all its seeds have an architecture."
    )


def _final(row: Row) -> str:
    some = f" ({row['final_seeds']} of {row['seeds']})" if row["final_seeds"] < row["seeds"] else ""
    return number(row["final_mean_percent"]) + (some if row["final_seeds"] else "")
