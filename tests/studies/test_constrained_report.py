"""The report of searches under constraints says the same in HTML and in Markdown."""

import collections
import html
import json
import pathlib
import re
from typing import Any

import numpy as np
import pytest

from nasjax.reports import render
from nasjax.reports.render import Picture
from nasjax.studies import config, figures, problem, report, shards
from nasjax.studies.analysis import analyse as analysis
from nasjax.studies.analysis.analyse import analyse
from nasjax.studies.analysis.summary import plain
from nasjax.studies.analysis.tradeoffs import tradeoff
from nasjax.studies.results import Result
from nasjax.studies.simulate import NO_ROW, Found
from tests.run_report import html_elements
from tests.studies.small_results import NAN, constrained, constrained_reference, on
from tests.studies.test_report import table_rows

INF = np.inf


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Picture, "svg", lambda picture: "<svg></svg>")
    monkeypatch.setattr(Picture, "write_png", lambda picture, directory: directory)


def write(directory: pathlib.Path, results: list[Result]) -> tuple[str, str]:
    found = analyse(results, "random")
    report.write_report(directory, found, title="A study", origin={"a": "b"})
    return (directory / "report.html").read_text(), (directory / "report.md").read_text()


def both(max_cost: float = 3.0, **other: object) -> list[Result]:
    return [
        constrained(max_cost=max_cost, **other),
        constrained_reference(max_cost=max_cost, **other),
    ]


def unescaped(results: list[str]) -> list[str]:
    return [re.sub(r"\\(.)", r"\1", text) for text in results]


@pytest.mark.usefixtures("no_pictures")
def test_both_formats_have_the_same_tables_and_words(tmp_path: pathlib.Path) -> None:
    results = [*both(), *both(2.0, quantile=0.25), *both(0.5, quantile=0.1)]
    page, markdown = write(tmp_path, results)
    html_elements.assert_self_contained(page)
    shown = [html.unescape(text) for text in re.findall(r"<td[^>]*>(.*?)</td>", page)]
    rows = [unescaped(row) for row in table_rows(markdown)]
    heads = [html.unescape(text) for text in re.findall(r"<th(?: [^>]*)?>(.*?)</th>", page)]
    rules = [i for i, row in enumerate(rows) if row[0] == ":--"]
    of_markdown = [
        c for i, row in enumerate(rows) if i not in rules and i + 1 not in rules for c in row
    ]
    assert shown[: len(of_markdown)] == of_markdown  # after them, how the numbers were made
    assert heads == [c for i in rules for c in rows[i - 1]]
    notes = re.findall(r'<p class="caption">(.*?)</p>', page, re.DOTALL)
    assert len(notes) > 15
    for note in notes:
        assert " ".join(html.unescape(note).split()) in re.sub(r"\\(.)", r"\1", markdown)
    for head in re.findall("<summary>(.*?)</summary>", page):
        assert f"### {html.unescape(head)}" in markdown


@pytest.mark.usefixtures("no_pictures")
def test_the_overview_comes_first_and_has_every_constraint(tmp_path: pathlib.Path) -> None:
    results = [*both(2.0, quantile=0.25), *both(), *both(0.5, quantile=0.1)]
    _, markdown = write(tmp_path, results)
    rows = table_rows(markdown)
    assert rows[0] == ["constraint", "learner", "random", "table's best"]
    limits = [f"phone/latency_ms at most {limit}" for limit in ("2 (25 %", "3 (50 %", "0.5 (10 %")]
    assert [row[0].removesuffix(" quantile)") for row in rows[2:5]] == limits
    # learner: rows 1, 1, 1 and 3, 1, 1; random: rows 0, 1, 1 (as 3 costs more) and 0, 1, 3
    assert rows[2][1:] == ["▲ 58.00", "55.33", "58.00"]
    assert rows[3][1:] == ["▲ 61.67", "59.00", "69.00"]
    assert rows[4][1:] == ["–", "–", "infeasible"]
    # row 1 is the target of the first: after queries 4, 3, 1; never, 2, 2
    assert rows[7][1:] == ["3 (100 %)", "▲ 2 (67 %)"]
    # row 3: after 3, never, never; never, never, 1
    assert rows[8][1:] == ["> 4 (33 %)", "> 4 (33 %)"]
    assert "Infeasible: no architecture of the table keeps this constraint." in markdown


