"""Training epoch by epoch: the same results, and what is hopeless costs no more."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.config import parse_section
from nasjax.errors import UserError
from nasjax.evaluation.trained import cohorts, network, training
from nasjax.evaluation.trained.cohorts import TrainedConfig
from nasjax.evaluation.trained.evaluator import TrainedEvaluator
from nasjax.evaluation.trained.trainer import Trainer
from nasjax.types import DIVERGED, OK, STOPPED
from tests.evaluation.trained.test_evaluator import (
    CLASSES,
    CONFIG,
    DATA,
    SEED_KEY,
    SHAPE,
    SPACE,
    fc_chain,
    proposal,
)

CHAINS = [fc_chain(16), fc_chain(24, "tanh"), fc_chain(32, "gelu", bias=False), fc_chain(8)]


def evaluate(chains=CHAINS, **changes):
    """The outcome, and how many candidates went through the program, lanes that repeat included."""
    evaluator = TrainedEvaluator(dataclasses.replace(CONFIG, **changes), SPACE, DATA)
    run, lanes = [], []
    programs = evaluator._make_trainer(SEED_KEY).programs
    original = programs.train_epoch

    def train_epoch(plan, place, progress, traits, epoch):
        run.append(epoch)
        lanes.append(len(traits.width))
        return original(plan, place, progress, traits, epoch)

    programs.train_epoch = train_epoch
    return evaluator.evaluate(SEED_KEY, proposal(*chains)), sum(lanes)


def after_one_epoch(**changes):
    """Accuracies of CHAINS after their first of two epochs, at a rate that stays the same."""
    config = dataclasses.replace(CONFIG, epochs=1, **changes)
    outcome = TrainedEvaluator(config, SPACE, DATA).evaluate(SEED_KEY, proposal(*CHAINS))
    return np.asarray(outcome.accuracy)


def limit_between_two_and_two(reached):
    low, high = np.sort(reached)[1:3]
    assert high - low > 1 / 40 - 1e-6  # of 40 images: at least one apart, or no limit is between
    return float(low + high) / 2


@pytest.mark.long
def test_epoch_by_epoch_is_the_same_training():
    config = dataclasses.replace(CONFIG, schedule="cosine", stop_below=(0.0,))
    trainer, recipe = Trainer(config, SPACE, DATA, SEED_KEY), config.recipe()
    plan, traits = cohorts.make_plan(CHAINS[1], SPACE, CONFIG)
    params, _ = trainer._start(plan, CHAINS[1])
    order = training.batch_order(SEED_KEY, recipe, len(DATA.train.labels))
    chunks = training.chunked(*DATA.validation)
    data = training.DeviceData(*map(jnp.asarray, (*DATA.train, *chunks, order)))
    lane = functools.partial(jax.tree.map, lambda leaf: np.asarray(leaf)[None])
    traits = lane(traits)

    progress = lane(training.begin(params, recipe, len(order)))
    for epoch in range(2):
        progress, correct = training.train_epoch_and_measure(
            progress,
            traits,
            data,
            jnp.int32(epoch),
            plan=plan,
            recipe=recipe,
            num_classes=CLASSES,
        )
    expected, finite = training.fit(lane(params), plan, traits, data, recipe)
    trained = network.unpack(
        jax.tree.map(lambda leaf: leaf[0], progress.packed), plan, SHAPE, CLASSES
    )
    assert finite.all() and progress.finite.all()
    for ours, wanted in zip(jax.tree.leaves(trained), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(ours, wanted[0], atol=1e-6)
    measured = training.train_and_measure(lane(params), traits, data, plan=plan, recipe=recipe)[0]
    assert abs(int(correct.sum()) - int(measured.sum())) <= 1


@pytest.mark.long
def test_what_is_hopeless_after_an_epoch_is_stopped_flagged_and_costs_no_more():
    limit = limit_between_two_and_two(after_one_epoch(lanes=1))
    whole, all_lanes = evaluate(stop_below=(0.0,), lanes=1)
    np.testing.assert_array_equal(whole.status, OK)
    assert all_lanes == 4 * CONFIG.epochs
    outcome, lanes = evaluate(stop_below=(limit,), lanes=1)
    stopped = np.asarray(outcome.status) == STOPPED
    assert stopped.sum() == 2
    assert lanes == 4 + 2  # all through the first epoch, two through the second
    assert np.asarray(outcome.ok).all()  # measured, if early
    for row in range(4):
        if stopped[row]:
            assert 0 < outcome.accuracy[row] < limit
        else:
            np.testing.assert_array_equal(outcome.accuracies[row], whole.accuracies[row])


@pytest.mark.long
def test_who_else_is_stopped_changes_no_bit():
    reached = after_one_epoch(lanes=2)
    limit = limit_between_two_and_two(reached)
    together, _ = evaluate(stop_below=(limit,), lanes=2)
    assert (np.asarray(together.status) == STOPPED).sum() == 2
    best = int(np.argmax(reached))
    alone, _ = evaluate([CHAINS[best]], stop_below=(limit,), lanes=2)
    np.testing.assert_array_equal(alone.accuracies[0], together.accuracies[best])


@pytest.mark.long
def test_a_diverging_candidate_is_not_trained_on():
    outcome, lanes = evaluate([fc_chain(16, "none")], stop_below=(0.0,), learning_rate=1e30)
    assert outcome.status[0] == DIVERGED
    assert lanes == CONFIG.lanes  # one run of the program: the first of two epochs


@pytest.mark.parametrize(
    ("limits", "expected"),
    [((0.1, 0.2), "shorter than 2"), ((1.5,), "from 0 to 1")],
)
def test_limits_that_cannot_be_are_refused(limits, expected):
    with pytest.raises(UserError, match="evaluator.stop_below") as refused:
        parse_section(TrainedConfig, {"epochs": 2, "stop_below": limits}, "evaluator")
    assert expected in str(refused.value)
