"""Counts and curves, against the records of a small run counted by hand."""

import numpy as np
import pytest

from nasjax.run_report import statistics
from nasjax.run_report.statistics import PairCount
from nasjax.runs import records
from nasjax.runs.records import Events
from tests.run_report.small_run import CONV7, candidate, make_run, round_row, twelve_rows


@pytest.fixture
def events(tmp_path) -> Events:
    return records.read(make_run(tmp_path / "run", twelve_rows()) / "events.jsonl")


def test_the_budget_equals_the_hand_count(events) -> None:
    budget = statistics.count_budget(events)
    # 4 + 2 layers grown in round 0, 2 + 1 in round 1, one back-up; the two noise-free rows are free
    assert budget.queries == 9 + 1
    assert budget.by_purpose == {"grow": 9, "backup": 1, "validate": 2}
    # 12 rows: 5 marked first, 5 met before, one that did not fit, one that diverged
    counts = {"trained": 5, "reused": 5, "invalid": 1, "diverged": 1}
    assert budget.candidates == counts | {"over_memory": 0, "stopped": 0, "infeasible": 0}
    assert budget.programs_compiled == 2  # two rows say that a program was compiled for them
    assert budget.seconds_by_source == {"trained": 5.0, "run": 0.0, "none": 0.0}
    assert (budget.updates, budget.seconds) == (1, 60.0)


def test_the_learning_curve_averages_the_models_that_a_round_ended_with(events) -> None:
    # round 0 ended with .96 (its fourth layer lost .01) and .88; in round 1 one model stands: .90
    first, second = statistics.learning_curve(events)
    assert (first.best, first.noise_free) == (0.97, [])
    assert first.mean == pytest.approx((0.96 + 0.88) / 2)
    assert (second.mean, second.noise_free) == (0.90, [0.95])


def test_a_round_in_which_nothing_could_be_measured_has_no_mean(tmp_path) -> None:
    row = candidate(0, "grow", 0, [CONV7], status="diverged", accuracy=0.0, reward=-1.0)
    run = make_run(tmp_path / "run", [row, round_row(0, 1, 0, 0.0)])
    (point,) = statistics.learning_curve(records.read(run / "events.jsonl"))
    assert np.isnan(point.mean)


def test_each_candidate_has_one_role(events) -> None:
    p, f = "prefix", "final"
    first_round = [p, p, p, f, p, f]  # as interleaved in the file: [C] [C] [CP] [CC]* [CPF] [CPFF]*
    second = [f, "failed", "failed", "backup", "validate", "validate"]
    assert statistics.roles(events) == first_round + second


def test_kinds_count_every_grown_model_at_every_position(events) -> None:
    # models: conv pool fc fc | conv conv | conv conv(did not fit) | conv(diverged)
    expected = [
        {"conv": 4},
        {"pool": 1, "conv": 2, "stop": 1},
        {"fc": 1, "stop": 3},
        {"fc": 1, "stop": 3},
        {"stop": 4},
        {"stop": 4},
    ]
    counts = statistics.count_kinds(statistics.chain_models(events))
    assert [dict(count) for count in counts] == expected


def test_pairs_count_negative_rewards_and_keep_failures_apart(events) -> None:
    assert statistics.count_pairs(statistics.chain_models(events)) == {
        ("conv", "pool"): PairCount(negative=0, measured=1, failed=0),
        ("pool", "fc"): PairCount(negative=0, measured=1, failed=0),
        ("fc", "fc"): PairCount(negative=1, measured=1, failed=0),
        ("conv", "conv"): PairCount(negative=1, measured=1, failed=1),
    }


def test_models_of_a_round_that_has_not_finished_are_not_final(tmp_path) -> None:
    row = candidate(2, "grow", 0, [CONV7], accuracy=0.99, reward=0.99, first=True)
    run = make_run(tmp_path / "run", [*twelve_rows(), row])
    events = records.read(run / "events.jsonl")
    assert statistics.roles(events)[-1] == "prefix"
    assert len(statistics.learning_curve(events)) == 2
    assert statistics.count_kinds(statistics.chain_models(events))[0] == {"conv": 4}