@pytest.mark.usefixtures("no_pictures")
def test_answers_of_predicted_costs_are_shown_with_the_share_that_is_feasible(
    tmp_path: pathlib.Path,
) -> None:
    told, other = both()
    observed = np.array([1.0, 2.0, 2.0, 8.0, np.inf, 3.0])  # answers: rows 2, 5 and 1
    misled = on(told, observed_costs=observed)
    rows = table_rows(write(tmp_path, [misled, other])[1])
    assert rows[2][1:3] == ["58.00 (33 % keep it)", "▲ 59.00"]
    head = next(i for i, row in enumerate(rows) if "of these keep it" in row)
    of = {row[0]: dict(zip(rows[head], row, strict=True)) for row in rows[head + 2 : head + 4]}
    kept = {label.split()[0]: row["of these keep it"] for label, row in of.items()}
    assert kept == {"learner": "33 %", "random": "100 %"}
    # Each answer has one seed; of as many, the best by search accuracy is row 5.
    picked = next(row for row in rows if row[1] == "learner" and row[2] == "row 5")
    assert picked[4] == "8 (breaks it)"


@pytest.mark.usefixtures("no_pictures")
def test_the_details_have_the_columns_of_a_table_of_costs(tmp_path: pathlib.Path) -> None:
    energy = {"net/energy_mJ": np.array([10.0, 20, 30, 40, 50, 60])}
    learner = constrained(
        "autocomet", final=np.array([NO_ROW, 5, 1]), measures=energy, run_seconds=2.0
    )
    results = [
        learner,
        constrained_reference(measures=energy),
        constrained("late", queries=[[0, 0, 0, 3]] * 3, measures=energy),
    ]
    _, markdown = write(tmp_path, results)
    rows = table_rows(markdown)
    start = next(i for i, row in enumerate(rows) if "of the target" in row)
    first = dict(
        zip(rows[start], next(r for r in rows[start:] if r[0] == "autocomet"), strict=True)
    )
    assert first["seeds with an answer"] == "100 %" and first["mean ± sd, %"] == "61.67 ± 6.35"
    assert first["latency_ms"] == "2.333" and first["of the target"] == "78 %"
    assert first["energy_mJ"] == "26.67" and first["s per 1,000 queries"] == "200"
    assert first["reached 99.5 %"] == "33 %" and first["median queries to it"] == "> 4"
    assert first["times random's queries (95 %)"] == "not known"
    late = dict(zip(rows[start], next(r for r in rows[start:] if r[0] == "late"), strict=True))
    assert late["times autocomet's queries (95 %)"].startswith(r"\< 1.00 (0 to ")
    start = next(i for i, row in enumerate(rows) if "final greedy" in row)
    greedy = dict(
        zip(rows[start], next(r for r in rows[start:] if r[0] == "autocomet"), strict=True)
    )
    names = ("final greedy", "keeps the constraint", "its accuracy, %", "its cost")
    assert [greedy[name] for name in names] == ["67 %", "50 %", "73.00", "5"]
    picked = next(row for row in rows if row[1:2] == ["autocomet"] and row[2] == "row 1")
    assert picked[3:] == ["67 %", "2", "58.00"]
    assert "AUTOCoMET's Fig. 3" in markdown


def test_a_ratio_is_printed_as_what_is_known_of_it() -> None:
    def text(*ends: float) -> str:
        names = ("least", "most", "low", "high")
        row = {f"b_ratio_{name}": end for name, end in zip(names, ends, strict=True)}
        template = render._environment("html").get_template("study.j2")
        nothing = {"title": "", "tiles": [], "comparisons": [], "contests": [], "origin": {}}
        shown = template.make_module(nothing | {"factor": report.factor}).ratio(row, "b")
        return html.unescape(" ".join(shown.split()))

    assert text(0.314, 0.314, 0.25, 0.5) == "0.31 (0.25 to 0.5)"
    assert text(0.0131, 0.0131, 0.01, 12.6) == "0.013 (0.01 to 13)"
    assert text(5, INF, 2, INF) == "> 5.00 (2.00 to ∞)"
    assert text(0, 0.2, 0, 0.5) == "< 0.2 (0 to 0.5)"
    assert text(0, INF, 0, INF) == "not known" and text(NAN, NAN, NAN, NAN) == "–"


