"""Whole updates against plain NumPy with gradients by hand (numpy_autocomet.py)."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

from nasjax.controllers import replay
from tests.controllers.autocomet.small_search import (
    COSTS,
    OFFSETS,
    TREE,
    WHOLE,
    begin,
    features,
    make,
    measure,
    outcome_of,
    params_of,
    proposal_of,
)
from tests.oracles import numpy_autocomet
from tests.oracles.numpy_autocomet import Episode, Reference, Settings, each, value

LATENCY, PARAMS = COSTS.names
QUERIES, C, THRESHOLD, REWARD = 40, 8, 0.02, 0.7
BASE = {
    "primary": "accuracy",
    "secondary_reward": "cost",
    "schedule": "constant",
    "threshold": THRESHOLD,
    "decay_episodes": C,
    "target": 5.0,
    "allowed": 0.3,
    "discount": 0.9,
    "temperature": 1.0,
    "final_temperature": None,
    "learning_rate": 0.002,
    "potential_learning_rate": 0.003,
    "width": 5,
    "updates": 2,
    "replays": 3,
    "models_per_round": 1,
    "attempts": 1,
    "infeasible": -2.5,
    "patience": None,
}
CASES = [
    dict(credit="value", scale="raw", shaping="value", secondaries=(LATENCY, PARAMS),
         epsilon=(0.5, 1.5), schedule="equation_3"),
    dict(credit="value", scale="rank", shaping="policy", secondaries=(PARAMS,),
         epsilon=(0.5,), schedule="equation_3_episode"),
    dict(credit="gain", scale="raw", shaping="policy", secondaries=(), epsilon=(1.0,)),
    dict(credit="gain", scale="rank", shaping="value", secondaries=(PARAMS, LATENCY),
         epsilon=(0.7, 0.4), schedule="regulated", models_per_round=2),
    dict(credit="final", scale="raw", shaping="value", secondaries=(LATENCY,), epsilon=(0.4,),
         schedule="pies", models_per_round=3),
    dict(credit="final", scale="rank", shaping="policy", secondaries=(LATENCY, PARAMS),
         epsilon=(0.021, 0.5), schedule="equation_3"),
    dict(primary=PARAMS, credit="gain", scale="rank", shaping="value", discount=1.0, replays=0,
         secondaries=("accuracy", LATENCY), epsilon=(0.3,), models_per_round=2),
    dict(credit="final", scale="raw", shaping="policy", secondaries=("reward", LATENCY, PARAMS),
         epsilon=(0.2, 0.4, 0.6), schedule="dual", secondary_reward="broken"),
]  # fmt: skip
ROUNDS = 4


def name_of(case):
    count = len(case["secondaries"])
    return "-".join([case["credit"], case["scale"], case["shaping"], str(count)])


def as_reference(settings, epsilon, learner):
    """The reference with the controller's parameters."""
    picked = {k: settings[k] for k in Settings._fields if k in settings and k != "epsilon"}
    phi = [params_of(learner.phi, i) for i in range(len(epsilon))]
    return Reference(
        Settings(**picked, epsilon=epsilon, episodes=C, limited=1),
        features(),
        TREE.choices,
        params_of(learner.q),
        phi,
    )


def component(name, row, settings):
    """The measurements of a prefix; the first cost of the last case has a target."""
    accuracy, costs, runs = row
    if name == "reward":
        return REWARD
    if name == "accuracy":
        return accuracy
    column = COSTS.names.index(name)
    if settings["secondary_reward"] == "broken" and name == LATENCY and runs:
        return -1.0 if costs[column] > settings["target"] else 0.0
    return -float(costs[column]) / COSTS.medians[column] if runs else -2.5


def episodes_of(wholes, settings, table):
    """The episodes that the reference learns from."""
    found = []
    for whole in wholes:
        rows = [table[tuple(whole[: n + 1])] for n in range(len(whole))]
        primary = np.array([component(settings["primary"], row, settings) for row in rows])
        names = settings["secondaries"]
        secondary = np.array([[component(name, row, settings) for row in rows] for name in names])
        found.append(Episode(tuple(whole.tolist()), primary, secondary))
    return found


def drawn_rows(key, settings, count):
    """The kept episodes that each step replays; None: the round's own."""
    if not settings["replays"]:
        return [None] * settings["updates"]
    shape = settings["updates"], settings["replays"]
    rows = replay.Replay(jnp.arange(count), jnp.int32(count))
    return [*np.asarray(replay.sample(key, rows, shape[0] * shape[1])).reshape(shape)]


