"""Methods that propose whole architectures: worked numbers, and plain Python beside them."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nasjax.controllers import sequences
from nasjax.controllers.local_search.controller import LocalSearchConfig, make_local_search
from nasjax.controllers.metaqnn.controller import (
    MetaqnnConfig,
    epsilon_schedule,
    make_metaqnn,
    update_values,
)
from nasjax.controllers.multi_agent.controller import MultiAgentConfig, make_multi_agent
from nasjax.controllers.regularized_evolution.controller import (
    RegularizedEvolutionConfig,
    make_regularized_evolution,
)
from nasjax.controllers.reinforce.controller import (
    ReinforceConfig,
    log_probability,
    make_reinforce,
)
from nasjax.controllers.sequences import Sequence
from nasjax.spaces.layer_chain import LayerChain
from nasjax.spaces.slots import SlotSpace
from nasjax.types import OK, Outcome, Request

SPACE = SlotSpace(("a", "b", "c"), num_layers=4, filler=0)
WORTH = np.random.default_rng(3).permutation(SPACE.size).astype(np.float32) / SPACE.size


def outcome_of(proposal, table=WORTH):
    worth = jnp.asarray(table)[jax.vmap(SPACE.index)(proposal.architecture)]
    rows = len(worth)
    status = jnp.full(rows, OK)
    return Outcome(worth[:, None], worth, jnp.zeros((rows, 0)), status)


def exchanges(controller, rounds, seed=0, table=WORTH):
    """(phase name, state before, proposal, outcome, state after) of every exchange."""
    key = jax.random.key(seed)
    state = controller.init(jax.random.fold_in(key, 0))
    phases = [(p, jax.jit(p.propose), jax.jit(p.update)) for p in controller.round]
    for i, (phase, propose, update) in enumerate(phases * rounds):
        propose_key, update_key = jax.random.split(jax.random.fold_in(key, i + 1))
        proposal, proposed = propose(propose_key, state)
        outcome = outcome_of(proposal, table)
        after, _ = update(update_key, proposed, proposal, outcome, outcome.accuracy)
        yield phase.name, state, proposal, outcome, after
        state = after


def climb(start):
    """White et al., Algorithm 1 in plain Python: the architectures stood on."""
    digits = list(itertools.product(range(3), repeat=4))
    path = [start]
    while True:
        here = digits[path[-1]]
        near = [
            i
            for i, there in enumerate(digits)
            if sum(a != b for a, b in zip(here, there, strict=True)) == 1
        ]
        best = max(near, key=lambda i: WORTH[i])
        if WORTH[best] <= WORTH[path[-1]]:
            return path
        path.append(best)


def test_local_search_takes_the_path_of_plain_python_and_asks_for_nothing_twice_in_a_row():
    controller = make_local_search(LocalSearchConfig(), Request(SPACE, 1, rounds=1))
    climbs = []
    for name, _, proposal, outcome, after in exchanges(controller, rounds=30):
        index = np.asarray(jax.vmap(SPACE.index)(proposal.architecture))
        mask = np.asarray(proposal.mask)
        if name == "start":
            if mask[0]:
                climbs.append([int(index[0])])
                assert WORTH[climbs[-1][0]] == outcome.accuracy[0]
        else:
            # 8 neighbours; after a step, the two in the same slot are known.
            assert mask.sum() == (8 if len(climbs[-1]) == 1 else 6)
            if not bool(after.restart):
                climbs[-1].append(int(SPACE.index(after.architecture)))
    assert len(climbs) > 4
    for path in climbs[:-1]:
        assert path == climb(path[0])


def test_local_search_starts_again_where_no_neighbour_is_better():
    controller = make_local_search(LocalSearchConfig(), Request(SPACE, 1, rounds=1))
    plateau = exchanges(controller, rounds=4, table=np.full_like(WORTH, 0.5))
    for i, (name, _, proposal, _, after) in enumerate(plateau):
        assert bool(after.restart) == (name == "climb")
        assert int(after.num_climbs) == 1 + i // 2
        assert proposal.mask.all()


def test_the_oldest_makes_way_for_a_child_of_the_best_of_the_sample():
    config = RegularizedEvolutionConfig(population_size=4, sample_size=20)
    controller = make_regularized_evolution(config, Request(SPACE, 1, rounds=1))
    kept = []  # (architecture, worth) of all, in the order of their birth
    for _, before, proposal, outcome, after in exchanges(controller, rounds=25):
        child = np.asarray(proposal.architecture[0])
        if len(kept) >= 4:
            # Twenty of four miss the best once in 300 rounds; the seed is one in which they do not.
            parent = max(kept[-4:], key=lambda one: one[1])[0]
            assert (child != parent).sum() == 1
        kept.append((child, float(outcome.accuracy[0])))
        assert int(after.born) == len(kept) == int(before.born) + 1
        held = sorted(float(worth) for worth in after.reward[: len(kept)])
        np.testing.assert_allclose(held, sorted(worth for _, worth in kept[-4:]))


def sequence(*choices, options=3):
    allowed = jnp.ones((len(choices), options + 1), bool).at[:, options].set(False)
    return Sequence(jnp.array(choices), allowed, jnp.zeros((len(choices), 1), jnp.int32))


def test_log_probability_and_its_gradient():
    # Uniform over three of four (the end is not allowed): 2 log(1/3) = -2.19722; the gradient of a
    # row is one-hot minus 1/3.
    logits, drawn = jnp.zeros((2, 4)), sequence(0, 2)
    np.testing.assert_allclose(log_probability(logits, drawn), -2.19722, atol=1e-5)
    third = 1 / 3
    np.testing.assert_allclose(
        jax.grad(log_probability)(logits, drawn),
        [[1 - third, -third, -third, 0], [-third, -third, 1 - third, 0]],
        atol=1e-6,
    )


@pytest.mark.long
def test_reinforce_steps_towards_what_was_better_than_the_average():
    config = ReinforceConfig(learning_rate=0.1, baseline_momentum=0.9)
    controller = make_reinforce(config, Request(SPACE, 1, rounds=1))
    phase, state = controller.round[0], controller.init(jax.random.key(0))
    _, state = phase.propose(jax.random.key(1), state)
    state = state.replace(drawn=jax.tree.map(lambda leaf: leaf[None], sequence(0, 1, 2, 0)))
    rewards = jnp.array([0.5])
    # The first average is the first reward itself: nothing to learn.
    state, metrics = phase.update(jax.random.key(2), state, None, None, rewards)
    np.testing.assert_allclose(metrics["baseline"], 0.5, atol=1e-6)
    np.testing.assert_allclose(state.logits, 0, atol=1e-6)
    # Then (0.9 * 0.05 + 0.1 * 0.9) / (0.9 * 0.1 + 0.1) = 0.135 / 0.19 = 0.710526; 0.9 is above it:
    # the chosen logits rise, the others fall, the end, which is not allowed, stays.
    state, metrics = phase.update(jax.random.key(3), state, None, None, jnp.array([0.9]))
    np.testing.assert_allclose(metrics["baseline"], 0.710526, atol=1e-5)
    chosen = np.eye(4)[[0, 1, 2, 0]]
    chosen[:, 3] = 0
    np.testing.assert_array_equal(np.sign(state.logits)[:, :3], 2 * chosen[:, :3] - 1)
    np.testing.assert_array_equal(state.logits[:, 3], 0)


def test_what_reinforce_draws_follows_its_logits():
    # Softmax of (log 6, log 3, log 1) is 0.6, 0.3, 0.1.
    config = ReinforceConfig(models_per_update=4000)
    controller = make_reinforce(config, Request(SPACE, 1, rounds=1))
    state = controller.init(jax.random.key(0))
    row = jnp.array([6.0, 3.0, 1.0, 100.0])
    state = state.replace(logits=jnp.tile(jnp.log(row), (4, 1)))
    proposal, _ = controller.round[0].propose(jax.random.key(1), state)
    shares = np.stack([(proposal.architecture == code).mean((0, 2)) for code in (1, 2, 3)])
    # Standard deviation 0.008 at most: five of them, a false alarm in 100,000.
    np.testing.assert_allclose(shares, np.tile([[0.6], [0.3], [0.1]], 4), atol=0.04)


@pytest.mark.parametrize(("discount", "first"), [(1.0, 0.625), (0.5, 0.4375)])
def test_values_are_updated_from_the_last_transition_back(discount, first):
    # Two layers of two options, alpha 0.5, all 0.5 before, r = 1; chosen: 0, then 1.
    # Q(1, 0, 1) = 0.5 + 0.5 (1 - 0.5) = 0.75; then Q(0, none, 0) = 0.5 + 0.5 (gamma 0.75 - 0.5).
    config = MetaqnnConfig(learning_rate=0.5, discount=discount)
    values = update_values(
        jnp.full((2, 3, 3), 0.5),
        jnp.array([0, 1]),
        sequence(0, 1, options=2).allowed,
        jnp.float32(1),
        config=config,
    )
    expected = np.full((2, 3, 3), 0.5)
    expected[1, 0, 1], expected[0, 2, 0] = 0.75, first
    np.testing.assert_allclose(values, expected)


def test_ending_early_earns_the_reward_there_and_nothing_is_updated_behind():
    # Ended after the first layer: choice 2 = end at depth 1. What is not allowed does not count.
    allowed = jnp.array([[True, True, False], [True, False, True], [False, False, True]])
    values = update_values(
        jnp.full((3, 3, 3), 0.5).at[1, 0, 1].set(9.0),
        jnp.array([0, 2, 2]),
        allowed,
        jnp.float32(0.9),
        config=MetaqnnConfig(learning_rate=1.0),
    )
    assert values[1, 0, 2] == pytest.approx(0.9)
    assert values[0, 2, 0] == pytest.approx(0.9)
    changed = np.asarray(values != 0.5)
    assert changed.sum() == 3  # and the 9


def test_the_schedule_of_epsilon():
    published = epsilon_schedule(MetaqnnConfig(schedule="absolute"), 3000)
    values, counts = np.unique(published, return_counts=True)
    np.testing.assert_allclose(values, np.arange(1, 11) / 10, atol=1e-6)
    # 2,700 in all; the 300 after them at 0.1.
    np.testing.assert_array_equal(counts, [450, 150, 150, 150, 150, 150, 100, 100, 100, 1500])
    scaled = epsilon_schedule(MetaqnnConfig(), 54)
    assert (scaled == 1).sum() == 30  # 1500 / 2700 of them
    assert scaled[-1] == np.float32(0.1)
    assert (epsilon_schedule(MetaqnnConfig(schedule="absolute"), 300) == 1).all()


@pytest.mark.long
def test_metaqnn_learns_the_best_where_it_may_look_around_enough():
    controller = make_metaqnn(MetaqnnConfig(), Request(SPACE, 1, rounds=400))
    *_, (*_, after) = exchanges(controller, rounds=400)
    greedy = sequences.build(
        SPACE,
        lambda layer, previous, allowed: jnp.where(
            allowed, after.values[layer, previous], -jnp.inf
        ).argmax(),
    )
    found = WORTH[int(SPACE.index(greedy.architecture))]
    assert found > 0.8  # of 81 architectures, uniform from 0 to 1


@pytest.mark.long
def test_a_chain_of_layers_ends_where_it_is_chosen_to_end():
    space = LayerChain((8, 8, 1), 10)
    options = space.options
    assert options.shape == (1110, 4)
    conv = int(np.flatnonzero((options == [1, 16, 3, 1]).all(1))[0])
    fc = int(np.flatnonzero((options == [2, 64, 1, 1]).all(1))[0])
    wanted = [conv, fc, 1110, 5, 5, 5]
    built = sequences.build(
        space, lambda i, _, allowed: jnp.where(allowed[wanted[i]], wanted[i], 1110)
    )
    np.testing.assert_array_equal(built.choices, [conv, fc, 1110, 1110, 1110, 1110])
    assert space.to_text(built.architecture) == space.to_text(
        np.array([[1, 16, 3, 1], [2, 64, 1, 1], *[[0] * 4] * 4])
    )
    first, second, third = np.asarray(built.allowed[:3])
    assert first[:144].all() and not first[144:].any()  # a convolution; no end yet
    assert second[144:1026].all() and second[-1]
    assert third[144:1026].all() and third[-1] and not third[:144].any()  # an fc, or the end


def test_each_agent_tries_its_own_slot_and_the_master_keeps_what_is_better():
    config = MultiAgentConfig(learning_rate=0.5)
    controller = make_multi_agent(config, Request(SPACE, 1, rounds=100, max_queries=100))
    best, adopted = -np.inf, 0
    for name, before, proposal, outcome, after in exchanges(controller, rounds=20, seed=1):
        codes = np.asarray(proposal.architecture[..., 0]) - 1
        if name == "agents":
            tried = codes != np.asarray(before.master)
            assert not tried[~np.eye(4, dtype=bool)].any()
            expected = np.array(before.values)
            for slot in range(4):
                old = expected[slot, codes[slot, slot]]
                expected[slot, codes[slot, slot]] = old + 0.5 * (
                    float(outcome.accuracy[slot]) - old
                )
            np.testing.assert_allclose(after.values, expected, atol=1e-6)
        else:
            np.testing.assert_array_equal(codes[0], np.asarray(before.values)[:, :3].argmax(1))
            better = float(outcome.accuracy[0]) > best
            adopted += better
            best = max(best, float(outcome.accuracy[0]))
            kept = codes[0] if better else np.asarray(before.master)
            np.testing.assert_array_equal(after.master, kept)
            assert float(after.reward) == np.float32(best)
    assert adopted >= 2
