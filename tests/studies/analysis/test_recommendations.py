"""What most seeds agree on, counted by hand."""

import numpy as np
import pytest

from nasjax.data.tables import load_table
from nasjax.studies.analysis.recommendations import agreed, recommendations
from nasjax.studies.config import Constraint
from nasjax.studies.simulate import NO_ROW
from tests.studies.small_results import LATENCY, constrained, result


def test_the_pick_is_what_most_seeds_answer_with() -> None:
    assert agreed(constrained()) == (1, 2)  # rows 3, 1 and 1
    # two seeds each for rows 0 and 3, of which 3 is better; one for row 1; one without any
    queries = [[0, 0], [3, 0], [0, 5], [1, 2], [0, 3], [5, 2]]
    assert agreed(constrained(queries=queries)) == (3, 2)
    assert agreed(constrained(queries=[[5, 2]])) == (NO_ROW, 0)


def test_of_rows_as_good_and_as_frequent_the_first_is_picked() -> None:
    everything = constrained(max_cost=8.0, queries=[[3, 0], [2, 0]])  # both .7
    assert agreed(everything) == (2, 1)


def test_an_entry_holds_the_pick_and_the_tables_best() -> None:
    (entry,) = recommendations([constrained(), result("without a constraint")])
    assert entry["label"] == "learner" and entry["cost"] == LATENCY and entry["target"] == 3
    assert entry["agreed_percent"] == pytest.approx(200 / 3)
    names = ("architecture", "cost_value", "search_percent", "reported_percent")
    assert [entry[name] for name in names] == ["row 1", 2, 60, pytest.approx(58)]
    best = [entry[f"best_{name}"] for name in names]
    assert best == ["row 3", 3, pytest.approx(70), pytest.approx(69)]


def test_what_is_not_there_is_none() -> None:
    half = constrained(queries=[[5, 2], [1, 0]])  # a seed without any counts
    assert recommendations([half])[0]["agreed_percent"] == 50
    nothing, infeasible = recommendations(
        [constrained(queries=[[5, 2]]), constrained(max_cost=0.5)]
    )
    assert nothing["architecture"] is None and nothing["best_architecture"] == "row 3"
    assert infeasible["architecture"] is infeasible["best_cost_value"] is None
    unknown = constrained(reported_accuracy=np.array([0.5, np.nan, 0.7, np.nan, 0.8, 0.9]))
    assert recommendations([unknown])[0]["reported_percent"] is None


def test_rows_of_a_known_space_are_named_as_architectures() -> None:
    table = load_table("nas_bench_macro", "cifar10", ["network/params_m"])
    costs = table.costs[:, 0]
    one = result(
        space="nas_bench_macro",
        queries=[[0, 6560]],
        search_accuracy=np.arange(6561) / 6561,
        reported_accuracy=np.arange(6561) / 6561,
        constraint=Constraint("network/params_m", 1.0),
        max_cost=float(costs.max()),
        costs=costs,
    )
    (entry,) = recommendations([one])
    assert entry["architecture"] == entry["best_architecture"] == " > ".join(["mb6_k5"] * 8)
