"""Training epoch by epoch: the same results, and what is hopeless costs no more."""

import dataclasses

import numpy as np
import pytest

from nasjax.config import parse_section
from nasjax.errors import UserError
from nasjax.evaluation.trained.evaluator import TrainedConfig, TrainedEvaluator
from nasjax.types import DIVERGED, OK, STOPPED
from tests.evaluation.trained.test_evaluator import (
    CONFIG,
    DATA,
    SEED_KEY,
    SPACE,
    fc_chain,
    proposal,
)

CHAINS = [fc_chain(16), fc_chain(24, "tanh"), fc_chain(32, "gelu", bias=False), fc_chain(8)]


def evaluate(chains=CHAINS, **changes):
    """The outcome, and how many candidates went through the program, lanes that repeat included."""
    evaluator = TrainedEvaluator(dataclasses.replace(CONFIG, **changes), SPACE, DATA)
    run, lanes = [], []
    programs = evaluator._trainer_of(SEED_KEY).programs
    original = programs.train_epoch

    def train_epoch(plan, place, progress, traits, epoch):
        run.append(epoch)
        lanes.append(len(traits.width))
        return original(plan, place, progress, traits, epoch)

    programs.train_epoch = train_epoch
    return evaluator.evaluate(SEED_KEY, proposal(*chains)), sum(lanes)


def test_epoch_by_epoch_is_the_same_training():
    # Nothing is below 0, so all train to the end; one program or two order the sums alike or not.
    whole = TrainedEvaluator(CONFIG, SPACE, DATA).evaluate(SEED_KEY, proposal(*CHAINS))
    parts, lane_epochs = evaluate(stop_below=(0.0,), lanes=1)
    np.testing.assert_array_equal(parts.status, OK)
    np.testing.assert_allclose(parts.accuracy, whole.accuracy, atol=1 / 40 + 1e-6)
    assert lane_epochs == 4 * CONFIG.epochs


def test_what_is_hopeless_after_an_epoch_is_stopped_flagged_and_costs_no_more():
    reached, _ = evaluate(stop_below=(0.0,), epochs=1)
    after_one = np.sort(np.asarray(reached.accuracy))
    limit = float((after_one[1] + after_one[2]) / 2)
    assert after_one[1] < after_one[2]  # else there is no limit between two and two
    whole, all_lanes = evaluate(stop_below=(0.0,), lanes=1)
    outcome, lanes = evaluate(stop_below=(limit,), lanes=1)
    stopped = np.asarray(outcome.status) == STOPPED
    assert stopped.sum() == 2
    assert lanes < all_lanes
    assert np.asarray(outcome.ok).all()  # measured, if early
    for row in range(4):
        if stopped[row]:
            assert 0 < outcome.accuracy[row] < limit
        else:
            np.testing.assert_array_equal(outcome.accuracies[row], whole.accuracies[row])


def test_who_else_is_stopped_changes_no_bit():
    reached, _ = evaluate(stop_below=(0.0,), epochs=1, lanes=2)
    order = np.argsort(np.asarray(reached.accuracy))
    limit = float(reached.accuracy[order[1]] + reached.accuracy[order[2]]) / 2
    together, _ = evaluate(stop_below=(limit,), lanes=2)
    best = int(order[-1])
    alone, _ = evaluate([CHAINS[best]], stop_below=(limit,), lanes=2)
    np.testing.assert_array_equal(alone.accuracies[0], together.accuracies[best])


def test_a_diverging_candidate_is_not_trained_on():
    outcome, lanes = evaluate([fc_chain(16, "none")], stop_below=(0.0,), learning_rate=1e30)
    assert outcome.status[0] == DIVERGED
    assert lanes == CONFIG.lanes  # one run of the program: the first of two epochs


@pytest.mark.parametrize(
    ("limits", "expected"),
    [((0.1, 0.2, 0.3), "at most 2 (epochs) long"), ((1.5,), "accuracies from 0 to 1")],
)
def test_limits_that_cannot_be_are_refused(limits, expected):
    with pytest.raises(UserError, match="evaluator.stop_below") as refused:
        parse_section(TrainedConfig, {"epochs": 2, "stop_below": limits}, "evaluator")
    assert expected in str(refused.value)
