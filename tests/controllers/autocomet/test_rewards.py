"""The reward vector: which component is where, and what cannot be one."""

import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from nasjax.controllers.autocomet.config import AutocometConfig
from nasjax.controllers.autocomet.controller import make_autocomet
from nasjax.controllers.autocomet.rewards import Components
from nasjax.errors import UserError
from nasjax.types import (
    DIVERGED,
    INFEASIBLE,
    INVALID,
    OK,
    OVER_MEMORY,
    STOPPED,
    Costs,
    Outcome,
    Request,
)
from tests.controllers.autocomet.small_search import UNEQUAL

NAMES = ("phone/latency_ms", "phone/energy_mj", "network/params_m")
COSTS = Costs(NAMES, (4.0, 10.0, 0.5))
REWARDS = jnp.array([0.1, 0.2, -1.0])
OUTCOME = Outcome(
    accuracies=jnp.zeros((3, 1)),
    accuracy=jnp.array([0.5, 0.75, 0.0]),
    costs=jnp.array([[2.0, 20.0, 0.5], [6.0, 5.0, 1.0], [jnp.inf, 1.0, 0.25]]),
    status=jnp.array([OK, STOPPED, INFEASIBLE]),
)
# Of the three rows. -2 / 4, -6 / 4; -20 / 10, -5 / 10; -0.5 / 0.5, -1 / 0.5; the third counts -3.
LATENCY, ENERGY, PARAMS = [-0.5, -1.5, -3], [-2, -0.5, -3], [-1, -2, -3]
ACCURACY = [0.5, 0.75, 0]


def components(primary="reward", secondaries=None, secondary_reward="cost", target=None, **more):
    return AutocometConfig(
        primary=primary,
        secondaries=secondaries,
        secondary_reward=secondary_reward,
        target=target,
        infeasible=-3.0,
        **more,
    )


def of(costs=COSTS, **settings):
    made = Components(components(**settings), costs)
    primary, secondaries = made.vector(OUTCOME, REWARDS)
    assert secondaries.shape == (len(made.secondaries), 3)
    return primary, secondaries, made.secondaries


@pytest.mark.parametrize(
    ("primary", "expected"),
    [
        ("reward", [0.1, 0.2, -1.0]),
        ("accuracy", ACCURACY),
        ("phone/latency_ms", LATENCY),
        ("phone/energy_mj", ENERGY),
        ("network/params_m", PARAMS),
    ],
)
def test_the_primary_is_the_component_of_that_name(primary, expected):
    found, secondaries, names = of(primary=primary)
    assert_allclose(found, expected)
    # None: every cost that is not the primary already.
    assert names == tuple(name for name in NAMES if name != primary)
    expected = dict(zip(NAMES, (LATENCY, ENERGY, PARAMS), strict=True))
    assert_allclose(secondaries, [expected[name] for name in names])


def test_there_may_be_no_secondary_at_all():
    for settings in ({"secondaries": ()}, {"costs": Costs()}):
        primary, secondaries, names = of(**settings)
        assert names == () and secondaries.shape == (0, 3)
        assert_allclose(primary, [0.1, 0.2, -1.0])


@pytest.mark.parametrize(
    "names",
    [
        ("accuracy", "phone/latency_ms"),
        ("phone/latency_ms", "accuracy", "reward"),
        ("reward", "phone/energy_mj", "accuracy", "phone/latency_ms"),
    ],
)
def test_any_component_may_be_the_primary_and_any_number_secondary(names):
    found, secondaries, kept = of(primary="network/params_m", secondaries=names)
    assert_allclose(found, PARAMS)
    assert kept == names
    rows = {
        "reward": [0.1, 0.2, -1.0],
        "accuracy": ACCURACY,
        "phone/latency_ms": LATENCY,
        "phone/energy_mj": ENERGY,
    }
    assert_allclose(secondaries, [rows[name] for name in names])


@pytest.mark.parametrize(
    ("form", "target", "expected"),
    [
        ("excess", 4.0, [0, -0.5, -3]),  # 2 <= 4; 6 / 4 - 1 = 0.5
        ("excess", 1.0, [-1, -5, -3]),
        ("excess", 6.0, [0, 0, -3]),  # what is exactly the target does not exceed it
        ("broken", 4.0, [0, -1, -3]),
        ("broken", 1.0, [-1, -1, -3]),
        ("broken", 6.0, [0, 0, -3]),
    ],
)
def test_a_target_is_for_the_first_cost_that_is_a_secondary_alone(form, target, expected):
    settings = {"secondary_reward": form, "target": target}
    order = ("accuracy", "phone/latency_ms", "phone/energy_mj")
    _, secondaries, _ = of(secondaries=order, **settings)
    assert_allclose(secondaries, [ACCURACY, expected, ENERGY])
    # A cost that is the primary keeps its form.
    primary, secondaries, _ = of(primary="phone/energy_mj", **settings)
    assert_allclose(primary, ENERGY)
    assert_allclose(secondaries, [expected, PARAMS])


