"""What the validation round tells of the choices that shaping changes."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from nasjax.controllers.autocomet import controller, diagnostics
from nasjax.controllers.autocomet.config import AutocometConfig
from nasjax.spaces.nas_bench_201 import NasBench201
from nasjax.types import Costs, Request

SPACE = NasBench201()


def test_a_choice_is_changed_where_the_potentials_tip_it():
    # Slot 0: Q alone prefers 0 (0.5); epsilon Phi = 2 * (0, 0.1, 0.3) makes (0.5, 0.6, 0.7): 2.
    # Slot 1: Q (0, 1) and epsilon Phi (0.5, 0): still 1. Its third choice is none.
    q = jnp.array([[0.5, 0.4, 0.1], [0.0, 1.0, 9.0]])
    phi = jnp.array([[[0.0, 0.1, 0.3], [0.25, 0.0, 9.0]]])
    is_choice = jnp.array([[True, True, True], [True, True, False]])
    found = diagnostics.compare_choices(q, phi, jnp.array([2.0]), is_choice)
    np.testing.assert_array_equal(found["changed"], [True, False])
    assert_allclose(found["potential_spread"], [0.6, 0.5], rtol=1e-6)
    assert_allclose(found["q_spread"], [0.4, 1.0], rtol=1e-6)
    told = diagnostics.metrics_by_slot(found, ("a", "b"), jnp.bool_(True))
    assert float(told["changed/a"]) == 1 and float(told["changed/b"]) == 0
    assert np.isnan(
        list(diagnostics.metrics_by_slot(found, ("a", "b"), jnp.bool_(False)).values())
    ).all()


@pytest.fixture(autouse=True)
def quick_features(monkeypatch):
    """The choices themselves: those of the space take seconds to compile."""

    def encode(prefixes, length):
        return jax.nn.one_hot(prefixes, 6).reshape(len(prefixes), -1)

    monkeypatch.setattr(controller, "make_encoder", lambda space: encode)


def make(**settings):
    costs = Costs(("latency_ms",), (2.0,))
    config = AutocometConfig(width=4, target=1.0, epsilon=(2.0,), **settings)
    request = Request(SPACE, 1, rounds=4, max_queries=4, costs=costs)
    return controller.make_autocomet(config, request)


def drawn_state(made):
    """A controller's state, random but for epsilon and the counts."""
    rng = np.random.default_rng(0)

    def draw(x):
        floats = jnp.issubdtype(x.dtype, jnp.floating)
        return rng.normal(size=x.shape).astype(x.dtype) if floats else np.zeros(x.shape, x.dtype)

    state = jax.tree.map(draw, jax.eval_shape(made.init, jax.random.key(0)))
    epsilon = np.full_like(state.learner.epsilon, 2)
    return state.replace(learner=state.learner.replace(epsilon=epsilon))


def validation(made, state):
    """The architecture that it builds greedily, and its metrics."""
    phase = made.round[1]
    proposal, state = phase.propose(jax.random.key(1), state)
    metrics = phase.update(jax.random.key(2), state, proposal, None, None)[1]
    return proposal.architecture[0, :, 0], metrics


def test_the_controller_compares_on_the_prefixes_that_it_built():
    made = make()
    state = drawn_state(made)
    learner = state.learner
    built, metrics = jax.device_get(jax.jit(functools.partial(validation, made))(state))
    net = made.round[1].update.__self__
    rows = np.where(np.arange(6) < np.arange(6)[:, None], built, 0)  # [slot, prefix]
    rows = np.tile(rows[:, None], (1, 5, 1)).astype(np.int32)
    rows[np.arange(6), :, np.arange(6)] = np.arange(1, 6)
    encode = jax.vmap(lambda rows, length: net.rule.values(learner, net.encode(rows, length)))
    q, phi = jax.device_get(jax.jit(encode)(rows, np.arange(1, 7)))
    phi = phi[:, 0]
    shaped = q + 2 * phi
    np.testing.assert_array_equal(shaped.argmax(1) + 1, built)  # the greedy choices themselves
    expected = {
        "changed": shaped.argmax(1) != q.argmax(1),
        "potential_spread": 2 * np.ptp(phi, axis=1),
        "q_spread": np.ptp(q, axis=1),
    }
    assert 0 < expected["changed"].sum() < 6 and len(metrics) == 3 * 6
    for kind, values in expected.items():
        told = [metrics[f"{kind}/{slot}"] for slot in SPACE.slot_names]
        assert_allclose(told, values, rtol=1e-4)


@pytest.mark.parametrize("settings", [{"shaping": "value"}, {"secondaries": ()}])
def test_where_the_policy_is_not_biased_there_is_nothing_to_compare(settings):
    made = make(**settings)
    traced = jax.eval_shape(functools.partial(validation, made), drawn_state(made))
    assert traced[1] == {}
