"""The equations of co-regulated shaping, one by one, in worked numbers."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from nasjax.controllers.autocomet import shaping


def test_q_is_drawn_to_the_reward_and_the_discounted_best_of_the_next_layer():
    # line 15: 0.2 + 0.9 * 0.5 = 0.65
    assert_allclose(shaping.q_target(0.2, 0.9, 0.5, 0.0), 0.65)
    # equation 2: + 0.5 * -0.3 = -0.15 -> 0.5
    assert_allclose(shaping.q_target(0.2, 0.9, 0.5, 0.5 * -0.3), 0.5)


def test_a_potential_is_drawn_to_the_secondary_and_the_potential_of_the_action_taken():
    # -1.5 + 0.9 * -2 = -3.3
    assert_allclose(shaping.potential_target(-1.5, 0.9, -2.0), -3.3)


def test_actions_are_preferred_by_q_and_each_potential_times_its_own_epsilon():
    # 1 + 0.5 * 2 + 2 * -0.1 = 1.8;  0 + 0.5 * -4 + 2 * 3 = 4
    q, phi = jnp.array([1.0, 0.0]), jnp.array([[2.0, -4.0], [-0.1, 3.0]])
    assert_allclose(shaping.preferences(q, phi, jnp.array([0.5, 2.0])), [1.8, 4.0], rtol=1e-6)
    assert_allclose(shaping.preferences(q, phi[:0], jnp.zeros(0)), q)


def test_equation_3_multiplies_what_is_above_the_threshold_and_ends_what_is_not():
    # 1 e^0.2 = 1.22140; 0.1 and 0.05 are not above 0.1; 0.101 e^0.2 = 0.12336
    epsilon = jnp.array([1.0, 0.1, 0.05, 0.101])
    found = shaping.equation_3(epsilon, jnp.float32(0.2), 0.1)
    assert_allclose(found, [1.22140, 0, 0, 0.12336], atol=1e-5)
    # It is the old one that is compared: 0.2 e^-1 = 0.0736 is kept once, and ends next time.
    once = shaping.equation_3(jnp.array([0.2]), jnp.float32(-1), 0.1)
    assert_allclose(once, [0.07358], atol=1e-5)
    assert shaping.equation_3(once, jnp.float32(9), 0.1).tolist() == [0]


def test_equation_3_telescopes_over_an_unbroken_chain():
    # 0.5 e^(0.2 - 0.3 + 0.25) = 0.5 e^(0.45 - 0.3), wherever the accuracy went in between.
    accuracy = [0.3, 0.5, 0.2, 0.45]
    epsilon = jnp.array([0.5])
    for gain in np.diff(accuracy):
        epsilon = shaping.equation_3(epsilon, jnp.float32(gain), 0.01)
    assert_allclose(epsilon, [0.5 * np.exp(0.45 - 0.3)], rtol=1e-6)


def test_equation_3_explodes_if_every_episode_begins_at_nothing():
    epsilon = jnp.array([1.0])
    for _ in range(10):
        epsilon = shaping.equation_3(epsilon, jnp.float32(0.9 - 0), 0.01)
    assert_allclose(epsilon, [8103.08], rtol=1e-5)  # e^9


def test_pies_goes_down_in_constant_steps_and_reaches_zero():
    start = jnp.array([1.0, 0.4])
    epsilon, seen = start, []
    for _ in range(6):
        epsilon = shaping.pies(epsilon, start, 5, 0.01)
        seen.append(epsilon)
    expected = [[0.8, 0.32], [0.6, 0.24], [0.4, 0.16], [0.2, 0.08], [0, 0], [0, 0]]
    assert_allclose(np.stack(seen), expected, atol=1e-6)
    # 0.3 is not above a threshold of 0.35; below it there is no way back.
    assert shaping.pies(jnp.array([0.5]), jnp.array([1.0]), 5, 0.35).tolist() == [0]
    assert shaping.pies(jnp.zeros(1), jnp.ones(1), 5, 0.0).tolist() == [0]


def test_regulated_decays_by_itself_and_more_slowly_while_the_primary_grows():
    epsilon = jnp.array([2.0])
    for _ in range(10):
        epsilon = shaping.regulated(epsilon, jnp.float32(0), 10, 0.001)
    assert_allclose(epsilon, [2 * np.exp(-5)], rtol=1e-5)
    # 1 e^(0.3 - 5 / 10) = 0.81873
    assert_allclose(shaping.regulated(jnp.ones(1), jnp.float32(0.3), 10, 0.1), [0.81873], atol=1e-5)
    assert shaping.regulated(jnp.array([0.1]), jnp.float32(0.3), 10, 0.1).tolist() == [0]


def test_dual_goes_up_by_what_breaks_the_target_and_is_level_at_the_share_allowed():
    # e^(0.1 (1 - 0.25)) = 1.07788, e^(-0.1 * 0.25) = 0.97531
    broken = jnp.array([1.0, 0.0])
    assert_allclose(
        shaping.dual(jnp.array([1.0, 2.0]), broken, 0.25), [1.07788, 1.95062], rtol=1e-5
    )
    # One of four breaks it: as before.
    epsilon = jnp.ones(1)
    for is_broken in (0, 1, 0, 0):
        epsilon = shaping.dual(epsilon, jnp.full(1, float(is_broken)), 0.25)
    assert_allclose(epsilon, [1], rtol=1e-6)


@pytest.mark.parametrize(
    ("credit", "first", "second"),
    [
        ("value", [0.3, 0.7, 0.6], [-1, -1, -3]),
        ("gain", [0.3, 0.4, -0.1], [-1, 0, -2]),
        ("final", [0, 0, 0.6], [0, 0, -3]),
    ],
)
def test_a_layer_earns_its_prefix_what_it_adds_or_only_the_whole(credit, first, second):
    values = jnp.array([[0.3, 0.7, 0.6], [-1, -1, -3]])
    assert_allclose(shaping.credited(values, credit), [first, second], atol=1e-6)
    assert_allclose(shaping.credited(values[0], credit), first, atol=1e-6)


def test_a_rank_is_the_share_that_is_beaten_and_half_of_the_equals():
    among, there = jnp.array([0.1, 0.5, 0.5, 0.9]), jnp.ones(4, bool)
    # 0.5 beats one of four and equals two: (1 + 2 / 2) / 4; 0.6 beats three
    found = shaping.ranked(jnp.array([0.05, 0.1, 0.5, 0.6, 0.9, 1.0]), among, there)
    assert_allclose(found, [0, 0.125, 0.5, 0.75, 0.875, 1])
    assert_allclose(shaping.ranked(jnp.array([0.3]), among, jnp.zeros(4, bool)), [0])


def test_ranks_among_what_is_there_equal_plain_numpy():
    rng = np.random.default_rng(0)
    among = np.round(rng.uniform(size=50), 1).astype(np.float32)  # many ties
    there = rng.random(50) < 0.6
    values = np.round(rng.uniform(size=(4, 5)), 1).astype(np.float32)
    kept = among[there]
    expected = [
        [((kept < v).sum() + 0.5 * (kept == v).sum()) / len(kept) for v in r] for r in values
    ]
    found = shaping.ranked(jnp.asarray(values), jnp.asarray(among), jnp.asarray(there))
    assert_allclose(found, expected, rtol=1e-6)
