"""What is asked for: the softmax policy, new attempts, validation, the end of a search."""

import functools
import math
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nasjax.controllers.autocomet import networks
from nasjax.types import GROW, VALIDATE
from tests.controllers.autocomet.small_search import (
    COSTS,
    OFFSETS,
    TREE,
    UNEQUAL,
    begin,
    features,
    make,
    measure,
    outcome_of,
    params_of,
    prefix_of,
    proposal_of,
)
from tests.oracles.numpy_autocomet import value

DRAWS = 4000  # keys
EPSILON = (0.5, 1.5)
BASE = {
    "primary": "accuracy",
    "secondaries": COSTS.names,
    "scale": "raw",
    "secondary_reward": "cost",
    "schedule": "constant",
    "epsilon": EPSILON,
    "width": 5,
    "updates": 1,
    "replays": 2,
    "patience": None,
    "initial_value": 0.0,
}
BIASED = BASE | {
    "queries": 96,  # 32 episodes of 3 prefixes
    "credit": "gain",
    "shaping": "policy",
    "temperature": 0.8,
    "final_temperature": None,
    "models_per_round": 2,
    "attempts": 3,
    "validate_every": 2,
}
# 40 queries are 40 episodes. At half of them 0.5 (8 / 0.5)^(1 / 2) = 2, at the end and after 8.
PLAIN = BASE | {
    "queries": 40,
    "credit": "final",
    "shaping": "value",
    "temperature": 0.5,
    "final_temperature": 8.0,
    "models_per_round": 1,
    "attempts": 1,
    "validate_every": 1,
}


def preferences(state, shaping):
    """Prefix -> Q, and with "policy" each potential times its epsilon, in NumPy."""
    learner, rows = state.learner, np.stack([*features().values()])
    found = value(params_of(learner.q), rows)
    if shaping == "policy":
        for i, epsilon in enumerate(EPSILON):
            found = found + epsilon * value(params_of(learner.phi, i), rows)
    return dict(zip(features(), found, strict=True))


def probabilities(preferred, temperature):
    """[24] of the architectures in the order of WHOLE: softmax slot by slot."""
    found = []
    for whole in TREE.whole:
        chance = 1.0
        for length in range(len(whole)):
            weights = {
                child: math.exp(preferred[child] / temperature)
                for child in TREE.children(whole[:length])
            }
            chance *= weights[whole[: length + 1]] / sum(weights.values())
        found.append(chance)
    return np.array(found)


@functools.cache
def many(settings):
    """(state) -> whole architectures [DRAWS, M, L] and proposals of so many keys."""
    controller, _ = make(**dict(settings))
    keys = jax.random.split(jax.random.key(1), DRAWS)
    propose = jax.jit(jax.vmap(controller.round[0].propose, (0, None)))

    def draw(state):
        proposal, after = propose(jax.random.clone(keys), state)
        models = dict(settings)["models_per_round"]
        prefixes = np.asarray(proposal.architecture).reshape(DRAWS, models, 3, 3)
        assert_array_equal(prefixes[:, :, -1] - 1, np.asarray(after.actions) + OFFSETS)
        return prefixes, jax.tree.map(lambda leaf: np.asarray(leaf[0]), proposal)

    return draw


def drawn(settings, state):
    return many(tuple(settings.items()))(state)


def started(settings, kept=(), episodes=0):
    """A state whose replay holds these architectures; its policy is certain of none."""
    scale = 0.35 if settings["shaping"] == "policy" else 0.6
    state = begin(make(**settings)[0], EPSILON, scale=scale)
    actions = np.array(state.replay.rows["actions"])
    assert len(kept) <= len(actions)
    for place, whole in enumerate(kept):
        actions[place] = np.array(whole) - OFFSETS
    rows = state.replay.rows | {"actions": jnp.asarray(actions)}
    full = state.replay.replace(rows=rows, added=jnp.int32(len(kept)))
    return state.replace(replay=full, episodes=jnp.int32(episodes))


