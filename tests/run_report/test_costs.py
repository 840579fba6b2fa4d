"""Costs and shaping in the facts and in the report of a run, on records written by hand."""

import json
import pathlib

import numpy as np
import pytest

from nasjax.reports import render
from nasjax.reports.pareto import pareto_front
from nasjax.run_report import costs, report
from nasjax.run_report.run_facts import RunFacts
from nasjax.run_report.summary_text import summary_text
from tests.run_report import html_elements
from tests.run_report.small_run import NOW, candidate, make_run, round_row

LATENCY, PARAMS = "hw/pixel3_latency_ms", "network/params_m"
#       latency, accuracy: the front is 1.0, 2.0 and 4.0; 3.0 is beaten by 2.0, as is 2.0 again
ROWS = [(4.0, 0.9), (1.0, 0.5), (3.0, 0.6), (2.0, 0.7), (2.0, 0.7), (4.3, 0.8)]


def row(index: int, latency: float | str | None, accuracy: float, **other) -> str:
    costs = {LATENCY: latency, PARAMS: 0.25 * (index + 1)}
    text = {"architecture": f"cell {index}", "encoding": [[1 + index % 5]] * 6}
    return candidate(
        0, "propose", index, [], accuracy=accuracy, reward=0.0, costs=costs, **text | other
    )


def collected(directory: pathlib.Path, max_cost: float | None, *more: str, **files) -> RunFacts:
    config = {
        "space": {"name": "nas_bench_201"},
        "controller": {"name": "autocomet"},
        "evaluator": {"name": "table", "data_set": "cifar100"},
        "search": {"rounds": 5, "max_cost": max_cost},
    }
    lines = [row(i, *values) for i, values in enumerate(ROWS)]
    lines.append(row(9, "inf", 0.0, status="infeasible"))
    run = make_run(directory / "run", [*lines, *more], config=config, **files)
    return report.collect(run, clock=lambda: NOW)


@pytest.mark.parametrize(
    ("max_cost", "best", "costs_of_best"),
    [
        (None, "cell 0", [4.0, 0.25]),
        (3.5, "cell 3", [2.0, 1.0]),
        (0.5, None, []),
    ],
)
def test_the_best_keeps_the_bound(tmp_path, max_cost, best, costs_of_best) -> None:
    facts = collected(tmp_path, max_cost)
    found = facts.tradeoff
    assert found.name == LATENCY and found.max_cost == max_cost and found.infeasible == 1
    assert found.front.tolist() == [1, 3, 0]
    said = summary_text(facts)
    if best:
        assert facts.best.architecture == best
        assert [*facts.best.costs.values()] == costs_of_best
        first, second = costs_of_best
        assert f"costs          {LATENCY} {first:.4g}, {PARAMS} {second:.4g}" in said
    else:
        assert facts.best is None and "no candidate may be the answer yet" in said


def test_the_bound_is_compared_in_single_precision_as_the_search_compares_it() -> None:
    """4.3 in single precision is above 4.3 in double precision."""
    single = float(np.float32(4.3))
    assert single > 4.3 and costs.keeps(single, 4.3)
    assert not costs.keeps(single, 4.29)
    assert not costs.keeps(np.nan, 4.3)  # a cost that is not known
    assert costs.keeps(np.nan, None)


def test_the_front_is_what_no_other_row_beats() -> None:
    """Rows of many equal values; some are not known, some a device cannot run."""
    rng = np.random.default_rng(0)
    cost, accuracy = rng.integers(0, 8, (2, 200)).astype(float)
    cost[:5], accuracy[5:9] = np.inf, np.nan
    rows = range(9, 200)

    def beats(j: int, i: int) -> bool:
        alike = cost[j] == cost[i] and accuracy[j] == accuracy[i]
        return cost[j] <= cost[i] and accuracy[j] >= accuracy[i] and (not alike or j < i)

    expected = [i for i in rows if not any(beats(j, i) for j in rows)]
    found = pareto_front(cost, accuracy)
    assert found.tolist() == sorted(expected, key=lambda i: cost[i])


