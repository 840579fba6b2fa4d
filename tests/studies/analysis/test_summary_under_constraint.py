"""Summaries of searches under a constraint: counted by hand, and by plain loops."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nasjax.errors import UserError
from nasjax.studies.analysis import incumbents, summary
from nasjax.studies.analysis.summary import plain, summarize
from nasjax.studies.analysis.tradeoffs import accuracy_curve
from nasjax.studies.config import Constraint
from nasjax.studies.results import Result, grouped
from nasjax.studies.simulate import ENDED, NO_ROW
from tests.studies.small_results import (
    LATENCY,
    NAN,
    constrained,
    constrained_reference,
    frame,
    on,
    result,
)

INF = np.inf


def row_of(one: Result, **columns: Any) -> Any:
    del columns
    return frame([one, constrained_reference()], "random").iloc[0]


def test_a_row_equals_the_hand_count() -> None:
    energy = np.array([10.0, 20, 30, 40, 50, 60])
    learner = constrained(
        final=np.array([NO_ROW, 5, 1]), measures={"energy_mJ": energy}, run_seconds=2.0
    )
    row = frame([learner, constrained_reference()], "random").iloc[0]
    expected = {
        "mean_percent": (69 + 58 + 58) / 3,  # of rows 3, 1 and 1
        "search_mean_percent": (70 + 60 + 60) / 3,
        "median_regret_points": 11,  # below .69, the best of rows 0, 1 and 3: 0, 11, 11
        # of five rows two are worthless: best .5, .6, .7 in 65, 175, 369 of 625 four draws
        "random_search_percent": 100 * (65 * 0.5 + 175 * 0.6 + 369 * 0.7) / 609,
        "random_answered_percent": 100 * 609 / 625,
        "reached_percent": 100 / 3,  # .7 itself is the only row above .995 * .7
        "queries_to_target": INF,
        "unknown_seeds": 0,
        "answered_percent": 100,
        "target": 3,
        "cost_mean": (3 + 2 + 2) / 3,
        "cost_percent": 100 * 7 / 9,
        "measures.energy_mJ": (40 + 20 + 20) / 3,
        "final_percent": 200 / 3,
        "final_kept_percent": 50,  # row 1 does, row 5 does not
        "final_mean_percent": (88 + 58) / 2,
        "final_cost_mean": (8 + 2) / 2,
        "final_unable_seeds": 0,
        "seconds_per_1000_queries": 2 / 10 * 1000,
        "difference_points": (69 + 58 + 58) / 3 - (50 + 58 + 69) / 3,
    }
    assert_allclose([row[name] for name in expected], list(expected.values()), rtol=1e-12)
    assert row["cost"] == LATENCY and row["quantile"] == 0.5 and row["feasible"]


def test_an_answer_is_chosen_by_the_search_accuracy_of_what_keeps_the_constraint() -> None:
    # row 3 is the best that is kept; row 1 beside it would be reported as better
    reported = np.array([0.5, 0.99, 0.71, 0.69, 0.8, 0.88])
    one = constrained(queries=[[1, 3, 5, 2]], reported_accuracy=reported)
    assert_array_equal(incumbents.incumbents(one), [3])
    assert_array_equal(
        incumbents.incumbents(on(one, constraint=None, max_cost=None, costs=None)), [5]
    )


OBSERVED = np.array(
    [1.0, 2.0, 2.0, 8.0, INF, 3.0]
)  # predicted: rows 2 and 5 too cheap, row 3 too dear


def test_answers_are_what_is_taken_for_feasible_and_judged_by_what_was_measured() -> None:
    told = constrained()
    misled = on(told, observed_costs=OBSERVED)
    assert_array_equal(incumbents.incumbents(misled), [2, 5, 1])
    assert_array_equal(incumbents.kept_incumbents(misled), [NO_ROW, NO_ROW, 1])
    row = row_of(told)
    assert row["answered_kept_percent"] == 100
    row = frame([misled, constrained_reference()], "random").iloc[0]
    assert row["answered_percent"] == 100
    assert row["answered_kept_percent"] == pytest.approx(100 / 3)  # row 1
    # Accuracy, regret and tests are of what keeps it; the others are the worst.
    assert row["mean_percent"] == pytest.approx(58) and row["unknown_seeds"] == 2
    assert row["search_mean_percent"] == pytest.approx(60) and row["median_regret_points"] == INF
    assert row["mann_whitney_u"] == 1.5  # .58 beats .50 and is level with .58
    assert row["cost_mean"] == pytest.approx((4 + 8 + 2) / 3)
    # What is to be found is the same; but row 3, which seems too dear, nobody has found.
    assert incumbents.best_row(misled.problem) == incumbents.best_row(told.problem) == 3
    assert_array_equal(incumbents.queries_to_goal(told), [3, INF, INF])
    assert_array_equal(incumbents.queries_to_goal(misled), [INF, INF, INF])
    assert accuracy_curve(misled).mean[-1] == pytest.approx(0.58)


def test_a_row_at_the_target_keeps_it_and_one_that_cannot_run_never_does() -> None:
    assert_array_equal(constrained(max_cost=4.0).problem.is_kept, [True] * 4 + [False] * 2)
    assert not constrained(max_cost=INF, costs=np.full(6, NAN)).problem.is_feasible


def test_seeds_without_an_answer_are_counted_and_the_worst() -> None:
    row = row_of(constrained(queries=[[5, 2, 4, NO_ROW], [2, 2, 2, 2], [0, 5, ENDED, ENDED]]))
    assert row["answered_percent"] == pytest.approx(100 / 3) and row["unknown_seeds"] == 2
    assert row["mean_percent"] == pytest.approx(50) and row["median_regret_points"] == INF
    assert row["cost_mean"] == 1 and row["mann_whitney_u"] == 0.5  # .50 : .50 is tied


def test_a_final_row_that_the_device_cannot_run_is_no_number() -> None:
    row = row_of(constrained(final=np.array([4, 1, 4])))
    assert row["final_kept_percent"] == pytest.approx(100 / 3)
    assert row["final_cost_mean"] == 2 and row["final_unable_seeds"] == 2


def plain_row(one: Result) -> dict[str, float]:
    """The same numbers in loops over seeds and queries."""
    problem = one.problem
    assert problem.costs is not None and problem.max_cost is not None
    rows = range(len(problem.costs))
    kept = [r for r in rows if problem.costs[r] <= problem.max_cost]
    goal = 0.995 * max(problem.search_accuracy[r] for r in kept)
    chosen, needed = [], []
    for asked in one.queries.tolist():
        found = [r for r in asked if r in kept]
        if found:
            chosen.append(max(found, key=lambda r: problem.search_accuracy[r]))
        hits = [i for i, r in enumerate(asked) if r in kept and problem.search_accuracy[r] >= goal]
        needed.append(hits[0] + 1 if hits else INF)
    return {
        "mean_percent": 100 * np.mean([problem.reported_accuracy[r] for r in chosen]),
        "cost_mean": np.mean([problem.costs[r] for r in chosen]),
        "answered_percent": 100 * len(chosen) / len(one.queries),
        "reached_percent": 100 * np.mean(np.isfinite(needed)),
        "queries_to_target": np.median(needed),
    }


@pytest.mark.parametrize("quantile", [0.05, 0.25, 0.75])
def test_random_searches_are_summed_up_as_in_plain_loops(quantile: float) -> None:
    rng = np.random.default_rng(3)
    search, reported, costs = rng.random(80), rng.random(80), rng.random(80)
    costs[:5] = INF
    max_cost = float(np.quantile(costs[5:], quantile))
    one = result(
        queries=rng.integers(-1, 80, (40, 25)),
        search_accuracy=search,
        reported_accuracy=reported,
        constraint=Constraint(LATENCY, quantile),
        max_cost=max_cost,
        costs=costs,
    )
    row = frame([one], "learner").iloc[0]
    expected = plain_row(one)
    assert_allclose([row[name] for name in expected], list(expected.values()), rtol=1e-12)


def test_a_random_search_has_the_mean_and_the_share_of_its_closed_forms() -> None:
    rng = np.random.default_rng(0)
    search, costs = rng.beta(8, 2, 500), rng.random(500)
    one = result(
        queries=rng.integers(0, 500, (4000, 20)),
        search_accuracy=search,
        reported_accuracy=search,
        constraint=Constraint(LATENCY, 0.05),
        max_cost=float(np.quantile(costs, 0.05)),
        costs=costs,
    )
    row = frame([one], "learner").iloc[0]
    share = row["random_answered_percent"] / 100
    assert 0.6 < share < 0.7  # 1 - .95^20
    # four deviations each: a false alarm in 1 of 15,000 seeds
    error = row["sd_points"] / np.sqrt(share * 4000)
    assert abs(row["search_mean_percent"] - row["random_search_percent"]) < 4 * error
    assert abs(row["answered_percent"] / 100 - share) < 4 * np.sqrt(share * (1 - share) / 4000)


# --- comparisons --------------------------------------------------------------------------------


def needing(label: str, *queries: float, budget: int = 10) -> Result:
    """A cell whose seeds come to row 3, the best that is kept, after so many queries."""
    asked = np.zeros((len(queries), budget), int)
    for seed, count in enumerate(queries):
        if np.isfinite(count):
            asked[seed, int(count) - 1 :] = 3
    return constrained(label, queries=asked)


def test_queries_are_compared_with_the_reference_and_with_autocomet() -> None:
    group = [
        needing("random", 8, 8, 8),
        needing("evolution", INF, INF, INF),
        needing("autocomet eps=pies", 2, 2, 2),
        needing("autocomet", 4, 4, 4),
    ]
    medians = summary.medians_to_goal(group)
    rows = summary.compare_medians(medians, "random")
    times = {
        base: [[row[f"{base}_ratio_{end}"] for end in ("least", "most")] for row in rows]
        for base in summary.BASES
    }
    assert_array_equal(
        times["reference"], [[NAN, NAN], [10 / 8, INF], [2 / 8, 2 / 8], [4 / 8, 4 / 8]]
    )
    assert_array_equal(times["autocomet"], [[4, 4], [5, INF], [NAN, NAN], [2, 2]])
    pairs = {(p["label"], p["other"]): p["least"] for p in summary.ratios_of_pairs(medians)}
    assert len(pairs) == 4 * 3 and pairs["autocomet", "random"] == 0.5
    assert pairs["random", "evolution"] == 0


def test_results_that_vary_alike_are_resampled_apart() -> None:
    group = [needing("a", *range(1, 10)), needing("b", *range(1, 10))]
    (row, _) = summary.compare_medians(summary.medians_to_goal(group), "b")
    assert row["reference_ratio_least"] == 1
    assert row["reference_ratio_low"] < 0.7 and row["reference_ratio_high"] > 1.4


def test_results_are_compared_under_the_same_constraint_only() -> None:
    tight = [
        constrained(max_cost=2.0, quantile=0.25),
        constrained_reference(max_cost=2.0, quantile=0.25),
    ]
    loose = [constrained(), constrained_reference()]
    other = [constrained(cost="watch/latency_ms"), constrained_reference(cost="watch/latency_ms")]
    free = [result(), result("random")]
    groups = grouped([*tight, *loose, *other, *free])
    constraints = [group.constraint for group in groups]
    watch = Constraint("watch/latency_ms", 0.5)
    assert constraints == [Constraint(LATENCY, 0.25), Constraint(LATENCY, 0.5), watch, None]
    found, ratios = summarize([*tight, *loose, *other, *free], "random")
    alone = frame(loose, "random")
    columns = ["mean_percent", "welch_p_holm", "reference_ratio_least", "cost_percent"]
    assert_array_equal(found[columns].to_numpy()[2:4], alone[columns].to_numpy())
    unconstrained = frame(free, "random")
    assert not {"cost", "target", "answered_percent"} & set(unconstrained)
    json.dumps(plain(found.to_dict("records")), allow_nan=False)
    pairs = [(pair["cost"], pair["quantile"], pair["label"]) for pair in ratios]
    assert pairs == [
        (constraint.cost, constraint.quantile, label)
        for constraint in constraints[:3]
        if constraint is not None
        for label in ("learner", "random")
    ]


def test_another_bound_under_the_same_name_is_refused() -> None:
    with pytest.raises(UserError, match=r"phone.latency_ms@0.5 reports from another table"):
        frame([constrained(), constrained_reference(max_cost=2.0)], "random")


def test_where_nothing_keeps_the_constraint_all_is_unknown() -> None:
    group = [
        constrained(max_cost=0.5),
        constrained_reference(max_cost=0.5, final=np.array([0, 1, 4])),
    ]
    found = frame(group, "random")
    assert not found["feasible"].any() and (found["answered_percent"] == 0).all()
    names = ["mean_percent", "median_regret_points", "random_search_percent", "cost_mean"]
    assert found[names].isna().to_numpy().all()
    assert (found["queries_to_target"] == INF).all() and (found["reached_percent"] == 0).all()
    assert found["final_kept_percent"].iloc[1] == 0 and np.isnan(
        found["final_kept_percent"].iloc[0]
    )
    assert np.isnan(incumbents.best_reported(group[0].problem))
    assert np.isnan(accuracy_curve(group[0]).mean).all()
    without = constrained(max_cost=NAN, costs=np.full(6, INF))  # a device that can run nothing
    assert not frame([without], "learner")["feasible"].any()