def assert_shares(wholes, expected):
    """[N, L] are drawn as expected [24].

    Within 6 standard deviations of each count and 6 more: by Bernstein's inequality one of 24 is
    farther off in less than one of 30,000 runs, where the standard deviations are at least 1.
    """
    counts = Counter(map(tuple, (wholes - 1).tolist()))
    found = np.array([counts[whole] for whole in TREE.whole])
    assert found.sum() == len(wholes) and 1 / 24 < expected.max() < 0.6
    deviation = np.sqrt(len(wholes) * expected * (1 - expected))
    assert deviation.min() > 1
    assert (np.abs(found - len(wholes) * expected) < 6 * deviation + 6).all()


@pytest.mark.long
def test_the_policy_is_the_softmax_of_q_and_each_epsilon_times_its_potential():
    settings = BIASED | {"attempts": 1}
    state = started(settings)
    expected = probabilities(preferences(state, "policy"), 0.8)
    prefixes, _ = drawn(settings, state)
    for model in (0, 1):
        assert_shares(prefixes[:, model, -1], expected)
    # Without more attempts the models of a round are drawn each for itself.
    same = (prefixes[:, 0, -1] == prefixes[:, 1, -1]).all(1).mean()
    chance = (expected**2).sum()
    assert abs(same - chance) < 6 * math.sqrt(chance * (1 - chance) / DRAWS)
    # What shapes it matters: without the potentials these would not be the shares.
    plain = probabilities(preferences(state, "value"), 0.8)
    assert np.abs(plain - expected).max() > 0.05


@pytest.mark.parametrize(("episodes", "temperature"), [(0, 0.5), (20, 2.0), (40, 8.0), (60, 8.0)])
def test_with_value_shaping_the_policy_is_that_of_q_at_the_temperature_of_the_day(
    episodes, temperature
):
    # All has been built before; with one attempt that changes nothing.
    state = started(PLAIN, TREE.whole, episodes)
    expected = probabilities(preferences(state, "value"), temperature)
    prefixes, _ = drawn(PLAIN, state)
    assert_shares(prefixes[:, 0, -1], expected)


def with_attempts(preferred, old, temperature, attempts):
    """[24]: the first attempt that is new, each at twice the temperature; else the last."""
    expected, missed = np.zeros(24), 1.0
    for attempt in range(attempts):
        chances = probabilities(preferred, temperature * 2**attempt)
        is_last = attempt == attempts - 1
        expected += missed * np.where(old & (not is_last), 0, chances)
        missed *= chances[old].sum()
    return expected


def test_what_was_built_before_is_built_again_at_twice_the_temperature():
    state = started(BIASED)
    preferred = preferences(state, "policy")
    chances = probabilities(preferred, 0.8)
    # The eight likeliest are old, and (0, 2, 3), which an empty row looks like, is not.
    order = [i for i in np.argsort(-chances) if i != 0][:8]
    old = np.isin(np.arange(24), order)
    state = started(BIASED, [TREE.whole[i] for i in order])
    expected = with_attempts(preferred, old, 0.8, attempts=3)
    prefixes, _ = drawn(BIASED, state)
    assert_shares(prefixes[:, 0, -1], expected)
    assert expected[old].sum() < chances[old].sum() / 2


def test_an_old_architecture_is_never_asked_for_while_an_attempt_is_new():
    # With all but one old, that one comes whenever an attempt finds it; with all old any may.
    state = started(BIASED, TREE.whole[1:])
    preferred = preferences(state, "policy")
    old = np.arange(24) > 0
    prefixes, _ = drawn(BIASED, state)
    assert_shares(prefixes[:, 0, -1], with_attempts(preferred, old, 0.8, attempts=3))
    prefixes, _ = drawn(BIASED, started(BIASED, TREE.whole))
    assert_shares(prefixes[:, 0, -1], probabilities(preferred, 0.8 * 4))