def shaped_rounds() -> list[str]:
    """Three rounds, two of them with a validation; names hold "/"."""
    rows = []
    for i, changed in enumerate(((0.0, 1.0), None, (1.0, 1.0))):
        metrics = {f"grow/epsilon/{LATENCY}": 1.0 - 0.25 * i, "grow/q_loss": 0.5 / (i + 1)}
        metrics |= {f"grow/loss/{LATENCY}": 0.125, f"grow/loss/{PARAMS}": 0.0625}
        for slot, value in zip(("12", "03"), changed or (None, None), strict=True):
            spread = None if value is None else 0.5 * (1 + i)
            metrics |= {
                f"validate/changed/{slot}": value,
                f"validate/potential_spread/{slot}": spread,
            }
            metrics[f"validate/q_spread/{slot}"] = None if value is None else 0.25
        rows.append(round_row(i, 6, i + 1, 0.0, **metrics))
    return rows


def test_curves_and_choices_are_read_from_the_rounds(tmp_path) -> None:
    found = collected(tmp_path, 3.5, *shaped_rounds()).shaping
    assert found.epsilons == {LATENCY: ([0, 1, 2], [1.0, 0.75, 0.5])}
    assert found.losses["Q"] == ([0, 1, 2], [0.5, 0.25, pytest.approx(1 / 6)])
    assert [*found.losses] == ["Q", LATENCY, PARAMS]
    assert found.slots == ["12", "03"] and found.rounds == [0, 2]  # the order of the space
    assert found.changed.tolist() == [[0, 1], [1, 1]]
    assert found.potential_spread.tolist() == [[0.5, 1.5]] * 2
    assert found.q_spread.tolist() == [[0.25, 0.25]] * 2


def test_slots_that_the_space_does_not_name_come_last(tmp_path) -> None:
    facts = collected(tmp_path, 3.5, *shaped_rounds())
    assert costs.shaping(facts.events.rounds, ()).slots == ["12", "03"]  # as recorded
    assert costs.shaping(facts.events.rounds, ("03",)).slots == ["03", "12"]


def test_a_spread_without_a_decision_is_left_out(tmp_path) -> None:
    extra = round_row(3, 6, 4, 0.0, **{"validate/q_spread/12": 0.5, "validate/q_spread/99": 0.5})
    found = collected(tmp_path, 3.5, *shaped_rounds(), extra).shaping
    assert found.rounds == [0, 2] and found.q_spread.shape == (2, 2)


def test_the_report_shows_them_in_both_forms(tmp_path) -> None:
    values = report.context(collected(tmp_path, 3.5, *shaped_rounds()))
    page, text = render.html("run", values), render.markdown("run", values)
    html_elements.assert_self_contained(page)
    for form in (page, text):
        assert "Accuracy against cost" in form and "4 of 6 rows keep search.max_cost=3.5" in form
        assert "a device cannot run them: 1." in form and "of the best; at most 3.5" in form
        assert "The potentials changed 3 of 4 greedy choices, most of them in slot 03" in form
    for picture in ("tradeoff", "decisions", "shaping-curves"):
        assert f'id="{picture}-' in page and f"](figures/{picture}.png)" in text


def test_other_runs_have_none_of_this(tmp_path) -> None:
    plain = [
        json.loads(row(0, 1.0, 0.5)),
        json.loads(round_row(0, 1, 1, 0.5, **{"learn/loss": 1.0})),
    ]
    del plain[0]["costs"]
    config = {"space": {"name": "nas_bench_201"}}
    run = make_run(tmp_path / "run", [*map(json.dumps, plain)], config=config)
    facts = report.collect(run)
    assert facts.tradeoff is None and facts.shaping is None and facts.best.costs == {}
    values = report.context(facts)
    assert values["choices"] is None and [*values["pictures"]] == ["curve", "scatter", "metrics"]
    text = render.markdown("run", values)
    assert "Accuracy against cost" not in text and "shaping" not in text


def test_a_run_without_an_answer_says_so(tmp_path) -> None:
    summary = {
        "best": None,
        "best_noise_free": None,
        "no_answer": "none of 6 measured rows keeps it",
    }
    facts = collected(tmp_path, 0.5, round_row(0, 6, 0, 0.0), summary=summary)
    assert facts.best is None and facts.status == "finished"
    text = render.markdown("run", report.context(facts))
    assert "There is no answer: none of 6 measured rows keeps it." in text
    assert "](figures/tradeoff.png)" in text
    assert summary_text(facts).startswith("best network   none: none of 6 measured rows keeps it")
