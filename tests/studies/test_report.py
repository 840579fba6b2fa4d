"""The report of a study holds every setting, as text and never as markup, in both formats."""

import pathlib
import re
from typing import Any

import numpy as np
import pytest

from nasjax.errors import UserError
from nasjax.reports import figures
from nasjax.reports.render import Picture
from nasjax.studies import figures as drawn
from nasjax.studies import report
from nasjax.studies.analysis.analyse import analyse
from nasjax.studies.results import Result
from nasjax.studies.simulate import NO_ROW
from tests.run_report import html_elements
from tests.studies.small_results import frame, on, reference, result

STUDY = {"seconds": {"compile": 3.25, "run": 20.5}, "commit": "abc123", "machine": "2 cores"}
HOSTILE = "<script>alert(1)</script> | a*b* [x](y) $z$ &lt;"


def many(count: int = 30) -> list[Result]:
    """Settings of five seeds and 40 queries, the later the better."""
    rng = np.random.default_rng(0)
    table = np.sort(rng.beta(8, 1, 200))
    return [
        result(
            f"ablation heads={i}",
            queries=rng.integers(4 * i, 80 + 4 * i, (5, 40)),
            search_accuracy=table,
            reported_accuracy=table,
            facts={"params": 1000 * i},
        )
        for i in range(count)
    ]


def write(
    directory: pathlib.Path, results: list[Result], name: str = "random", **study: Any
) -> str:
    analysis = analyse(results, name)
    report.write_report(directory, analysis, title="A study", origin=STUDY | study)
    return (directory / "report.html").read_text()


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves the pictures out where a test is about words: drawing them takes seconds."""
    monkeypatch.setattr(Picture, "svg", lambda picture: "<svg></svg>")
    monkeypatch.setattr(Picture, "write_png", lambda picture, directory: directory)


def table_rows(markdown: str) -> list[list[str]]:
    """The results of all table rows; a bar that is escaped ends no cell."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    return [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


@pytest.mark.long
def test_the_page_is_self_contained_and_holds_every_setting(tmp_path: pathlib.Path) -> None:
    results = many()
    text = write(tmp_path, results, "ablation heads=0")
    elements = html_elements.assert_self_contained(text)
    assert elements.tags.count("svg") == 1
    assert not any(colour in text for colour in figures.PAGE)  # every stand-in was replaced
    markdown = (tmp_path / "report.md").read_text()
    rows = table_rows(markdown)[2:]
    assert {row[0].removesuffix(" (reference)") for row in rows} == {c.label for c in results}
    for setting in results:
        assert f">{setting.label}" in text
    means = [float(row[2].split(" ± ")[0]) for row in rows]
    assert means == sorted(means, reverse=True)
    assert "22 others" in text  # 30 less the reference and the seven best
    assert write(tmp_path, results, "ablation heads=0") == text


@pytest.mark.long
def test_every_group_has_its_section_and_picture(tmp_path: pathlib.Path) -> None:
    results = [
        on(one, data_set=name) for name in ("digits", "a/b c") for one in (result(), reference())
    ]
    written = report.write_report(tmp_path, analyse(results, "random"), title="t", origin={})
    names = ["report.html", "report.md", "figures/toy-digits-4.png", "figures/toy-a_b_c-4.png"]
    assert written == [tmp_path / name for name in names]
    assert all(path.read_bytes()[:4] == b"\x89PNG" for path in written[2:])
    elements = html_elements.assert_self_contained((tmp_path / "report.html").read_text())
    assert elements.tags.count("svg") == 2
    markdown = (tmp_path / "report.md").read_text()
    assert re.findall(r"\]\((figures/.*?)\)", markdown) == names[2:]


@pytest.mark.usefixtures("no_pictures")
def test_labels_are_text_and_never_markup(tmp_path: pathlib.Path) -> None:
    text = write(tmp_path, [result(HOSTILE, facts={"<b>": "<i>|"}), reference()], host="<u>")
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
    results = [result(HOSTILE), result("_private", queries=[[0, 1, 2, 3]] * 3), reference()]
    text = write(tmp_path, results)
    html_elements.assert_self_contained(text)
    drawn = re.sub("<!--.*?-->", "", text[text.index("<svg") :])  # a formula's source is a comment
    assert "[x](y) $z$ &amp;lt;" in drawn and "_private" in drawn