def test_what_a_model_before_it_in_the_round_is_counts_as_old():
    state = started(BIASED)
    preferred = preferences(state, "policy")
    first = probabilities(preferred, 0.8)
    second = [with_attempts(preferred, old, 0.8, attempts=3) for old in np.eye(24, dtype=bool)]
    prefixes, _ = drawn(BIASED, state)
    assert_shares(prefixes[:, 0, -1], first)
    assert_shares(prefixes[:, 1, -1], first @ np.stack(second))
    same = (prefixes[:, 0, -1] == prefixes[:, 1, -1]).all(1).mean()
    chance = (first * np.diagonal(second)).sum()
    assert chance < 0.1 * (first**2).sum()
    assert abs(same - chance) < 6 * math.sqrt(chance * (1 - chance) / DRAWS)


def test_a_round_builds_its_models_slot_by_slot():
    prefixes, proposal = drawn(BIASED, started(BIASED))
    for whole, row in zip(prefixes[0, :, -1] - 1, prefixes[0], strict=True):
        assert [prefix_of(prefix[:, None]) for prefix in row] == [
            tuple(whole[:length]) for length in (1, 2, 3)
        ]
        assert bool(UNEQUAL.is_valid(jnp.asarray(whole[:, None] + 1)))
    assert proposal.architecture.shape == (6, 3, 1)
    assert proposal.purpose.tolist() == [GROW] * 6
    assert_array_equal(proposal.baseline, np.zeros((6, 1)))


@pytest.mark.parametrize("credit", ["value", "gain", "final"])
def test_prefixes_are_asked_for_where_layers_are_credited(credit):
    controller, _ = make(**BIASED | {"credit": credit})
    mask = jax.jit(lambda key, state: controller.round[0].propose(key, state)[0].mask)
    found = mask(jax.random.key(0), begin(controller, EPSILON))
    assert found.tolist() == [credit != "final", credit != "final", True] * 2
    assert [(phase.name, phase.rows, phase.repeats) for phase in controller.round] == [
        ("grow", 6, 1),
        ("validate", 1, 1),
    ]


@pytest.mark.long
@pytest.mark.parametrize(("settings", "due"), [(BIASED, {4, 8, 12}), (PLAIN, {1, 2, 3, 6, 12})])
def test_validation_is_greedy_without_noise_and_due_every_few_rounds(settings, due):
    controller, run = make(**settings)
    answers = {
        TREE.greedy(preferences(started(settings), shaping)) for shaping in ("policy", "value")
    }
    assert len(answers) == 2
    for episodes in (2, 4, 6, 8, 12) if settings is BIASED else (1, 2, 3, 6, 12):
        state = started(settings, TREE.whole, episodes)
        proposal, after = run["propose_validation"](jax.random.key(episodes), state)
        best = TREE.greedy(preferences(state, settings["shaping"]))
        assert prefix_of(proposal.architecture[0]) == best
        assert proposal.mask.tolist() == [episodes in due]
        assert proposal.purpose.tolist() == [VALIDATE]
        jax.tree.map(assert_array_equal, after, state)
    validate = controller.round[1].update
    after, _ = validate(jax.random.key(0), state, proposal, None, None)
    jax.tree.map(assert_array_equal, after, state)


def go_on(run, state, accuracy, whole=(0, 2, 3)):
    """One round that reaches this accuracy, and more with the prefixes, which do not count."""
    proposal = proposal_of([whole], "final")
    outcome = outcome_of(proposal, measure())._replace(accuracy=jnp.array([0.95, 0.95, accuracy]))
    state = state.replace(actions=jnp.array([whole]) - jnp.asarray(OFFSETS)[None])
    return run["update"](jax.random.key(7), state, proposal, outcome, jnp.zeros(3))[0]


ENDING = PLAIN | {"patience": 2, "tau": 0.1}


