"""The update rule: deep deterministic policy gradient (Lillicrap et al., 2015; TRL-HPO, IV).

With s_tm1 the model before layer a_tm1, s_t the one after it, and Q read on the state in which the
action is already written, so that Q(s_tm1, a_tm1) = critic(s_t):

    target       y = r_t + discount_t Q'(s_t, mu'(s_t))            Q', mu': target nets
                 y = r_t + discount_t invalid                      if that layer cannot be built
    critic loss  mean (Q(s_tm1, a_tm1) - y)^2
    actor loss   - mean Q(s, mu(s))  over s = s_t, with actor_state="both" also over s = s_tm1
    then         target <- (1 - rate) target + rate online

With backup="trained", as published, the critic sees the accuracies of the model with the layer. The
layer mu'(s_t) is therefore evaluated before an update, and its accuracies (`backup_performance`)
are written into the state for both losses.

With backup="predicted" the critic sees the layer beside the accuracies of the model before it, so Q
itself predicts the gain of the layer, and an update evaluates nothing.
"""

from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax

from nasjax.controllers.trl_hpo.config import TrlHpoConfig
from nasjax.controllers.trl_hpo.imr import Imr, encode_model, write_layer
from nasjax.controllers.trl_hpo.networks import Net
from nasjax.types import Metrics

_encode = jax.vmap(encode_model, in_axes=(None, 0, 0, 0))
_write = jax.vmap(write_layer, in_axes=(None, 0, 0, 0, 0))


class Nets(NamedTuple):
    """The two nets, as pure functions."""

    actor: Net
    critic: Net


class DdpgState(flax.struct.PyTreeNode):
    """Online and target parameters, the states of both Adams, and the number of updates."""

    actor: Any
    critic: Any
    target_actor: Any
    target_critic: Any
    actor_optimizer: Any
    critic_optimizer: Any
    num_updates: jax.Array


class _Models(NamedTuple):
    """Models that the actor puts a layer on, and the accuracies [N, P] that are written for it."""

    actions: jax.Array
    performance: jax.Array
    length: jax.Array
    next_performance: jax.Array


class Batch(NamedTuple):
    """N transitions, each with its back-up evaluation.

    Attributes:
      actions: [N, L, A]; performance: [N, L, P], of the layers up to and including a_tm1.
      length: [N] int32, layers in s_t, >= 1.
      reward: [N]; discount: [N], 0 where growth ended with this layer.
      backup_action: [N, A], mu'(s_t); backup_performance: [N, P]; backup_ok: [N] bool.
    """

    actions: jax.Array
    performance: jax.Array
    length: jax.Array
    reward: jax.Array
    discount: jax.Array
    backup_action: jax.Array
    backup_performance: jax.Array
    backup_ok: jax.Array


def init_ddpg(key: jax.Array, nets: Nets, config: TrlHpoConfig) -> DdpgState:
    """Fresh nets, targets equal to them; the key is consumed."""
    actor_key, critic_key = jax.random.split(key)
    actor, critic = nets.actor.init(actor_key), nets.critic.init(critic_key)
    return DdpgState(
        actor=actor,
        critic=critic,
        target_actor=actor,
        target_critic=critic,
        actor_optimizer=optax.adam(config.actor_learning_rate).init(actor),
        critic_optimizer=optax.adam(config.critic_learning_rate).init(critic),
        num_updates=jnp.int32(0),
    )


def reached(performance: jax.Array, length: jax.Array) -> jax.Array:
    """The accuracies [P] of the first `length` [] layers of [L, P]; zeros for an empty model."""
    return jnp.where(length > 0, performance[jnp.maximum(length - 1, 0)], 0)


def critic_targets(
    state: DdpgState, imr: Imr, batch: Batch, *, nets: Nets, invalid: float
) -> jax.Array:
    """The targets r_t + discount_t Q'(s_t, mu'(s_t)), [N]; see the top of this file."""
    s_t = _encode(imr, batch.actions, batch.performance, batch.length)
    s_tp1 = _write(imr, s_t, batch.length, batch.backup_action, batch.backup_performance)
    q_t = nets.critic.apply(state.target_critic, s_tp1)[0]
    after = jnp.where(batch.backup_ok, q_t, invalid)
    return batch.reward + jnp.where(batch.discount > 0, batch.discount * after, 0)


