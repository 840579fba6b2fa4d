"""The intermediate model representation, in worked numbers."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from nasjax.controllers.trl_hpo import imr
from nasjax.controllers.trl_hpo.imr import Imr

encode_layer, encode_model = jax.jit(imr.encode_layer), jax.jit(imr.encode_model)
write_layer = jax.jit(imr.write_layer)
init_imr = jax.jit(imr.init_imr, static_argnums=(1, 2, 3))

# A = 2, P = 3, E = 2
IMR = Imr(
    w_action=jnp.array([[0.5, -1.0], [0.25, 0.5]]),
    w_performance=jnp.array([[0.5, 0.0], [0.0, -1.0], [0.5, 0.5]]),
)
ACTIONS = np.array([[0.5, 1.0], [1.0, 0.0], [0.0, 0.5]], np.float32)
PERFORMANCE = np.array([[0.0, 0.5, 0.0], [0.5, 0.0, 0.5], [1.0, 0.5, 0.25]], np.float32)
# Sums of action and performance, a line per layer:
#   .5 * .5 + 1 * .25 + 0 = .5              .5 * -1 + 1 * .5 + .5 * -1 = -.5
#   1 * .5 + .5 * .5 + .5 * .5 = 1          1 * -1 + .5 * .5 = -.75
#   .5 * .25 + 1 * .5 + .25 * .5 = .75      .5 * .5 + .5 * -1 + .25 * .5 = -.125
# tanh(.125) = .124353, tanh(.5) = .462117, tanh(.75) = .635149, tanh(1) = .761594
LAYERS = np.array([[0.462117, -0.462117], [0.761594, -0.635149], [0.635149, -0.124353]])


def test_a_layer_is_the_tanh_of_its_action_and_performance() -> None:
    assert_allclose(encode_layer(IMR, ACTIONS, PERFORMANCE), LAYERS, atol=1e-6)


def test_layers_not_built_are_rows_of_minus_one() -> None:
    for length in range(4):
        expected = LAYERS.copy()
        expected[length:] = -1
        state = encode_model(IMR, ACTIONS, PERFORMANCE, jnp.int32(length))
        assert_allclose(state, expected, atol=1e-6)


def test_what_lies_behind_the_last_layer_does_not_matter() -> None:
    state = encode_model(IMR, ACTIONS, PERFORMANCE, jnp.int32(1))
    behind = np.array([[0], [9], [9]], np.float32)
    changed = encode_model(IMR, ACTIONS + behind, PERFORMANCE + behind, jnp.int32(1))
    assert_array_equal(state, changed)


def test_writing_a_layer_equals_encoding_the_longer_model() -> None:
    for length in range(3):
        state = encode_model(IMR, ACTIONS, PERFORMANCE, jnp.int32(length))
        action, performance = ACTIONS[length], PERFORMANCE[length]
        written = write_layer(IMR, state, jnp.int32(length), action, performance)
        longer = encode_model(IMR, ACTIONS, PERFORMANCE, jnp.int32(length + 1))
        assert_allclose(written, longer, atol=1e-6)


def test_the_gradient_of_a_written_state_reaches_the_action_through_its_row_only() -> None:
    state = encode_model(IMR, ACTIONS, PERFORMANCE, jnp.int32(1))

    def written(state: jax.Array, action: jax.Array) -> jax.Array:
        return write_layer(IMR, state, jnp.int32(1), action, PERFORMANCE[1])

    by_state, by_action = jax.jit(jax.jacobian(written, argnums=(0, 1)))(state, ACTIONS[1])
    # d tanh(z_e) / d a_i = (1 - tanh(z_e)^2) W_a[i, e]; the squares are .580026 and .403414
    expected = np.zeros((3, 2, 2))
    expected[1] = [[0.419974 * 0.5, 0.419974 * 0.25], [0.596586 * -1.0, 0.596586 * 0.5]]
    assert_allclose(by_action, expected, atol=1e-5)
    # the other rows are handed on as they are, the overwritten one counts no more
    kept = np.diag([1.0, 1, 0, 0, 1, 1]).reshape(3, 2, 3, 2)
    assert_array_equal(by_state, kept)


def test_weights_are_uniform_up_to_one_over_the_root_of_the_fan_in() -> None:
    drawn = init_imr(jax.random.key(0), 4, 32, 64)
    assert drawn.w_action.shape == (4, 64) and drawn.w_performance.shape == (32, 64)
    for weights, bound in ((drawn.w_action, 0.5), (drawn.w_performance, 32**-0.5)):
        values = np.asarray(weights).ravel() / bound
        assert np.abs(values).max() <= 1
        # Of n values none lies in the 5 % at one end with probability 0.95^n, at most
        # 0.95^256 = 2e-6; the mean has standard error (3 n)^-0.5 and passes five in 6e-7.
        assert values.max() > 0.9 and values.min() < -0.9
        assert abs(values.mean()) < 5 * (3 * values.size) ** -0.5


def test_the_weights_are_a_function_of_the_key_and_differ_between_the_two_inputs() -> None:
    first, again, other = (init_imr(jax.random.key(seed), 4, 4, 8) for seed in (0, 0, 1))
    jax.tree.map(assert_array_equal, first, again)
    assert (np.asarray(first.w_action) != np.asarray(other.w_action)).all()
    assert (np.asarray(first.w_action) != np.asarray(first.w_performance)).all()