def test_the_search_ends_when_in_so_many_rounds_the_best_grew_by_less_than_tau():
    controller, run = make(**ENDING)
    state = begin(controller, EPSILON)
    # 0.2 is new, 0.35 is 0.15 more; 0.4 is not 0.1 more than 0.35; 0.5 is: one round without.
    for accuracy, stale in ((0.2, 0), (0.35, 0), (0.4, 1), (0.5, 0), (0.3, 1)):
        state = go_on(run, state, accuracy)
        assert int(state.stale) == stale and not bool(controller.finished(state))
    state = go_on(run, state, 0.55)
    assert bool(controller.finished(state))
    assert int(controller.num_updates(state)) == 6


def test_a_finished_controller_answers_once_and_no_longer_changes():
    controller, run = make(**ENDING | {"validate_every": 3})
    state = begin(controller, EPSILON)
    for _ in range(3):
        state = go_on(run, state, 0.3)
    assert bool(controller.finished(state))
    after = go_on(run, state, 0.9)
    jax.tree.map(assert_array_equal, after, state.replace(actions=after.actions))
    assert not run["propose"](jax.random.key(0), state)[0].mask.any()
    running = state.replace(stale=jnp.int32(1))
    assert run["propose"](jax.random.key(0), running)[0].mask.any()
    # It ended after a round in which no validation was due.
    between = state.replace(episodes=jnp.int32(4))
    for stale, asks in ((1, False), (2, True)):
        now = between.replace(stale=jnp.int32(stale))
        last, _ = run["propose_validation"](jax.random.key(0), now)
        assert last.mask.tolist() == [asks]
    validate = controller.round[1].update
    answered, _ = validate(jax.random.key(0), between, last, None, None)
    assert not run["propose_validation"](jax.random.key(0), answered)[0].mask.any()
    jax.tree.map(assert_array_equal, answered, between.replace(has_answered=jnp.bool_(True)))


def test_without_patience_nothing_ends():
    controller, _ = make(**PLAIN)
    assert not bool(controller.finished(begin(controller, EPSILON).replace(stale=jnp.int32(999))))


def test_before_it_has_learned_all_actions_are_worth_the_same():
    controller, run = make(**PLAIN | {"initial_value": 0.25})
    state = run["init"](jax.random.key(3))
    assert_allclose(state.learner.epsilon, EPSILON)
    rows = np.stack([*features().values()])
    assert_allclose(value(params_of(state.learner.q), rows), np.full(len(rows), 0.25))
    nets = [params_of(state.learner.q), *(params_of(state.learner.phi, i) for i in (0, 1))]
    for params in nets[1:]:
        assert_allclose(value(params, rows), np.zeros(len(rows)))
    # Each net has its own beginning.
    begun = [params["hidden_1"]["kernel"] for params in nets]
    assert all(np.abs(a - b).max() > 0.1 for a, b in ((begun[0], begun[1]), begun[1:]))
    assert set(controller.params(state)) == {"q", "potentials"} and controller.learns
    # One epsilon stands for all; there may be no secondary.
    alike = make(**PLAIN | {"epsilon": (0.3,)})[0]
    assert (
        jax.jit(lambda key: alike.init(key).learner.epsilon)(jax.random.key(0)).tolist()
        == [np.float32(0.3)] * 2
    )
    none = make(**PLAIN | {"epsilon": (0.3,), "secondaries": ()})[0]
    assert jax.eval_shape(none.init, jax.random.key(0)).learner.epsilon.shape == (0,)


def test_nets_read_the_features_of_the_closed_prefix_and_its_length(monkeypatch):
    listed = networks.make_encoder(UNEQUAL)
    monkeypatch.setattr(networks, "_LISTED", 0)
    computed = networks.make_encoder(UNEQUAL)
    for length in (1, 2, 3):
        prefixes = [prefix for prefix in TREE.prefixes if len(prefix) == length]
        filled = np.zeros((len(prefixes), 3), np.int32)
        filled[:, :length] = np.array(prefixes) + 1
        expected = np.stack([features()[prefix] for prefix in prefixes])
        for encode in (listed, computed):
            found = jax.jit(encode)(jnp.asarray(filled), jnp.int32(length))
            assert_allclose(found, expected, atol=1e-5)