@pytest.mark.long
def test_pictures_are_in_the_page_and_files_beside_it(tmp_path: pathlib.Path) -> None:
    page, markdown = write(tmp_path, [*both(), *both(0.5, data_set="other")])
    elements = html_elements.assert_self_contained(page)
    assert elements.tags.count("svg") == 2  # none of what is infeasible
    written = re.findall(r"\]\((figures/.*?)\)", markdown)
    assert len(set(written)) == 2
    assert all((tmp_path / name).read_bytes()[:4] == b"\x89PNG" for name in written)


@pytest.mark.long
@pytest.mark.parametrize(
    "results",
    [
        [
            constrained(f"a$b$ {i}", queries=[[i % 6, 3, 0, 0]] * 2) for i in range(17)
        ],  # few colours
        [constrained(queries=[[1]]), constrained_reference(queries=[[0]])],  # one seed, one query
        [constrained(queries=[[5] * 4] * 2), constrained_reference()],  # one that found nothing
        [constrained(queries=[[5] * 4] * 2)],  # nothing was found
    ],
)
def test_limit_cases_are_drawn_without_a_warning(results: list[Result]) -> None:
    shown = tradeoff(results)
    for draw in (figures.front, figures.progress):
        picture = Picture(
            "a", "a.png", "a", lambda inks, draw=draw: draw(inks, shown, reference="random")
        )
        html_elements.assert_self_contained(picture.svg())


def count_calls(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, counted: collections.Counter[str]
) -> None:
    function = getattr(module, name)

    def counting(*given: Any) -> Any:
        counted[name] += 1
        return function(*given)

    monkeypatch.setattr(module, name, counting)


@pytest.mark.usefixtures("no_pictures")
def test_a_study_keeps_its_picks_and_ratios_and_computes_them_once(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = {"controller": {"name": "random_search", "models_per_round": 1}}
    asked = {
        "study": {
            "tables": ("nas_bench_macro/cifar10",),
            "budgets": (3,),
            "seeds": 2,
            "costs": ("network/params_m",),
            "quantiles": (0.25, 0.5),
            "measures": ("network/macs_m",),
        },
        "evaluator": {},
        "controllers": {"random_search": random, "other": random},
    }
    study = config.parse(asked)
    for i, arm in enumerate(study.arms):
        queries = np.array([[0, 1, 2], [6560, i, 4]], np.int32)
        found = Found(queries, np.zeros(2, np.int32), np.array([0, NO_ROW], np.int32), 1.0, 2.0)
        shards.write(tmp_path, arm.name, shards.Shard(np.arange(2), found))
    counted = collections.Counter()
    for name in ("summarize", "recommendations", "tradeoff"):
        count_calls(monkeypatch, analysis, name, counted)
    for name in ("_load", "make_problem"):
        count_calls(monkeypatch, problem, name, counted)
    paths = report.write(tmp_path, study, problem.make_arms(study))
    # Two problems, the table of both read once; everything is computed once, recommendations once
    # for each constraint.
    assert counted == {
        "summarize": 1,
        "recommendations": 2,
        "tradeoff": 1,
        "_load": 1,
        "make_problem": 2,
    }
    written = [path.name for path in paths]
    assert written[:4] == ["study.json", "picks.json", "report.html", "report.md"]
    kept = json.loads((tmp_path / "study.json").read_text())
    assert len(kept["aggregates"]) == 4 and len(kept["ratios"]) == 2 * 2
    assert {"cost", "quantile", "label", "other", "least", "low"} <= set(kept["ratios"][0])
    picked = json.loads((tmp_path / "picks.json").read_text())
    assert [(p["quantile"], p["label"]) for p in picked] == [
        (quantile, label) for quantile in (0.25, 0.5) for label in ("random_search", "other")
    ]
    assert all(p["cost_value"] <= p["target"] and ">" in p["architecture"] for p in picked)
    assert all("measures.network/macs_m" in row for row in kept["aggregates"])
    assert plain([{"a": INF, "b": NAN}]) == [{"a": "inf", "b": None}]
