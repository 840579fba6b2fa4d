"""What the report says of costs and of shaping, on rows written by hand."""

import json
import pathlib

import numpy as np
import pytest

from nasjax.run_report import cost_plots, device_costs, page, report
from nasjax.run_report.facts import Facts
from tests.run_report import html_elements
from tests.run_report.test_report import candidate, make_run, round_row

LATENCY, PARAMS = "hw/pixel3_latency_ms", "network/params_m"
NOW = 1_790_000_100.0
#       latency, accuracy: the front is 1.0, 2.0 and 4.0; 3.0 is beaten by 2.0, as is 2.0 again
ROWS = [(4.0, 0.9), (1.0, 0.5), (3.0, 0.6), (2.0, 0.7), (2.0, 0.7), (4.3, 0.8)]


def row(index: int, latency: float | str | None, accuracy: float, **other) -> str:
    costs = {LATENCY: latency, PARAMS: 0.25 * (index + 1)}
    text = {"architecture": f"cell {index}", "encoding": [[1 + index % 5]] * 6}
    return candidate(
        0, "propose", index, [], accuracy=accuracy, reward=0.0, costs=costs, **text | other
    )


def collected(directory: pathlib.Path, max_cost: float | None, *more: str, **files) -> Facts:
    config = {
        "space": {"name": "nas_bench_201"},
        "controller": {"name": "autocomet"},
        "evaluator": {"name": "table", "data_set": "cifar100"},
        "search": {"rounds": 5, "max_cost": max_cost},
    }
    lines = [row(i, *values) for i, values in enumerate(ROWS)]
    lines.append(row(9, "inf", 0.0, status="infeasible"))
    return report.collect(
        make_run(directory / "run", [*lines, *more], config=config, **files), now=NOW
    )


def single(value: float) -> float:
    return float(np.float32(value))


@pytest.mark.parametrize(
    ("max_cost", "best", "costs"),
    [
        (None, "cell 0", [4.0, 0.25]),
        (3.5, "cell 3", [2.0, 1.0]),
        (0.5, None, []),
    ],
)
def test_the_best_keeps_the_limit(tmp_path, max_cost, best, costs) -> None:
    facts = collected(tmp_path, max_cost)
    assert (facts.best.architecture if facts.best else None) == best
    assert [*facts.costs.values()] == costs
    found = facts.tradeoff
    assert found.name == LATENCY and found.max_cost == max_cost and found.infeasible == 1
    assert found.front.tolist() == [1, 3, 0]
    said = page.summary(facts)
    if best:
        assert f"costs     {LATENCY} {costs[0]:.4g}, {PARAMS} {costs[1]:.4g}" in said
    else:
        assert "nothing keeps search.max_cost=0.5" in said


def test_the_limit_is_compared_as_the_search_compares_it(tmp_path) -> None:
    """4.3 in single precision is above 4.3; the search compares it with the limit in single."""
    query = collected(tmp_path, None).records.queries[5]
    query = query._replace(costs={LATENCY: single(4.3)})
    assert query.costs[LATENCY] > 4.3 and device_costs.keeps(query, 4.3)
    assert not device_costs.keeps(query, 4.29)
    assert not device_costs.keeps(query._replace(costs={LATENCY: np.nan}), 4.3)
    assert not device_costs.keeps(query._replace(costs={}), 4.3)


def test_the_front_is_what_no_other_row_beats() -> None:
    """Of many equal values; some are not known, some a device cannot run."""
    rng = np.random.default_rng(0)
    cost, accuracy = rng.integers(0, 8, (2, 200)).astype(float)
    cost[:5], accuracy[5:9] = np.inf, np.nan
    rows = range(9, 200)

    def beats(j: int, i: int) -> bool:
        alike = cost[j] == cost[i] and accuracy[j] == accuracy[i]
        return cost[j] <= cost[i] and accuracy[j] >= accuracy[i] and (not alike or j < i)

    expected = [i for i in rows if not any(beats(j, i) for j in rows)]
    found = device_costs.pareto_front(cost, accuracy)
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


def test_the_page_shows_them_and_says_what_they_mean(tmp_path) -> None:
    facts = collected(tmp_path, 3.5, *shaped_rounds())
    text = page.render(facts)
    html_elements.assert_self_contained(text)
    assert "Accuracy against cost" in text and "4 of 6 rows keep search.max_cost=3.5" in text
    assert "which a device cannot run: 1." in text and "of the best; at most 3.5" in text
    assert "The potentials changed 3 of 4 greedy choices, most of them in slot 03" in text
    assert 'id="tradeoff-' in text and 'id="decisions-' in text and 'id="shaping-curves-' in text


def test_other_runs_have_none_of_this(tmp_path) -> None:
    plain = [
        json.loads(row(0, 1.0, 0.5)),
        json.loads(round_row(0, 1, 1, 0.5, **{"learn/loss": 1.0})),
    ]
    del plain[0]["costs"]
    facts = report.collect(make_run(tmp_path / "run", [*map(json.dumps, plain)]), now=NOW)
    assert facts.tradeoff is None and facts.shaping is None and facts.costs == {}
    assert page._tradeoff(facts) == page._decisions(facts) == ""


def test_a_run_without_an_answer_says_so(tmp_path) -> None:
    summary = {"best": None, "no_answer": "none of 6 measured rows keeps it"}
    facts = collected(tmp_path, 0.5, round_row(0, 6, 0, 0.0), summary=summary)
    assert facts.best is None and facts.status == "finished"
    assert facts.notes == ["There is no answer: none of 6 measured rows keeps it."]
    assert cost_plots.tradeoff(facts.tradeoff, None, None).startswith("<svg")
