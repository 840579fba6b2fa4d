"""Tables and curves of small results, counted by hand."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nasjax.errors import UserError
from nasjax.studies.analysis import statistics
from nasjax.studies.analysis.summary import plain
from nasjax.studies.analysis.tradeoffs import accuracy_curve
from nasjax.studies.simulate import ENDED, NO_ROW
from tests.studies.small_results import NAN, REPORTED, SEARCH, frame, on, reference, result


def test_a_row_equals_the_hand_count() -> None:
    learner = result(learns=True, updates=np.array([99, 100, 251]), final=np.array([NO_ROW, 5, 4]))
    row = frame([learner, reference()], "random").iloc[0]
    expected = {
        "seeds": 3,
        "unknown_seeds": 0,
        "queries_mean": (4 + 4 + 2) / 3,  # an invalid query counts, after the end there is none
        "distinct_rows_mean": (4 + 3 + 2) / 3,
        "mean_percent": (71 + 88 + 58) / 3,
        "sd_points": np.std([71, 88, 58], ddof=1),
        "iqm_percent": (71 + 88 + 58) / 3,  # floor(3 / 4) = 0 values are cut
        "median_regret_points": 17,  # 88 minus 71, 88, 58: 17, 0, 30
        "search_mean_percent": (70 + 90 + 60) / 3,
        # .5 .6 .7 .7 .9 in four draws: chances 1, 15, 65, 175, 369 of 625
        "random_search_percent": 100 * (0.5 + 9 + 45.5 + 122.5 + 332.1) / 625,
        "reached_percent": 100 / 3,  # .9 itself is the only row above .99 * .9
        "queries_to_target": np.inf,
        "updates_mean": 150,
        "untrained_seeds": 1,
        "final_seeds": 2,
        "final_mean_percent": (88 + 80) / 2,
        "difference_points": (71 + 88 + 58) / 3 - (50 + 58 + 69) / 3,
        # of nine pairs seven are won (71 and 88 : all, 58 : 50), and 58 : 58 is tied
        "mann_whitney_u": 3 + 3 + 1.5,
    }
    assert_allclose([row[name] for name in expected], list(expected.values()), rtol=1e-12)
    low, high = statistics.interquartile_interval(np.array([0.71, 0.88, 0.58]))
    assert_allclose([row["iqm_low_percent"], row["iqm_high_percent"]], [100 * low, 100 * high])


def test_the_reference_is_compared_with_others_not_with_itself() -> None:
    other = result("other", queries=[[5, 5, 5, 5], [5, 0, 0, 0], [2, 0, 0, 0]])
    found = frame([result(), reference(), other], "random").set_index("label")
    p = found["welch_p"]
    assert np.isnan(p["random"]) and np.isnan(found.loc["random", "difference_points"])
    ended = np.array([0.88, 0.88, 0.71]), np.array([0.50, 0.58, 0.69])
    assert_allclose(p["other"], statistics.welch(*ended).p)
    assert_allclose(found["welch_p_holm"], statistics.holm(p.to_numpy()))
    assert_allclose(found["welch_p_holm"].min(), 2 * p.min())  # two comparisons, not three


def test_groups_are_compared_and_corrected_apart() -> None:
    alone = [result(), reference()]
    elsewhere = [on(one, data_set="other") for one in (result(), result("third"), reference())]
    without = result(space="no reference here")
    both = frame([*alone, *elsewhere, without], "random")
    columns = ["mean_percent", "welch_p_holm", "mann_whitney_p_holm"]
    expected = frame(alone, "random")[columns].to_numpy()
    assert_array_equal(both[columns].to_numpy()[:2], expected)
    assert np.isnan(both["mann_whitney_p_holm"].iloc[-1])
    assert list(both["data_set"]) == ["digits"] * 2 + ["other"] * 3 + ["digits"]


def test_seeds_without_an_architecture_are_the_worst_and_not_in_the_mean() -> None:
    nothing = [NO_ROW, 4, ENDED, ENDED]  # invalid, then a row that was never measured
    found = result(queries=[nothing, [2, 2, 2, 2], nothing, [5, 5, 5, 5]])
    row = frame([found, reference()], "random").iloc[0]
    assert row["unknown_seeds"] == 2 and row["mean_percent"] == pytest.approx((71 + 88) / 2)
    assert row["median_regret_points"] == np.inf  # of 0, 17, inf, inf
    assert row["mann_whitney_u"] == 3 + 3  # two seeds beat all three, two beat none


def test_a_search_that_found_nothing_and_a_single_seed_pass_without_a_warning() -> None:
    results = [result(queries=np.full((3, 4), NO_ROW)), result("single", queries=[[0, 1, 2, 5]])]
    found = frame([*results, reference()], "random")
    assert np.isnan(found["mean_percent"][0]) and found["mean_percent"][1] == pytest.approx(88)
    assert np.isnan(found["sd_points"][1]) and np.isnan(found["welch_p"][1])
    assert np.isfinite(found["mann_whitney_p"][:2]).all()
    assert np.isnan(accuracy_curve(results[0]).mean).all()


def test_records_are_strict_json() -> None:
    facts = {"params": 78_084, "shared": True, "note": "a"}
    results = [result(facts=facts), reference(), result("third", facts={"params": NAN})]
    rows = plain(frame(results, "random").to_dict("records"))
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert rows[0]["queries_to_target"] == "inf" and rows[1]["welch_p"] is None
    assert [row["facts.params"] for row in rows] == [78_084, None, None]
    assert isinstance(rows[0]["facts.params"], int) and rows[0]["facts.shared"] is True


def test_a_random_search_has_the_mean_of_its_closed_form() -> None:
    rng = np.random.default_rng(0)
    search = rng.beta(8, 2, 500)
    drawn = result(queries=rng.integers(0, 500, (2000, 20)), search_accuracy=search)
    drawn = on(drawn, reported_accuracy=search)
    row = frame([drawn], "learner").iloc[0]
    error = row["sd_points"] / np.sqrt(2000)  # four of them: one seed in 15,000 is further away
    assert abs(row["search_mean_percent"] - row["random_search_percent"]) < 4 * error


def test_a_curve_begins_where_all_its_seeds_have_an_architecture() -> None:
    # reported after each query: .50 .71 .71 .71 | - - .58 .88 | .58 .58 .58 .58 (ended)
    curve = accuracy_curve(result())
    assert_array_equal(curve.queries, [1, 2, 3, 4])
    expected = [NAN, NAN, (0.71 + 0.58 + 0.58) / 3, (0.71 + 0.88 + 0.58) / 3]
    assert_allclose(curve.mean, expected)
    assert_array_equal(np.isnan(curve.low), np.isnan(expected))
    known = slice(2, None)
    assert (curve.low[known] <= curve.mean[known]).all()
    assert (curve.high[known] >= curve.mean[known]).all()
    # a seed that never has one is left out, as in the table
    never = result(queries=[[0, 2, 3, 1], [NO_ROW, 4, 4, 4]])
    assert_allclose(accuracy_curve(never).mean, [0.50, 0.71, 0.71, 0.71])


def test_a_long_curve_has_few_points_and_both_ends() -> None:
    long = result(queries=np.zeros((2, 5000), np.int32))
    counts = accuracy_curve(long, points=50).queries
    assert counts[0] == 1 and counts[-1] == 5000 and 30 < len(counts) <= 50


@pytest.mark.parametrize(
    ("results", "words"),
    [
        ([], "results=[]"),
        ([result()], "reference='random' is no label; known: learner"),
        ([reference(), reference()], "is there twice"),
        ([reference(queries=np.zeros((0, 4), np.int32))], "at least 1"),
        ([reference(budget=5)], "shape (3, 4)"),
        ([reference(search_accuracy=SEARCH * NAN)], "no known value in search_accuracy"),
        ([reference(), result(reported_accuracy=REPORTED / 2)], "another table"),
    ],
)
def test_what_cannot_be_reported_ends_with_one_line(results: list, words: str) -> None:
    with pytest.raises(UserError) as raised:
        frame(results, "random")
    assert words in str(raised.value) and "\n" not in str(raised.value)
