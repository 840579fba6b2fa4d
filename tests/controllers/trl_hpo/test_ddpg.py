"""The DDPG update against plain NumPy with gradients by hand (numpy_ddpg.py), and its rules."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nasjax.controllers.trl_hpo.config import TrlHpoConfig
from nasjax.controllers.trl_hpo.ddpg import (
    Batch,
    DdpgState,
    Nets,
    critic_targets,
    init_ddpg,
    update,
)
from nasjax.controllers.trl_hpo.imr import Imr
from nasjax.controllers.trl_hpo.networks import Net
from tests.oracles import numpy_ddpg
from tests.oracles.numpy_ddpg import (
    ActorState,
    Array,
    Backup,
    Encoder,
    Learner,
    Params,
    Row,
)

L, A, P, E, N = 3, 2, 4, 5, 6
INVALID = -1.0
LENGTHS = (1, 2, 3, 1, 2, 2)
ENDS = (False, False, True, False, True, False)  # a full model, and one that stopped early
BACKUP_OK = (True, True, True, False, False, True)  # not: one that goes on, one that ends
STATES: tuple[ActorState, ...] = ("next", "both")


def config(actor_state: ActorState, backup: Backup = "trained") -> TrlHpoConfig:
    """Steps large enough to show in every number after one update."""
    return TrlHpoConfig(
        actor_learning_rate=0.01,
        critic_learning_rate=0.02,
        target_rate=0.1,
        actor_state=actor_state,
        backup=backup,
        embed_size=E,
        num_heads=1,
    )


def draw(seed: int) -> tuple[Encoder, Params, Params]:
    """IMR, actor and critic; values in float32 held as float64, so both sides start alike."""
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Array:
        return np.asarray(0.5 * rng.normal(size=shape), np.float32).astype(np.float64)

    actor = {"weight": normal(A, L * E), "bias": normal(A)}
    return Encoder(normal(A, E), normal(P, E)), actor, {"weight": normal(L * E), "bias": normal()}


def draw_rows(seed: int, discount: float) -> list[Row]:
    """N transitions in random order; rows of layers not built yet hold noise."""
    rng = np.random.default_rng(seed)

    def uniform(*shape: int) -> Array:
        return rng.uniform(size=shape).astype(np.float32).astype(np.float64)

    return [
        Row(
            actions=uniform(L, A),
            performance=uniform(L, P),
            length=LENGTHS[i],
            reward=float(uniform()) - 0.5,
            discount=0.0 if ENDS[i] else discount,
            backup_action=uniform(A),
            backup_performance=uniform(P),
            backup_ok=BACKUP_OK[i],
        )
        for i in rng.permutation(N)
    ]


def as_batch(rows: list[Row]) -> Batch:
    """Float32 and int32 columns, NumPy."""
    columns: list[Any] = [np.asarray(column) for column in zip(*rows, strict=True)]
    types = {"f": "float32", "i": "int32", "b": "bool"}
    return Batch(*(column.astype(types[column.dtype.kind]) for column in columns))


def as_imr(encoder: Encoder) -> Imr:
    return Imr(jnp.float32(encoder.action), jnp.float32(encoder.performance))


def actor_apply(params: Any, states: jax.Array) -> tuple[jax.Array, jax.Array]:
    logits = states.reshape(len(states), -1) @ params["weight"].T + params["bias"][None]
    return jax.nn.sigmoid(logits), jnp.zeros((len(states), 1, 1, L, L))


def critic_apply(params: Any, states: jax.Array) -> tuple[jax.Array, jax.Array]:
    logits = states.reshape(len(states), -1) @ params["weight"] + params["bias"]
    return jnp.tanh(logits), jnp.zeros((len(states), 1, 1, L, L))


def make_nets(actor: Params, critic: Params) -> Nets:
    """The reference's two nets, without dropout; `init` gives the parameters drawn here."""

    def net(params: Params, apply: Callable[..., tuple[jax.Array, jax.Array]]) -> Net:
        single = {name: jnp.float32(value) for name, value in params.items()}
        return Net(lambda key: single, apply, lambda params, states, key: apply(params, states)[0])

    return Nets(net(actor, actor_apply), net(critic, critic_apply))


def initial(seed: int, actor_state: ActorState) -> tuple[Encoder, DdpgState, Learner]:
    """Both sides before the first update, with targets that are not the online nets."""
    encoder, actor, critic = draw(seed)
    _, target_actor, target_critic = draw(seed + 1)
    state = init_ddpg(jax.random.key(0), make_nets(actor, critic), config(actor_state))
    single = functools.partial(jax.tree.map, np.float32)
    state = state.replace(target_actor=single(target_actor), target_critic=single(target_critic))
    learner = numpy_ddpg.make_learner(actor, critic)
    learner.target_actor, learner.target_critic = target_actor, target_critic
    return encoder, state, learner


