"""The report of a study holds every setting, as text and never as markup, in both formats."""

import pathlib
import re
from typing import Any

import numpy as np
import pytest

from nasjax.errors import UserError
from nasjax.reports import figures
from nasjax.studies import columns, plots, report
from nasjax.studies.aggregate import aggregates, curve
from nasjax.studies.cell import NO_ROW, Cell
from tests.run_report import html_elements
from tests.studies.small_cells import cell, reference

STUDY = {"seconds": {"compile": 3.25, "run": 20.5}, "commit": "abc123", "machine": "2 cores"}
HOSTILE = "<script>alert(1)</script> | a*b* [x](y) $z$ &lt;"


def many(count: int = 30) -> list[Cell]:
    """Settings of five seeds and 40 queries, the later the better."""
    rng = np.random.default_rng(0)
    table = np.sort(rng.beta(8, 1, 200))
    return [
        cell(
            f"ablation heads={i}",
            queries=rng.integers(4 * i, 80 + 4 * i, (5, 40)),
            search_accuracy=table,
            reported_accuracy=table,
            facts={"params": 1000 * i},
        )
        for i in range(count)
    ]


def write(directory: pathlib.Path, cells: list[Cell], name: str = "random", **study: Any) -> str:
    report.write_report(directory, cells, title="A study", reference=name, study=STUDY | study)
    return (directory / "report.html").read_text()


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the pictures out where a test is about words: drawing them takes seconds."""
    monkeypatch.setattr(plots, "anytime_svg", lambda picture, name: "<svg></svg>")
    monkeypatch.setattr(plots, "anytime_png", lambda picture, path: None)


def table_rows(markdown: str) -> list[list[str]]:
    """The cells of all table rows; a bar that is escaped ends no cell."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_page_is_self_contained_and_holds_every_setting(tmp_path: pathlib.Path) -> None:
    cells = many()
    text = write(tmp_path, cells, "ablation heads=0")
    elements = html_elements.assert_self_contained(text)
    assert elements.tags.count("svg") == 1
    assert not any(colour in text for colour in figures.PAGE)  # every stand-in was replaced
    markdown = (tmp_path / "report.md").read_text()
    rows = table_rows(markdown)[2:]
    assert {row[0].removesuffix(" (reference)") for row in rows} == {c.label for c in cells}
    for setting in cells:
        assert f">{setting.label}" in text
    means = [float(row[2].split(" ± ")[0]) for row in rows]
    assert means == sorted(means, reverse=True)
    assert "22 others" in text  # 30 less the reference and the seven best
    assert write(tmp_path, cells, "ablation heads=0") == text


def test_every_group_has_its_section_and_picture(tmp_path: pathlib.Path) -> None:
    cells = [c._replace(data_set=d) for d in ("digits", "a/b c") for c in (cell(), reference())]
    written = report.write_report(tmp_path, cells, title="t", reference="random", study={})
    names = ["report.html", "report.md", "figures/toy-digits-4.png", "figures/toy-a_b_c-4.png"]
    assert written == [tmp_path / name for name in names]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in written[2:])
    elements = html_elements.assert_self_contained((tmp_path / "report.html").read_text())
    assert elements.tags.count("svg") == 2
    markdown = (tmp_path / "report.md").read_text()
    assert re.findall(r"\]\((figures/.*?)\)", markdown) == names[2:]


@pytest.mark.usefixtures("no_pictures")
def test_labels_are_text_and_never_markup(tmp_path: pathlib.Path) -> None:
    text = write(tmp_path, [cell(HOSTILE, facts={"<b>": "<i>|"}), reference()], host="<u>")
    html_elements.assert_self_contained(text)
    assert "<script" not in text and "&lt;script&gt;alert(1)" in text and "&amp;lt;" in text
    assert not re.search("<[biu]>&", text) and "&lt;u&gt;" in text
    markdown = (tmp_path / "report.md").read_text()
    rows = table_rows(markdown)
    assert len({len(row) for row in rows}) == 1  # a bar in a label opens no cell
    assert r"\<script>alert(1)\</script> \| a\*b\* \[x\](y) \$z\$ \&lt;" in rows[2][0]
    assert not re.search(r"(?<!\\)<", markdown)


def test_a_label_that_matplotlib_would_read_as_more_is_drawn_as_it_is(
    tmp_path: pathlib.Path,
) -> None:
    cells = [cell(HOSTILE), cell("_private", queries=[[0, 1, 2, 3]] * 3), reference()]
    text = write(tmp_path, cells)
    html_elements.assert_self_contained(text)
    drawn = re.sub("<!--.*?-->", "", text[text.index("<svg") :])  # a formula's source is a comment
    assert "[x](y) $z$ &amp;lt;" in drawn and "_private" in drawn


