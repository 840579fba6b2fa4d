import jax
import numpy as np
import pytest

from nasjax import registry
from nasjax.errors import UserError
from nasjax.runs import learned
from nasjax.spaces.nas_bench_201 import NasBench201
from nasjax.types import Costs, Request

COSTS = Costs(("ms",), (1.0,))


def started(secondaries=("ms",), width=4, initial=(), seed=1):
    section = {"name": "autocomet", "width": width, "target": 1.0, "initial": initial}
    section["secondaries"] = secondaries
    member = registry.parse_member("controller", section)
    request = Request(NasBench201(), 2, rounds=3, costs=COSTS)
    controller = member.entry.make(member.settings, request)
    return controller, jax.jit(controller.init)(jax.random.key(seed))


def same(a, b):
    return jax.tree.all(jax.tree.map(np.array_equal, a, b))


@pytest.mark.long
def test_what_was_learned_begins_another_search(tmp_path):
    controller, state = started(seed=1)
    path = learned.save(tmp_path, controller.params(state))
    _, fresh = started(seed=2)
    _, other = started(seed=2, initial=(str(path),))
    assert not same(fresh.learner.q, state.learner.q)
    assert same(other.learner.q, state.learner.q) and same(other.learner.phi, state.learner.phi)
    assert same(other.learner.q_moments, fresh.learner.q_moments)
    # Potentials of as many secondaries only; Q always.
    _, two = started(("ms", "accuracy"), seed=2, initial=(str(path),))
    _, fresh = started(("ms", "accuracy"), seed=2)
    assert same(two.learner.q, state.learner.q) and same(two.learner.phi, fresh.learner.phi)


@pytest.mark.long
def test_of_several_the_seed_draws_one_whole(tmp_path):
    states, paths = [], []
    for seed in range(3):
        controller, state = started(seed=seed)
        states.append(state)
        (tmp_path / str(seed)).mkdir()
        paths.append(str(learned.save(tmp_path / str(seed), controller.params(state))))
    drawn = []
    for seed in range(24):
        _, begun = started(seed=seed, initial=tuple(paths))
        (which,) = [i for i, state in enumerate(states) if same(begun.learner.q, state.learner.q)]
        assert same(begun.learner.phi, states[which].learner.phi)
        drawn.append(which)
    assert set(drawn) == {0, 1, 2}  # all but with a chance of 3 * (2/3)^24 = 0.0002
    other, state = started(width=8)
    (tmp_path / "wide").mkdir()
    wide = str(learned.save(tmp_path / "wide", other.params(state)))
    with pytest.raises(UserError, match="controller.initial='.*wide.*same shapes as '.*0"):
        started(initial=(paths[0], wide))


@pytest.mark.long
def test_what_does_not_fit_is_one_line(tmp_path):
    controller, state = started()
    path = learned.save(tmp_path, controller.params(state))
    with pytest.raises(UserError, match=r"controller.initial=.*controller.width=8"):
        started(width=8, initial=(str(path),))
    path.write_bytes(b"PK no archive")
    with pytest.raises(UserError, match=r"config.controller.initial=.*learned.npz.*damaged"):
        started(initial=(str(path),))
    with pytest.raises(UserError, match=r"config.controller.initial='nowhere'.*No such file"):
        started(initial=("nowhere",))


def test_nothing_learned_is_no_file(tmp_path):
    assert learned.save(tmp_path, {}) is None
    assert not list(tmp_path.iterdir())
