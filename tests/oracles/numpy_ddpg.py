"""DDPG's update in plain NumPy, float64, gradients by hand: the reference for the learner's tests.

Written from the equations alone, for two one-layer nets on a model's state S [L, E]:

    actor   mu(S) = sigmoid(W_a flat(S) + b_a)  in [0, 1]^A      W_a [A, L E], b_a [A]
    critic  Q(S)  = tanh(w_c . flat(S) + b_c)   in [-1, 1]       w_c [L E],    b_c []

S has row i = tanh(a_i W_action + p_i W_performance) for the layers built and -1 below. With S_t
the state of `length` layers, S_tm1 that of length - 1, and write(S, i, a, p) the state S with row
i of action a and performance p:

    y            = r + discount Q'(write(S_t, length, backup_action, backup_performance))
                   r + discount invalid                       where that layer cannot be built
    critic loss  = mean (Q(S_t) - y)^2;  an Adam step of the critic
    actor loss   = - mean Q(write(S, i, mu(S), p)), Q the critic after its step, over the states
                   S_t (i = length) that do not end growth: p is the back-up's performance, or the
                   last layer's where the back-up is invalid;
                   and with "both" every S_tm1 (i = length - 1): p as stored for layer length - 1
    targets      <- (1 - rate) target + rate online

With backup "predicted" no layer is evaluated for an update, and Q never sees what the newest layer
reached: it reads write(S_tm1, length - 1, a, p) with p the performance of the model the layer was
put on (zeros if it is the first) in the critic's loss and for the states S_tm1 of the actor's; the
rows hold the last layer's performance as the back-up's.

The chain rule of one term of the actor loss, with h the row written, flat(S') the state read:

    dQ/dh = (1 - Q^2) w_c[row i];     dQ/da = W_action (dQ/dh (1 - h^2))
    dQ/dlogit = dQ/da a (1 - a);      dQ/dW_a = dQ/dlogit flat(S)^T;    dQ/db_a = dQ/dlogit
"""

import dataclasses
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Params = dict[str, Array]
ActorState = Literal["next", "both"]
Backup = Literal["trained", "predicted"]

B1, B2, EPSILON = 0.9, 0.999, 1e-8  # optax's defaults for Adam


class Encoder(NamedTuple):
    """The IMR's fixed matrices: action [A, E], performance [P, E]."""

    action: Array
    performance: Array


class Row(NamedTuple):
    """One transition: `actions` [L, A] and `performance` [L, P] of which `length` rows count."""

    actions: Array
    performance: Array
    length: int
    reward: float
    discount: float
    backup_action: Array
    backup_performance: Array
    backup_ok: bool


class Adam(NamedTuple):
    """First and second moments, steps made."""

    first: Params
    second: Params
    steps: int


@dataclasses.dataclass
class Learner:
    """The state that updates change; `update` does it in place."""

    actor: Params
    critic: Params
    target_actor: Params
    target_critic: Params
    actor_adam: Adam
    critic_adam: Adam


@dataclasses.dataclass(frozen=True)
class Settings:
    """Static settings of the update."""

    actor_state: ActorState
    backup: Backup
    actor_learning_rate: float
    critic_learning_rate: float
    target_rate: float
    invalid: float


class Losses(NamedTuple):
    """Losses before their own step, and the targets [N]."""

    critic: float
    actor: float
    targets: Array


def make_learner(actor: Params, critic: Params) -> Learner:
    """Targets equal to the online nets, Adams at rest."""

    def rest(params: Params) -> Adam:
        zeros = {name: np.zeros_like(value) for name, value in params.items()}
        return Adam(zeros, dict(zeros), 0)

    return Learner(actor, critic, dict(actor), dict(critic), rest(actor), rest(critic))


def encode(encoder: Encoder, action: Array, performance: Array) -> Array:
    """The row [E] of one layer."""
    return np.tanh(action @ encoder.action + performance @ encoder.performance)


def state_of(encoder: Encoder, row: Row, length: int) -> Array:
    """The state [L, E] of the row's first `length` layers."""
    state = np.full((row.actions.shape[0], encoder.action.shape[1]), -1.0)
    for i in range(length):
        state[i] = encode(encoder, row.actions[i], row.performance[i])
    return state


def write(encoder: Encoder, state: Array, i: int, action: Array, performance: Array) -> Array:
    """The state with layer i written."""
    written = state.copy()
    written[i] = encode(encoder, action, performance)
    return written


def newest(row: Row, backup: Backup) -> Array:
    """The performance [P] beside which the critic sees the row's last layer."""
    if backup == "trained":
        return row.performance[row.length - 1]
    return row.performance[row.length - 2] if row.length > 1 else np.zeros(row.performance.shape[1])


def judged(encoder: Encoder, row: Row, backup: Backup) -> Array:
    """The state [L, E] on which Q(S_tm1, a) is read."""
    before, i = state_of(encoder, row, row.length - 1), row.length - 1
    return write(encoder, before, i, row.actions[i], newest(row, backup))