def critic_loss(
    params: Any,
    imr: Imr,
    batch: Batch,
    targets: jax.Array,
    key: jax.Array,
    *,
    nets: Nets,
    backup: str = "trained",
) -> tuple[jax.Array, jax.Array]:
    """Mean squared error of Q(s_tm1, a_tm1) to its targets [N]; also returns the values [N]."""
    after = _encode(imr, batch.actions, batch.performance, batch.length)
    if backup == "predicted":
        before = jax.vmap(reached)(batch.performance, batch.length - 1)
        a_tm1 = batch.actions[jnp.arange(len(targets)), batch.length - 1]
        after = _write(imr, after, batch.length - 1, a_tm1, before)
    q_tm1 = nets.critic.apply_train(params, after, key)
    return jnp.mean((q_tm1 - targets) ** 2), q_tm1


def actor_loss(
    params: Any,
    critic: Any,
    imr: Imr,
    batch: Batch,
    key: jax.Array,
    *,
    nets: Nets,
    actor_state: str,
    backup: str = "trained",
) -> jax.Array:
    """- mean Q(s, mu(s)) over the states in which growth continues."""
    count = len(batch.reward)
    # An invalid layer is written with the accuracies of the model before it.
    last = batch.performance[jnp.arange(count), batch.length - 1]
    performance = jnp.where(batch.backup_ok[:, None], batch.backup_performance, last)
    models = _Models(batch.actions, batch.performance, batch.length, performance)
    weights = (batch.discount > 0).astype(jnp.float32)
    if actor_state == "both":
        length = batch.length - 1
        seen = last if backup == "trained" else jax.vmap(reached)(batch.performance, length)
        before = _Models(batch.actions, batch.performance, length, seen)
        models = jax.tree.map(lambda *rows: jnp.concatenate(rows), models, before)
        weights = jnp.concatenate([weights, jnp.ones(count)])
    actor_key, critic_key = jax.random.split(key)
    s = _encode(imr, models.actions, models.performance, models.length)
    action = nets.actor.apply_train(params, s, actor_key)
    after = _write(imr, s, models.length, action, models.next_performance)
    values = nets.critic.apply_train(critic, after, critic_key)
    return -(values * weights).sum() / jnp.maximum(weights.sum(), 1)


def update(
    key: jax.Array,
    state: DdpgState,
    imr: Imr,
    batch: Batch,
    *,
    nets: Nets,
    config: TrlHpoConfig,
    invalid: float,
) -> tuple[DdpgState, Metrics]:
    """One step of critic, actor and both target nets; the key is consumed (dropout)."""
    critic_key, actor_key = jax.random.split(key)
    targets = critic_targets(state, imr, batch, nets=nets, invalid=invalid)
    (loss, q_tm1), gradients = jax.value_and_grad(critic_loss, has_aux=True)(
        state.critic, imr, batch, targets, critic_key, nets=nets, backup=config.backup
    )
    optimizer = optax.adam(config.critic_learning_rate)
    updates, critic_optimizer = optimizer.update(gradients, state.critic_optimizer)
    critic = optax.apply_updates(state.critic, updates)

    policy_loss, gradients = jax.value_and_grad(actor_loss)(
        state.actor,
        critic,
        imr,
        batch,
        actor_key,
        nets=nets,
        actor_state=config.actor_state,
        backup=config.backup,
    )
    optimizer = optax.adam(config.actor_learning_rate)
    updates, actor_optimizer = optimizer.update(gradients, state.actor_optimizer)
    actor = optax.apply_updates(state.actor, updates)

    rate = config.target_rate
    metrics = {
        "critic_loss": loss,
        "actor_loss": policy_loss,
        "q_mean": q_tm1.mean(),
        "target_mean": targets.mean(),
    }
    return DdpgState(
        actor=actor,
        critic=critic,
        target_actor=optax.incremental_update(actor, state.target_actor, rate),
        target_critic=optax.incremental_update(critic, state.target_critic, rate),
        actor_optimizer=actor_optimizer,
        critic_optimizer=critic_optimizer,
        num_updates=state.num_updates + 1,
    ), metrics