@pytest.mark.usefixtures("no_pictures")
def test_what_is_marked_is_explained(tmp_path: pathlib.Path) -> None:
    learner = result(learns=True, updates=np.array([99, 100, 200]), final=np.array([NO_ROW, 5, 4]))
    failed = result("failed", queries=np.full((3, 4), NO_ROW))
    better = result("better", queries=[[5] * 4] * 12)
    base = reference(queries=[[i % 2] * 4 for i in range(12)])
    text = write(tmp_path, [learner, failed, better, base])
    rows = {row[0]: row for row in table_rows((tmp_path / "report.md").read_text())}
    assert list(rows)[2:] == ["better", "learner † 1 of 3", "random (reference)", "failed ‡"]
    assert rows["learner † 1 of 3"][12:14] == ["84.00 (2 of 3)", "133"]
    assert rows["failed ‡"][2:5] == ["–"] * 3 and rows["failed ‡"][9] == "> 4"
    assert rows["better"][6].endswith(r"\*\*\*")  # twelve times .88 against .50 and .58
    assert "untrained: seeds with fewer than 100 updates" in text
    assert "Reference: random. The p-values are two-sided and corrected by Holm" in text
    assert "the\n3 comparisons" in text and "*** below 0.001" in text
    # the run that made the numbers is named at the end
    assert text.index("How the numbers were made") < text.index("abc123")
    assert "seconds.compile" in text and "3.25" in text


@pytest.mark.usefixtures("no_pictures")
def test_the_p_values_shown_are_the_corrected_ones(tmp_path: pathlib.Path) -> None:
    results = [result(), reference("alike"), reference()]  # the smaller p of two counts twice
    write(tmp_path, results)
    rows = {row[0]: row for row in table_rows((tmp_path / "report.md").read_text())}
    numbers = frame(results, "random").iloc[0]
    for column, test in ((5, "welch_p"), (6, "mann_whitney_p")):
        assert rows["learner"][column] == f"{2 * numbers[test]:.3f}"


@pytest.mark.usefixtures("no_pictures")
def test_a_group_without_the_reference_says_so(tmp_path: pathlib.Path) -> None:
    text = write(tmp_path, [reference(), result(data_set="elsewhere")])
    assert text.count("No comparison: the reference random") == 2


def test_the_reference_is_drawn_apart_though_it_is_the_worst() -> None:
    labels = [f"c{i}" for i in range(12)]
    assert drawn.drawn_apart(labels, "c11") == [*labels[:7], "c11"]
    assert drawn.drawn_apart(labels, "none") == labels[:7]


@pytest.mark.parametrize(
    "results",
    [
        [reference(queries=[[5]])],  # one seed, one query, no regret
        [reference(queries=[[NO_ROW] * 4] * 2)],  # nothing to draw
        [
            reference(queries=[[5] * 4] * 2),
            result(queries=[[5, 0, 0, 0]] * 2),
        ],  # all at the optimum
    ],
)
def test_pictures_of_limit_cases_are_drawn_without_a_warning(
    tmp_path: pathlib.Path, results: list[Result]
) -> None:
    html_elements.assert_self_contained(write(tmp_path, results))


def test_what_cannot_be_written_ends_with_one_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write .*file"):
        write(tmp_path / "file", [reference()])
    with pytest.raises(UserError, match="reference='random' is no label"):
        write(tmp_path / "new", [result()])
    assert not (tmp_path / "new").exists()


def test_numbers_read_as_a_paper_would_print_them() -> None:
    assert report.p_value(0.0004) == "< 0.001 ***" and report.p_value(0.0499) == "0.050 *"
    assert report.p_value(0.0312) == "0.031 *" and report.p_value(0.31) == "0.310"
    assert report.p_value(np.nan) == "–"
    assert report.censored(np.inf, 1000) == "> 1,000" and report.censored(41.5, 1000) == "42"
    # only all seeds are 100 %, and only none are 0 %
    assert [report.share(percent) for percent in (0, 0.2, 99.8, 100)] == [
        "0 %",
        "1 %",
        "99 %",
        "100 %",
    ]


@pytest.mark.usefixtures("no_pictures")
def test_facts_are_printed_by_their_kind_and_what_is_missing_is_a_dash(
    tmp_path: pathlib.Path,
) -> None:
    facts = {"flag": True, "params": 78_084, "rate": 0.25, "note": "x", "nan": np.nan}
    write(tmp_path, [result(facts=facts), reference()])
    heads, _, *rows = table_rows((tmp_path / "report.md").read_text())
    of = {row[0]: dict(zip(heads, row, strict=True)) for row in rows}
    assert [of["learner"][name] for name in facts] == ["yes", "78,084", "0.25", "x", "–"]
    assert {of["random (reference)"][name] for name in facts} == {"–"}