@pytest.mark.usefixtures("no_pictures")
def test_what_is_marked_is_explained(tmp_path: pathlib.Path) -> None:
    learner = cell(learns=True, updates=np.array([99, 100, 200]), final=np.array([NO_ROW, 5, 4]))
    failed = cell("failed", queries=np.full((3, 4), NO_ROW))
    better = cell("better", queries=[[5] * 4] * 12)
    base = reference(queries=[[i % 2] * 4 for i in range(12)])
    text = write(tmp_path, [learner, failed, better, base])
    rows = {row[0]: row for row in table_rows((tmp_path / "report.md").read_text())}
    assert list(rows)[2:] == ["better", "learner † 1 of 3", "random (reference)", "failed ‡"]
    assert rows["learner † 1 of 3"][12:14] == ["84.00 (2 of 3)", "133"]
    assert rows["failed ‡"][2:5] == ["–"] * 3 and rows["failed ‡"][9] == "> 4"
    assert rows["better"][6].endswith(r"\*\*\*")  # twelve times .88 against .50 and .58
    assert "untrained: seeds with fewer than 100 updates" in text
    assert "Reference: random. Two-sided p-values, corrected by Holm" in text
    assert "for the 3 comparisons" in text and "*** below 0.001" in text
    # the run that made the numbers is named at the end
    assert text.index("How the numbers were made") < text.index("abc123")
    assert "seconds.compile" in text and "3.25" in text


@pytest.mark.usefixtures("no_pictures")
def test_the_p_values_shown_are_the_corrected_ones(tmp_path: pathlib.Path) -> None:
    cells = [cell(), reference("alike"), reference()]  # the smaller p of two counts twice
    write(tmp_path, cells)
    rows = {row[0]: row for row in table_rows((tmp_path / "report.md").read_text())}
    numbers = aggregates(cells, "random").iloc[0]
    for column, test in ((5, "welch_p"), (6, "mann_whitney_p")):
        assert rows["learner"][column] == f"{2 * numbers[test]:.3f}"


@pytest.mark.usefixtures("no_pictures")
def test_a_group_without_the_reference_says_so(tmp_path: pathlib.Path) -> None:
    text = write(tmp_path, [reference(), cell(data_set="elsewhere")])
    assert text.count("No comparison: the reference random") == 2


def test_the_reference_is_drawn_apart_though_it_is_the_worst() -> None:
    curves = {f"c{i}": curve(reference()) for i in range(12)}
    picture = plots.Picture(curves, reference="c11", optimum=0.88)
    assert plots.drawn_apart(picture) == [f"c{i}" for i in range(7)] + ["c11"]
    assert plots.drawn_apart(picture._replace(reference="none")) == [f"c{i}" for i in range(7)]


@pytest.mark.parametrize(
    "cells",
    [
        [reference(queries=[[5]])],  # one seed, one query, no regret
        [reference(queries=[[NO_ROW] * 4] * 2)],  # nothing to draw
        [reference(queries=[[5] * 4] * 2), cell(queries=[[5, 0, 0, 0]] * 2)],  # all at the optimum
    ],
)
def test_pictures_of_limit_cases_are_drawn_without_a_warning(
    tmp_path: pathlib.Path, cells: list[Cell]
) -> None:
    html_elements.assert_self_contained(write(tmp_path, cells))


def test_what_cannot_be_written_ends_with_one_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file.*cannot be written"):
        write(tmp_path / "file", [reference()])
    with pytest.raises(UserError, match="reference='random' is no label"):
        write(tmp_path / "new", [cell()])
    assert not (tmp_path / "new").exists()


def test_numbers_read_as_a_paper_would_print_them() -> None:
    assert columns.p_value(0.0004) == "< 0.001 ***" and columns.p_value(0.0499) == "0.050 *"
    assert columns.p_value(0.0312) == "0.031 *" and columns.p_value(0.31) == "0.310"
    assert columns.p_value(np.nan) == "–" and columns.number(np.inf) == "∞"
    assert columns.queries(np.inf, 1000) == "> 1,000" and columns.queries(41.5, 1000) == "42"
    facts = {True: "yes", 78_084: "78,084", 0.25: "0.25", "x": "x"}
    assert [columns._fact("f", {"f": value}) for value in facts] == list(facts.values())
    assert columns._fact("f", {"f": None}) == columns._fact("f", {"f": np.nan}) == "–"