def mu(actor: Params, state: Array) -> Array:
    """The action [A]."""
    return 1 / (1 + np.exp(-(actor["weight"] @ state.reshape(-1) + actor["bias"])))


def q(critic: Params, state: Array) -> float:
    """The value of the state, in which its action is already written."""
    return float(np.tanh(critic["weight"] @ state.reshape(-1) + critic["bias"]))


def target(critic: Params, encoder: Encoder, row: Row, invalid: float) -> float:
    """y of one row, with the target critic."""
    if row.discount == 0:
        return row.reward
    if not row.backup_ok:
        return row.reward + row.discount * invalid
    state = state_of(encoder, row, row.length)
    backup = write(encoder, state, row.length, row.backup_action, row.backup_performance)
    return row.reward + row.discount * q(critic, backup)


def critic_loss(
    critic: Params, encoder: Encoder, rows: list[Row], targets: Array, backup: Backup
) -> tuple[float, Params]:
    """The loss and its gradient: d/dlogit (Q - y)^2 = 2 (Q - y) (1 - Q^2)."""
    loss = 0.0
    gradient = {"weight": np.zeros_like(critic["weight"]), "bias": np.zeros(())}
    for row, y in zip(rows, targets, strict=True):
        state = judged(encoder, row, backup)
        value = q(critic, state)
        loss += (value - y) ** 2 / len(rows)
        d_logit = 2 * (value - y) * (1 - value**2) / len(rows)
        gradient["weight"] = gradient["weight"] + d_logit * state.reshape(-1)
        gradient["bias"] = gradient["bias"] + d_logit
    return loss, gradient


def actor_terms(
    encoder: Encoder, rows: list[Row], actor_state: ActorState, backup: Backup
) -> list[tuple[Array, int, Array]]:
    """(state, index of the layer to write, its performance) of every state the actor answers."""
    terms = []
    for row in rows:
        if row.discount > 0:
            last = row.performance[row.length - 1]
            performance = row.backup_performance if row.backup_ok else last
            terms.append((state_of(encoder, row, row.length), row.length, performance))
        if actor_state == "both":
            before = row.length - 1
            terms.append((state_of(encoder, row, before), before, newest(row, backup)))
    return terms


def actor_loss(
    actor: Params, critic: Params, encoder: Encoder, terms: list[tuple[Array, int, Array]]
) -> tuple[float, Params]:
    """The loss over `actor_terms` and its gradient (module docstring); no state, no loss."""
    loss = 0.0
    gradient = {name: np.zeros_like(value) for name, value in actor.items()}
    for state, i, performance in terms:
        action = mu(actor, state)
        written = write(encoder, state, i, action, performance)
        value = q(critic, written)
        loss -= value / len(terms)
        d_row = (1 - value**2) * critic["weight"].reshape(state.shape)[i]
        d_action = encoder.action @ (d_row * (1 - written[i] ** 2))
        d_logit = -d_action * action * (1 - action) / len(terms)
        gradient["weight"] = gradient["weight"] + np.outer(d_logit, state.reshape(-1))
        gradient["bias"] = gradient["bias"] + d_logit
    return loss, gradient


def adam_step(params: Params, gradient: Params, adam: Adam, rate: float) -> tuple[Params, Adam]:
    """p <- p - rate m_hat / (sqrt(v_hat) + epsilon) (Kingma and Ba, 2015, algorithm 1)."""
    steps = adam.steps + 1
    first, second, stepped = {}, {}, {}
    for name, g in gradient.items():
        first[name] = B1 * adam.first[name] + (1 - B1) * g
        second[name] = B2 * adam.second[name] + (1 - B2) * g**2
        m_hat = first[name] / (1 - B1**steps)
        v_hat = second[name] / (1 - B2**steps)
        stepped[name] = params[name] - rate * m_hat / (np.sqrt(v_hat) + EPSILON)
    return stepped, Adam(first, second, steps)


def update(learner: Learner, encoder: Encoder, rows: list[Row], settings: Settings) -> Losses:
    """One update of the learner, in place."""
    targets = np.array(
        [target(learner.target_critic, encoder, row, settings.invalid) for row in rows]
    )
    loss_of_critic, gradient = critic_loss(learner.critic, encoder, rows, targets, settings.backup)
    learner.critic, learner.critic_adam = adam_step(
        learner.critic, gradient, learner.critic_adam, settings.critic_learning_rate
    )
    terms = actor_terms(encoder, rows, settings.actor_state, settings.backup)
    loss_of_actor, gradient = actor_loss(learner.actor, learner.critic, encoder, terms)
    learner.actor, learner.actor_adam = adam_step(
        learner.actor, gradient, learner.actor_adam, settings.actor_learning_rate
    )
    rate = settings.target_rate
    learner.target_actor = _mix(learner.target_actor, learner.actor, rate)
    learner.target_critic = _mix(learner.target_critic, learner.critic, rate)
    return Losses(loss_of_critic, loss_of_actor, targets)


def _mix(old: Params, new: Params, rate: float) -> Params:
    return {name: (1 - rate) * old[name] + rate * new[name] for name in old}
