"""The loop with the plainest parts: random search on a closed-form landscape."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax import loop
from nasjax.controllers.random_search.controller import RandomSearchConfig, make_random_search
from nasjax.errors import UserError
from nasjax.evaluation.table import Rows, TableConfig, make_table
from nasjax.rewards.accuracy import ProgressiveConfig, make_accuracy_gain
from nasjax.spaces.slots import SlotSpace
from nasjax.types import PROPOSE, Evaluator, Proposal, Request
from tests.oracles.landscape import make_landscape
from tests.oracles.unit_box import UnitBox
from tests.witness import Witness

SPACE = UnitBox(num_layers=2, action_size=2, levels=10)
BEST = jnp.array([[0.25, 0.75], [0.05, 0.95]])


def run(seed, seconds=0.0, **budget):
    controller = make_random_search(RandomSearchConfig(4), Request(SPACE, 3, rounds=1))
    root_key = jax.random.key(seed)
    witness = Witness()
    state = loop.run(
        controller=controller,
        evaluator=make_landscape(SPACE, BEST, performance_size=3),
        reward=make_accuracy_gain(ProgressiveConfig()),
        root_key=root_key,
        state=loop.init(controller, SPACE, root_key),
        config=loop.SearchConfig(**budget),
        observer=witness,
        seconds=seconds,
    )
    return state, witness


def test_the_landscape_is_worth_what_its_formula_says():
    # Cells 3 and 8 of 10 are 0.25 and 0.75: layer 1 is best. Layer 2 at (0.55, 0.95) is off by
    # (0.5 + 0) / 2 = 0.25. With top 0.9 and L = 2: 0.45 * (1 + 0.75) = 0.7875; layer 1 alone 0.45.
    architecture = jnp.array([[[3, 8], [6, 10]], [[3, 8], [0, 0]], [[0, 0], [0, 0]]])
    proposal = Proposal(architecture, jnp.ones(3, bool), jnp.full(3, PROPOSE), jnp.zeros((3, 3)))
    outcome = make_landscape(SPACE, BEST, performance_size=3).evaluate(jax.random.key(0), proposal)
    np.testing.assert_allclose(outcome.accuracy, [0.7875, 0.45, 0.0], atol=1e-6)
    np.testing.assert_array_equal(outcome.ok, [True, True, False])


def test_it_ends_with_the_round_that_reaches_an_accuracy():
    _, witness = run(0, rounds=5)
    bests = [float(e.best.accuracy) for e in witness.exchanges]
    target = bests[2]  # rounds are single exchanges
    state, _ = run(0, rounds=5, stop_at=target)
    assert int(state.round) == bests.index(target) + 1 <= 3
    assert run(0, rounds=5, stop_at=1.0)[1].rounds == 5


def test_it_ends_with_the_round_that_uses_up_the_time_of_all_starts():
    assert run(0, rounds=5, max_seconds=3600.0)[1].rounds == 5
    assert run(0, rounds=5, max_seconds=3600.0, seconds=3600.0)[1].rounds == 0
    # Any round takes longer than a nanosecond, and the first one begins after setting up.
    assert run(0, rounds=5, max_seconds=1e-9)[1].rounds == 0


def test_the_setting_that_ends_a_search_is_named():
    controller = make_random_search(RandomSearchConfig(4), Request(SPACE, 3, rounds=1))
    state, _ = run(0, rounds=2)
    best = float(state.best.accuracy)

    def reason(seconds=0.0, **budget):
        return loop.end_reason(controller, state, loop.SearchConfig(**budget), seconds)

    assert reason(rounds=3) is None
    assert reason(rounds=2) == "search.rounds=2"
    assert reason(rounds=3, max_queries=8) == "search.max_queries=8"
    assert reason(rounds=3, stop_at=best) == f"search.stop_at={best}"
    assert reason(rounds=3, max_seconds=9.0, seconds=8.9) is None
    assert reason(rounds=3, max_seconds=9.0, seconds=9.0) == "search.max_seconds=9.0"


def test_random_search_counts_its_queries_and_keeps_the_first_best():
    state, witness = run(0, rounds=5)
    accuracy = np.concatenate([e.outcome.accuracy for e in witness.exchanges])
    architectures = np.concatenate([e.proposal.architecture for e in witness.exchanges])
    assert int(state.queries) == 20 and witness.rounds == 5
    assert float(state.best.accuracy) == accuracy.max()
    np.testing.assert_array_equal(state.best.architecture, architectures[accuracy.argmax()])
    assert architectures.min() >= 1 and architectures.max() <= 10
    assert len(np.unique(architectures.reshape(20, -1), axis=0)) > 10  # 10,000 are possible
    assert float(state.best_noise_free.accuracy) == 0  # it never validates


def test_a_search_ends_after_the_round_that_spends_its_queries():
    state, _ = run(0, rounds=5, max_queries=9)  # rounds of 4: 4, 8, 12
    assert int(state.queries) == 12 and int(state.round) == 3


def test_the_seed_alone_decides_what_is_proposed():
    drawn = [
        np.concatenate([e.proposal.architecture for e in run(seed, rounds=2)[1].exchanges])
        for seed in (1, 1, 2)
    ]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()


def test_a_compiled_search_is_the_host_loop_bit_for_bit():
    controller = make_random_search(RandomSearchConfig(4), Request(SPACE, 3, rounds=1))
    parts = {
        "controller": controller,
        "evaluator": make_landscape(SPACE, BEST, performance_size=3),
        "reward": make_accuracy_gain(ProgressiveConfig()),
        "root_key": jax.random.key(3),
    }
    start = loop.init(controller, SPACE, parts["root_key"])
    looped = loop.run(**parts, state=start, config=loop.SearchConfig(rounds=4), observer=Witness())
    compiled, _ = jax.jit(lambda state: loop.run_compiled(**parts, state=state, rounds=4))(start)
    chex.assert_trees_all_equal(compiled, looped)
    assert int(compiled.round) == 4 and int(compiled.queries) == 16


def test_a_compiled_search_refuses_an_evaluator_that_trains():
    evaluator = Evaluator(lambda key, proposal: pytest.fail("evaluated"), pure=False)
    controller = make_random_search(RandomSearchConfig(4), Request(SPACE, 3, rounds=1))
    with pytest.raises(UserError, match="pure evaluator"):
        loop.run_compiled(
            controller=controller,
            evaluator=evaluator,
            reward=make_accuracy_gain(ProgressiveConfig()),
            root_key=jax.random.key(0),
            state=loop.init(controller, SPACE, jax.random.key(0)),
            rounds=1,
        )


SLOTS = SlotSpace(operations=("a", "b", "c"), num_layers=2, filler=0)


@pytest.mark.parametrize("max_cost", [6.0, 0.5])
def test_the_best_is_the_best_of_what_costs_no_more(max_cost):
    """Nine architectures; in two the device's cost is infinite, the second cost never counts."""
    accuracy = np.float32([0.1, 0.9, 0.3, 0.8, 0.7, 0.95, 0.2, 0.6, 0.5])
    first = np.float32([1, 9, 2, 6.0001, 6, np.inf, 3, 4, np.inf])
    costs = np.stack([first, np.full(9, 99, np.float32)], axis=1)
    evaluator = make_table(Rows(accuracy, accuracy, costs), SLOTS, TableConfig("none", noise=False))
    controller = make_random_search(RandomSearchConfig(5), Request(SLOTS, 32, rounds=1))
    state = loop.run(
        controller=controller,
        evaluator=evaluator,
        reward=make_accuracy_gain(ProgressiveConfig()),
        root_key=jax.random.key(0),
        state=loop.init(controller, SLOTS, jax.random.key(0)),
        config=loop.SearchConfig(rounds=12, max_cost=max_cost),
        observer=Witness(),
    )
    # 60 draws of 9: that one is never drawn has a chance of 0.001, and the seed is fixed.
    expected = {6.0: (0.7, 4), 0.5: (0.0, 0)}[max_cost]
    np.testing.assert_allclose(state.best.accuracy, expected[0], rtol=1e-6)
    assert int(SLOTS.index(state.best.architecture)) == expected[1]
    assert int(state.queries) == 60


@pytest.mark.parametrize("max_cost", [0.0, -1.0])
def test_a_limit_that_nothing_can_keep_is_refused(max_cost):
    with pytest.raises(UserError, match=f"search.max_cost={max_cost}; it must be > 0 or None"):
        loop.SearchConfig(rounds=1, max_cost=max_cost)