@functools.cache
def compiled(
    actor_state: ActorState, backup: Backup = "trained"
) -> Callable[..., tuple[DdpgState, dict[str, Any]]]:
    """The update, answering in NumPy; `init` of these nets is never called."""
    nets = make_nets({}, {})
    jitted = jax.jit(
        functools.partial(update, nets=nets, config=config(actor_state, backup), invalid=INVALID)
    )
    return lambda *args: jax.device_get(jitted(*args))


def reference_settings(actor_state: ActorState, backup: Backup) -> numpy_ddpg.Settings:
    return numpy_ddpg.Settings(
        actor_state=actor_state,
        backup=backup,
        actor_learning_rate=0.01,
        critic_learning_rate=0.02,
        target_rate=0.1,
        invalid=INVALID,
    )


@pytest.mark.parametrize("discount", [1.0, 0.9])
@pytest.mark.parametrize(
    ("actor_state", "backup"), [("next", "trained"), ("both", "trained"), ("both", "predicted")]
)
def test_six_updates_equal_plain_numpy(
    actor_state: ActorState, backup: Backup, discount: float
) -> None:
    encoder, state, learner = initial(0, actor_state)
    before, imr = dict(learner.actor), as_imr(encoder)
    for step in range(6):
        rows = draw_rows(10 + step, discount)
        if backup == "predicted":  # nothing was evaluated
            rows = [
                row._replace(backup_performance=row.performance[row.length - 1], backup_ok=True)
                for row in rows
            ]
        values = [
            numpy_ddpg.q(learner.critic, numpy_ddpg.judged(encoder, row, backup)) for row in rows
        ]
        losses = numpy_ddpg.update(learner, encoder, rows, reference_settings(actor_state, backup))
        key = jax.random.key(step)
        state, metrics = compiled(actor_state, backup)(key, state, imr, as_batch(rows))

        assert state.num_updates == step + 1
        assert_allclose(metrics["critic_loss"], losses.critic, atol=1e-5)
        assert_allclose(metrics["actor_loss"], losses.actor, atol=1e-5)
        assert_allclose(metrics["target_mean"], np.mean(losses.targets), atol=1e-5)
        assert_allclose(metrics["q_mean"], np.mean(values), atol=1e-5)
        for name in ("actor", "critic", "target_actor", "target_critic"):
            expected = getattr(learner, name)
            for part, value in getattr(state, name).items():
                assert_allclose(value, expected[part], atol=1e-5, err_msg=f"{step} {name} {part}")
    # 6 steps of .01: what was compared did move.
    assert np.abs(learner.actor["weight"] - before["weight"]).max() > 0.02


def test_fresh_targets_equal_their_nets() -> None:
    _, actor, critic = draw(0)
    state = init_ddpg(jax.random.key(0), make_nets(actor, critic), config("next"))
    assert state.num_updates == 0
    for name in ("weight", "bias"):
        for part in (state.actor, state.target_actor):
            assert_array_equal(part[name], np.float32(actor[name]))
        for part in (state.critic, state.target_critic):
            assert_array_equal(part[name], np.float32(critic[name]))


def numeric_gradient(loss: Callable[[Params], float], params: Params) -> Params:
    """Central differences, h = 1e-5: an error near h^2."""
    gradient = {}
    for name, value in params.items():
        flat = np.zeros(value.size)
        for i in range(value.size):
            ends = []
            for sign in (1, -1):
                moved = value.reshape(-1).copy()
                moved[i] += sign * 1e-5
                ends.append(loss({**params, name: moved.reshape(value.shape)}))
            flat[i] = (ends[0] - ends[1]) / 2e-5
        gradient[name] = flat.reshape(value.shape)
    return gradient


def assert_gradient(loss: Callable[[Params], tuple[float, Params]], params: Params) -> None:
    _, by_hand = loss(params)
    for name, value in numeric_gradient(lambda moved: loss(moved)[0], params).items():
        assert_allclose(by_hand[name], value, atol=1e-9)
        assert np.abs(value).max() > 1e-3


@pytest.mark.parametrize("backup", ["trained", "predicted"])
def test_gradients_by_hand_equal_finite_differences(backup: Backup) -> None:
    encoder, actor, critic = draw(0)
    rows = draw_rows(10, 0.9)
    assert_gradient(
        lambda params: numpy_ddpg.critic_loss(params, encoder, rows, np.linspace(-1, 1, N), backup),
        critic,
    )
    for actor_state in STATES:
        terms = numpy_ddpg.actor_terms(encoder, rows, actor_state, backup)
        assert len(terms) == (4 if actor_state == "next" else 4 + N)  # 2 of 6 are ends
        assert_gradient(
            functools.partial(numpy_ddpg.actor_loss, critic=critic, encoder=encoder, terms=terms),
            actor,
        )