@functools.cache
def both(number):
    """After every round of a case: (state, metrics, NumPy's parameters, epsilon and losses)."""
    settings = BASE | CASES[number]
    controller, run = make(queries=QUERIES, **settings)
    count, models = len(settings["secondaries"]), settings["models_per_round"]
    epsilon = settings["epsilon"] if len(settings["epsilon"]) == count else (0.3,) * count
    table, rng = measure(number), np.random.default_rng(number)
    state = begin(controller, epsilon, seed=number)
    reference, seen = as_reference(settings, epsilon, state.learner), []
    for step in range(ROUNDS):
        wholes = WHOLE[rng.integers(len(WHOLE), size=models)]
        proposal = proposal_of(wholes, settings["credit"])
        outcome = outcome_of(proposal, table)
        state = state.replace(actions=jnp.asarray(wholes - OFFSETS, jnp.int32))
        rewards = jnp.full(len(proposal.mask), REWARD)
        state, metrics = run["update"](jax.random.key(step), state, proposal, outcome, rewards)
        new = episodes_of(wholes, settings, table)
        kept = len(reference.kept) + len(new)
        reference.update(new, drawn_rows(jax.random.key(step), settings, kept))
        found = reference.q, list(reference.phi), list(reference.epsilon), list(reference.losses)
        seen.append((jax.device_get(state), jax.device_get(metrics), found, new))
    return settings, seen


@pytest.mark.long
@pytest.mark.parametrize("number", range(len(CASES)), ids=[name_of(case) for case in CASES])
def test_updates_equal_plain_numpy(number):
    settings, seen = both(number)
    for step, (state, metrics, (q, phi, epsilon, losses), _) in enumerate(seen):
        learner = state.learner
        assert_allclose(learner.epsilon, epsilon, rtol=1e-5)
        for layer, arrays in q.items():
            for key, expected in arrays.items():
                found = learner.q["params"][layer][key]
                assert_allclose(found, expected, atol=1e-5, err_msg=f"{step} q {layer} {key}")
                for i, params in enumerate(phi):
                    found = learner.phi["params"][layer][key][i]
                    assert_allclose(found, params[layer][key], atol=1e-5, err_msg=f"{step} {i}")
        names = ["q_loss", *(f"loss/{name}" for name in settings["secondaries"])]
        assert_allclose([metrics[name] for name in names], losses, rtol=1e-4, atol=1e-6)
        assert state.updates == 2 * (step + 1)
        reached = [e.primary[-1] for *_, new in seen[: step + 1] for e in new]
        assert_allclose(state.best, max(reached), rtol=1e-6)
        assert state.episodes == settings["models_per_round"] * (step + 1)
    # Eight steps of 0.002: what was compared did move.
    first, last = (seen[at][2][0]["hidden_0"]["kernel"] for at in (0, -1))
    assert np.abs(last - first).max() > 0.008


def test_gradients_by_hand_equal_finite_differences():
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(6, 4)), rng.normal(size=6)
    sizes = {"hidden_0": (4, 3), "hidden_1": (3, 3), "head": (3, 1)}
    params = {
        name: {"kernel": rng.normal(size=size), "bias": rng.normal(size=size[1])}
        for name, size in sizes.items()
    }
    _, by_hand = numpy_autocomet.gradient(params, x, targets)
    for name, layer in params.items():
        for key, leaf in layer.items():
            for place in np.ndindex(leaf.shape):
                ends = []
                for sign in (1, -1):
                    moved = each(np.copy, params)
                    moved[name][key][place] += sign * 1e-6
                    ends.append(np.mean((value(moved, x) - targets) ** 2))
                assert_allclose((ends[0] - ends[1]) / 2e-6, by_hand[name][key][place], atol=1e-7)


def cut(trace, threshold=THRESHOLD):
    """[episodes]: nothing after an epsilon that is not above the threshold."""
    ended = np.concatenate([[False], np.cumsum(np.asarray(trace[:-1]) <= threshold) > 0])
    return np.where(ended, 0, trace)


def closed_form(number, start, primary):
    """[candidates or episodes]: an epsilon after each, of primaries [episodes, L]."""
    schedule = (BASE | CASES[number])["schedule"]
    numbers = np.arange(1, len(primary) + 1)
    last = primary[:, -1]
    if schedule == "constant":
        return np.full(len(primary), start)
    if schedule == "pies":
        return start * np.maximum(1 - numbers / C, 0)
    if schedule == "equation_3_episode":
        return start * np.exp(np.cumsum(last))
    grown = last - (last[0] if CASES[number]["credit"] == "final" else primary[0, 0])  # telescopes
    return cut(start * np.exp(grown - (5 * numbers / C if schedule == "regulated" else 0)))


@pytest.mark.parametrize("number", [0, 1, 3, 4, 5, 6])
def test_the_metrics_show_the_closed_form_of_every_schedule(number):
    settings, seen = both(number)
    primary = np.array([e.primary for *_, new in seen for e in new])
    names, starts = settings["secondaries"], settings["epsilon"]
    for i, name in enumerate(names):
        expected = closed_form(number, starts[i % len(starts)], primary)
        found = [metrics[f"epsilon/{name}"] for _, metrics, _, _ in seen]
        after = expected[settings["models_per_round"] - 1 :: settings["models_per_round"]]
        assert_allclose(found, after, rtol=1e-5, atol=1e-6)
    if number in (3, 4):  # after 8 of 8 episodes 0.4 e^-5 is below the threshold; 12 of 8
        assert found[-1] == 0 < found[0]