def test_every_row_that_is_not_ok_is_infeasible_in_each_cost_and_earns_its_reward():
    status = jnp.array([INVALID, DIVERGED, OVER_MEMORY])
    outcome = OUTCOME._replace(costs=jnp.zeros((3, 3)), accuracy=jnp.zeros(3), status=status)
    for form in ("cost", "excess", "broken"):
        config = components(secondary_reward=form, target=1.0)
        primary, secondaries = Components(config, COSTS).vector(outcome, REWARDS)
        assert_allclose(primary, REWARDS)
        assert_allclose(secondaries, np.full((3, 3), -3))


NOTHING_RUNS = Costs(NAMES, (float("nan"), 10.0, 0.5))


@pytest.mark.parametrize(
    ("settings", "costs", "said"),
    [
        (
            {"primary": "acuracy"},
            COSTS,
            ["controller.primary='acuracy'", "did you mean 'accuracy'", "known: accuracy", *NAMES],
        ),
        (
            {"secondaries": ("accuracy", "phone/latency")},
            COSTS,
            ["controller.secondaries='phone/latency'", "did you mean 'phone/latency_ms'", *NAMES],
        ),
        (
            {"secondaries": ("accuracy", "phone/latency_ms", "accuracy")},
            COSTS,
            ["controller.secondaries=('accuracy', 'phone/latency_ms', 'accuracy')", "different"],
        ),
        (
            {"primary": "accuracy", "secondaries": ("accuracy", "phone/latency_ms")},
            COSTS,
            ["controller.secondaries=('accuracy', ", "others than controller.primary='accuracy'"],
        ),
        (
            {"secondary_reward": "broken"},
            COSTS,
            ["controller.target=None", "a number, in the unit of 'phone/latency_ms'"],
        ),
        (
            {"secondary_reward": "excess", "secondaries": ("accuracy", "network/params_m")},
            COSTS,
            ["controller.target=None", "in the unit of 'network/params_m'"],
        ),
        (
            {},
            NOTHING_RUNS,
            ["controller.secondaries='phone/latency_ms of median nan'", "median above 0"],
        ),
        (
            {"primary": "phone/latency_ms", "secondaries": ()},
            NOTHING_RUNS,
            ["controller.primary='phone/latency_ms of median nan'", "no architecture can be run"],
        ),
        (
            {"epsilon": (0.1, 0.2)},
            COSTS,
            ["controller.epsilon=(0.1, 0.2)", "one number or 3"],
        ),
        (
            {"epsilon": (0.1, 0.2), "secondaries": ()},
            COSTS,
            ["controller.epsilon=(0.1, 0.2)", "one number or 0"],
        ),
    ],
)
def test_what_cannot_be_is_one_line_with_key_value_and_what_is_allowed(settings, costs, said):
    with pytest.raises(UserError) as error:
        config = components(**settings)
        make_autocomet(config, Request(UNEQUAL, 1, rounds=9, max_queries=9, costs=costs))
    message = str(error.value)
    assert "\n" not in message
    for part in said:
        assert part in message


def test_a_cost_that_is_not_used_needs_no_median_and_without_costs_no_target():
    _, secondaries, _ = of(costs=NOTHING_RUNS, secondaries=("phone/energy_mj",))
    assert_allclose(secondaries, [ENERGY])
    _, secondaries, _ = of(secondaries=("accuracy",), secondary_reward="broken")
    assert_allclose(secondaries, [ACCURACY])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("width", 0),
        ("updates", 0),
        ("models_per_round", 0),
        ("attempts", 0),
        ("validate_every", 0),
        ("patience", 0),
        ("decay_episodes", 0),
        ("temperature", 0.0),
        ("final_temperature", 0.0),
        ("target", 0.0),
        ("learning_rate", 0.0),
        ("potential_learning_rate", 0.0),
        ("threshold", -0.1),
        ("replays", -1),
        ("epsilon", ()),
        ("discount", 1.1),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(key, value):
    with pytest.raises(UserError, match=f"config.controller.{key}=") as error:
        AutocometConfig(**{key: value})
    assert repr(value) in str(error.value) and "must be" in str(error.value)


def test_a_negative_epsilon_is_refused_with_its_place():
    with pytest.raises(UserError, match=r"controller.epsilon\[1\]=-0.1; it must be >= 0"):
        AutocometConfig(epsilon=(0.1, -0.1))