def test_targets_of_an_end_and_of_an_invalid_backup_need_no_critic() -> None:
    encoder, state, _ = initial(0, "next")
    cases = [
        (1.0, False, -0.75),  # invalid: r + discount * -1 = .25 - 1
        (0.5, False, -0.25),  # .25 - .5
        (0.0, False, 0.25),  # the end: r
        (0.0, True, 0.25),
    ]
    template = draw_rows(10, 1.0)[0]
    rows = [
        template._replace(length=2, reward=0.25, discount=discount, backup_ok=ok)
        for discount, ok, _ in cases
    ]
    # A full model has no row left for a back-up; its target is r too.
    rows.append(rows[-1]._replace(length=L))
    targets = jax.jit(functools.partial(critic_targets, nets=make_nets({}, {}), invalid=INVALID))
    found = targets(state, as_imr(encoder), as_batch(rows))
    assert_allclose(found, [target for *_, target in cases] + [0.25], atol=1e-7)


def test_a_batch_of_ends_leaves_the_actor_of_next_alone() -> None:
    encoder, state, _ = initial(0, "next")
    ends = as_batch([row._replace(discount=0.0) for row in draw_rows(10, 1.0)])
    after, metrics = compiled("next")(jax.random.key(0), state, as_imr(encoder), ends)
    assert metrics["actor_loss"] == 0
    for name, value in state.actor.items():
        assert_array_equal(after.actor[name], value)
    assert np.abs(after.critic["weight"] - state.critic["weight"]).max() > 0.01  # it still learns


def test_with_both_a_batch_of_ends_still_teaches_the_actor() -> None:
    encoder, state, _ = initial(0, "both")
    ends = as_batch([row._replace(discount=0.0) for row in draw_rows(10, 1.0)])
    after, _ = compiled("both")(jax.random.key(0), state, as_imr(encoder), ends)
    assert np.abs(after.actor["weight"] - state.actor["weight"]).max() > 0.005


@pytest.mark.parametrize("actor_state", STATES)
def test_the_backup_of_an_end_never_matters(actor_state: ActorState) -> None:
    encoder, state, _ = initial(0, actor_state)
    rows = draw_rows(10, 0.9)
    assert {row.length for row in rows if row.discount == 0} == {2, L}
    other: dict[str, Any] = dict(backup_action=np.full(A, 0.9), backup_performance=np.full(P, -1e3))
    changed = [
        row if row.discount else row._replace(**other | {"backup_ok": not row.backup_ok})
        for row in rows
    ]
    answers = [
        compiled(actor_state)(jax.random.key(0), state, as_imr(encoder), as_batch(batch))
        for batch in (rows, changed)
    ]
    jax.tree.map(assert_array_equal, *answers)


def test_dropout_is_on_in_both_losses_and_off_in_the_targets() -> None:
    # A dropout that halves: of the actor's action, and of what the critic says of it.
    _, actor, critic = draw(0)
    encoder, state, learner = initial(0, "next")

    def halved(apply: Callable[..., tuple[jax.Array, jax.Array]]) -> Callable[..., jax.Array]:
        return lambda params, state, key: 0.5 * apply(params, state)[0]

    nets = make_nets(actor, critic)
    nets = Nets(
        nets.actor._replace(apply_train=halved(actor_apply)),
        nets.critic._replace(apply_train=halved(critic_apply)),
    )
    rows = draw_rows(10, 0.9)
    step = jax.jit(functools.partial(update, nets=nets, config=config("next"), invalid=INVALID))
    after, metrics = step(jax.random.key(0), state, as_imr(encoder), as_batch(rows))
    targets = [numpy_ddpg.target(learner.target_critic, encoder, row, INVALID) for row in rows]
    values = [
        0.5 * numpy_ddpg.q(critic, numpy_ddpg.judged(encoder, row, "trained")) for row in rows
    ]
    assert_allclose(metrics["target_mean"], np.mean(targets), atol=1e-5)
    assert_allclose(metrics["q_mean"], np.mean(values), atol=1e-5)
    stepped = {name: np.float64(value) for name, value in after.critic.items()}
    terms = numpy_ddpg.actor_terms(encoder, rows, "next", "trained")
    judged = [
        0.5
        * numpy_ddpg.q(stepped, numpy_ddpg.write(encoder, s, i, 0.5 * numpy_ddpg.mu(actor, s), p))
        for s, i, p in terms
    ]
    assert_allclose(metrics["actor_loss"], -np.mean(judged), atol=1e-5)
