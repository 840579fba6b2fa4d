"""When a growing model stops, and what an episode keeps of it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nasjax.controllers.trl_hpo import growth
from nasjax.controllers.trl_hpo.growth import Growth
from nasjax.controllers.trl_hpo.imr import Imr
from nasjax.rewards.accuracy import ProgressiveConfig, make_accuracy_gain
from nasjax.spaces.layer_chain import LayerChain
from nasjax.types import DIVERGED, GROW, INVALID, OK, OVER_MEMORY, VALIDATE, Outcome

SPACE: Any = LayerChain((28, 28, 1), 10)
ROWS, BATCHES = 4, 32
OBSERVE = jax.jit(growth.observe, static_argnames=("min_gain", "min_accuracy"))
PUT = jax.jit(lambda state, action: growth.put_layer(state, action, SPACE))
PROPOSE = jax.jit(growth.propose, static_argnums=2)
REWARD = jax.jit(make_accuracy_gain(ProgressiveConfig()))
PUBLISHED = dict(min_gain=0.001, min_accuracy=0.6)
NEVER = dict(min_gain=None, min_accuracy=None)


def spread(correct: int) -> np.ndarray:
    """[32] accuracies of batches of 16 with so many right in all."""
    counts = np.full(BATCHES, correct // BATCHES)
    counts[: correct % BATCHES] += 1
    return (counts / 16).astype(np.float32)


def grown(correct: int, step: int, batches: int = BATCHES) -> Growth:
    """Models of `step` layers, the last of which got so many of 512 images right."""
    performance = np.zeros((ROWS, 6, batches), np.float32)
    if step:
        performance[:, step - 1] = spread(correct)
    return Growth(
        actions=jnp.zeros((ROWS, 6, 4)),
        performance=jnp.asarray(performance),
        architecture=jnp.zeros((ROWS, 6, 4), jnp.int32),
        noise=jnp.zeros((ROWS, 4)),
        growing=jnp.ones(ROWS, bool),
        score=jnp.full(ROWS, 0.5),
        step=jnp.int32(step),
    )


def outcome(accuracies: np.ndarray, status: tuple[int, ...] = (OK,) * ROWS) -> Outcome:
    """Its `accuracy`, of the whole split, is another than that of the validation batches."""
    return Outcome(
        accuracies=jnp.asarray(accuracies, jnp.float32),
        accuracy=jnp.array([0.71, 0.72, 0.73, 0.74]),
        costs=jnp.zeros((ROWS, 0)),
        status=jnp.array(status),
    )


def observe(state: Growth, seen: Outcome, **minimums: float | None) -> Growth:
    reward = REWARD(PROPOSE(state, np.ones(ROWS, bool), GROW), seen)
    return OBSERVE(state, seen, reward, **minimums)


def test_on_512_images_a_model_stops_when_no_image_is_gained() -> None:
    # one image is a gain of 1 / 512 = 0.00195, none is 0 < 0.001
    seen = np.stack([spread(n) for n in (399, 400, 401, 402)])
    after = observe(grown(400, 2), outcome(seen), **PUBLISHED)
    assert_array_equal(after.growing, [False, False, True, True])
    # an image won in one batch and one lost in another are none gained
    moved = np.stack([spread(400)] * ROWS)
    moved[1:, 0] += 1 / 16
    moved[1, 1] -= 1 / 16
    after = observe(grown(400, 2), outcome(moved), **PUBLISHED)
    assert_array_equal(after.growing, [False, False, True, True])


def test_a_gain_of_exactly_the_minimum_goes_on() -> None:
    least = np.float32(0.001)
    below, above = np.nextafter(least, np.float32(0)), np.nextafter(least, np.float32(1))
    seen = outcome(np.stack([spread(500)] * ROWS))
    after = OBSERVE(grown(400, 2), seen, np.array([below, least, above, 0]), **PUBLISHED)
    assert_array_equal(after.growing, [False, True, True, False])


def test_a_model_under_sixty_percent_stops() -> None:
    # 307 / 512 = 0.5996, 308 / 512 = 0.6016
    seen = np.stack([spread(n) for n in (306, 307, 308, 309)])
    assert_array_equal(
        observe(grown(0, 0), outcome(seen), **PUBLISHED).growing, [False, False, True, True]
    )


def test_a_model_at_exactly_sixty_percent_goes_on() -> None:
    # five batches of 16: 48 right of 80 are 0.6, 47 are 0.5875; 3 / 5 is the float32 next to 0.6
    counts = np.array([[8, 9, 10, 10, 11], [8, 9, 10, 10, 10], [16, 16, 16, 0, 0], [9] * 5])
    after = observe(grown(0, 0, batches=5), outcome(counts / 16), **PUBLISHED)
    assert_array_equal(after.growing, [True, False, True, False])


def test_the_accuracy_that_counts_is_that_of_the_validation_batches() -> None:
    # `accuracy`, of the whole split, is 0.71 or more
    after = observe(grown(0, 0), outcome(np.stack([spread(300)] * ROWS)), **PUBLISHED)
    assert not after.growing.any()


@pytest.mark.parametrize(("step", "goes_on"), [(0, True), (4, True), (5, False)])
def test_a_model_stops_when_it_has_six_layers(step: int, goes_on: bool) -> None:
    for stops in (PUBLISHED, NEVER):
        after = observe(grown(400, step), outcome(np.stack([spread(450)] * ROWS)), **stops)
        assert_array_equal(after.growing, [goes_on] * ROWS)


def test_without_minimums_only_invalid_layers_and_the_length_stop() -> None:
    seen = np.stack([spread(n) for n in (0, 399, 400, 0)])
    after = observe(grown(400, 2), outcome(seen, (OK, OK, OK, INVALID)), **NEVER)
    assert_array_equal(after.growing, [True, True, True, False])


def test_the_two_minimums_are_settings_of_their_own() -> None:
    # 100 of 512 images: under 60 %, and a loss; 450: over 60 %, and a gain
    seen = outcome(np.stack([spread(n) for n in (100, 400, 450, 250)]))
    lenient = observe(grown(200, 2), seen, min_gain=0.001, min_accuracy=None)
    assert_array_equal(lenient.growing, [False, True, True, True])
    lossy = observe(grown(450, 2), seen, min_gain=None, min_accuracy=0.6)
    assert_array_equal(lossy.growing, [False, True, True, False])


@pytest.mark.parametrize("status", [INVALID, DIVERGED, OVER_MEMORY])
def test_a_layer_that_failed_stops_and_is_written_with_the_previous_performance(
    status: int,
) -> None:
    seen = np.stack([spread(450)] * ROWS)
    seen[0] = 0  # rows that are not OK hold zeros
    for step, previous in ((2, spread(400)), (0, np.zeros(BATCHES))):
        after = observe(grown(400, step), outcome(seen, (status, OK, OK, OK)), **PUBLISHED)
        assert_array_equal(after.growing, [False, True, True, True])
        assert_allclose(after.performance[0, step], previous)
        assert_allclose(after.performance[1, step], spread(450))
        assert_allclose(after.score, [0.5, 0.72, 0.73, 0.74])
        assert after.step == step


def test_a_stopped_model_never_grows_or_scores_again() -> None:
    state = grown(400, 2).replace(growing=np.array([False, True, False, True]))
    after = observe(state, outcome(np.stack([spread(450)] * ROWS)), **NEVER)
    assert_array_equal(after.growing, [False, True, False, True])
    assert_allclose(after.score, [0.5, 0.72, 0.5, 0.74])


def test_the_score_is_the_accuracy_of_the_latest_prefix_that_did_not_lower_it() -> None:
    # lost an image, kept all, won one, lost one; the second stops, and its score counts
    seen = np.stack([spread(n) for n in (399, 400, 401, 399)])
    after = observe(grown(400, 2), outcome(seen), **PUBLISHED)
    assert_allclose(after.score, [0.5, 0.72, 0.73, 0.5])


def test_what_failed_does_not_score_even_where_failing_costs_nothing() -> None:
    seen = outcome(np.zeros((ROWS, BATCHES)), (INVALID, OK, DIVERGED, OVER_MEMORY))
    after = OBSERVE(grown(400, 2), seen, np.zeros(ROWS, np.float32), **NEVER)
    assert_allclose(after.score, [0.5, 0.72, 0.5, 0.5])


def test_an_episode_starts_with_nothing() -> None:
    state = growth.start(ROWS, SPACE, BATCHES)
    assert state.actions.shape == (4, 6, 4) and state.performance.shape == (4, 6, 32)
    assert state.architecture.shape == (4, 6, 4) and state.architecture.dtype == jnp.int32
    assert state.growing.all() and state.step == 0
    rest = (state.actions, state.performance, state.architecture, state.noise, state.score)
    assert not any(leaf.any() for leaf in rest)


def test_the_baseline_is_the_previous_performance_or_zeros() -> None:
    state = grown(400, 2)
    # what lies before and behind the last layer is not asked for
    performance = np.array(state.performance)
    performance[:, [0, 2]] = 0.9
    state = state.replace(performance=performance)
    assert_allclose(growth.baseline(state), np.stack([spread(400)] * ROWS))
    assert not growth.baseline(state.replace(step=np.int32(0))).any()


def test_a_layer_is_written_where_the_episode_stands_and_nowhere_else() -> None:
    conv, fc = np.zeros(4, np.float32), np.array([0.5, 0, 0.9, 0.2], np.float32)
    state = PUT(grown(0, 0), np.stack([conv] * ROWS))
    state = PUT(state.replace(step=np.int32(1)), np.stack([conv, fc, fc, conv]))
    # conv: the first values of Table I; fc: 16 neurons, no bias, floor(0.2 * 7) = 1, relu
    built = [[1, 8, 3, 1], [2, 16, 0, 1]]
    assert_array_equal(state.architecture[1], built + [[0] * 4] * 4)
    assert_array_equal(state.architecture[0], [built[0]] * 2 + [[0] * 4] * 4)
    assert_array_equal(state.actions[2], np.stack([conv, fc, *[np.zeros(4)] * 4]))


def test_stopped_and_unwanted_models_are_masked() -> None:
    state = grown(400, 1).replace(growing=np.array([True, True, False, False]))
    proposal = PROPOSE(state, np.array([True, False, True, False]), VALIDATE)
    assert_array_equal(proposal.mask, [True, False, False, False])
    assert_array_equal(proposal.purpose, [VALIDATE] * ROWS)
    assert_allclose(proposal.baseline, np.stack([spread(400)] * ROWS))


def test_the_nets_see_a_row_per_layer_built() -> None:
    # with these weights a row is tanh(first action) and tanh(mean performance)
    imr = Imr(jnp.array([[1.0, 0.0]] + [[0.0, 0.0]] * 3), jnp.array([[0, 1 / 32]] * BATCHES))
    state = grown(400, 1).replace(actions=np.full((ROWS, 6, 4), 0.5, np.float32))
    seen = jax.jit(growth.states)(imr, state)
    # tanh(0.5) = 0.462117; tanh(400 / 512) = tanh(0.78125) = 0.653424
    assert_allclose(seen[:, 0], [[0.462117, 0.653424]] * ROWS, atol=1e-6)
    assert_array_equal(seen[:, 1:], np.full((ROWS, 5, 2), -1))
