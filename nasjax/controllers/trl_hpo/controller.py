"""TRL-HPO as a controller: grow models, learn from replayed layers, validate without noise."""

import functools
import math
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp

from nasjax.config import check
from nasjax.controllers import replay
from nasjax.controllers.replay import Replay
from nasjax.controllers.trl_hpo import ddpg, growth
from nasjax.controllers.trl_hpo.config import TrlHpoConfig
from nasjax.controllers.trl_hpo.growth import Growth
from nasjax.controllers.trl_hpo.imr import Imr, encode_model, init_imr
from nasjax.controllers.trl_hpo.networks import make_actor, make_critic
from nasjax.controllers.trl_hpo.noise import ornstein_uhlenbeck
from nasjax.types import (
    BACKUP,
    GROW,
    VALIDATE,
    Controller,
    Metrics,
    Outcome,
    Phase,
    Proposal,
    Request,
)


class TrlHpoState(flax.struct.PyTreeNode):
    """The state that the controller carries.

    Attributes:
      ddpg, imr: see `DdpgState` and `Imr`.
      replay: a row is a dict of `actions` [L, A], `performance` [L, P] (uint8 counts, or float32 if
        the evaluator does not count), `length`, `reward`, `discount`.
      grown, validated: the growth and the validation episode under way.
      sampled: the replayed rows [N, ...] of the update under way.
      backup_action: [N, A], the target actor's next actions for them.
      round: [] int32.
      best_validation: [] float32; stale: [] int32, rounds since it was reached.
    """

    ddpg: ddpg.DdpgState
    imr: Imr
    replay: Replay
    grown: Growth
    validated: Growth
    sampled: dict[str, jax.Array]
    backup_action: jax.Array
    round: jax.Array
    best_validation: jax.Array
    stale: jax.Array


def make_trl_hpo(config: TrlHpoConfig, request: Request) -> Controller:
    """The controller of one search.

    Raises:
      UserError: the search ends before its replay holds `config.min_size` rows, or no accuracy
        reaches `config.min_accuracy`.
    """
    least, best = config.min_accuracy, request.best_accuracy
    if least is not None and best is not None:
        allowed = f"at most {best:.4f}, the best of the table, or None"
        check(least <= best, "controller.min_accuracy", least, allowed)
    models, layers = config.models_per_episode, request.space.num_layers
    rounds = math.ceil(request.queries(models * layers) / (models * layers))
    most = rounds * models * layers
    allowed = f"at most {most} ({rounds} rounds x {models} models x {layers} layers) to ever learn"
    learns = config.min_size <= most or config.updates_per_episode == 0
    check(learns, "controller.min_size", config.min_size, allowed)
    return _TrlHpo(config, request).controller()


class _TrlHpo:
    """The phases as methods over static settings; all state is an argument."""

    def __init__(self, config: TrlHpoConfig, request: Request):
        self.config, self.space, self.request = config, request.space, request
        self.performance_size, self.counts_of = request.performance_size, request.counts_of
        self.trains_backups = config.backup == "trained"
        actor = make_actor(config, self.space.num_layers, self.space.action_size)
        self.nets = ddpg.Nets(actor, make_critic(config, self.space.num_layers))
        self.observe = functools.partial(
            growth.observe, min_gain=config.min_gain, min_accuracy=config.min_accuracy
        )

    def controller(self) -> Controller:
        c, layers = self.config, self.space.num_layers
        return Controller(
            init=self.init,
            round=(
                Phase("grow", c.models_per_episode, layers, self.propose_growth, self.grow),
                Phase(
                    "learn", c.batch_size, c.updates_per_episode, self.propose_backup, self.learn
                ),
                Phase("validate", 1, layers, self.propose_validation, self.validate),
            ),
            finished=self.finished,
            num_updates=lambda state: state.ddpg.num_updates,
            params=lambda state: {"actor": state.ddpg.actor, "critic": state.ddpg.critic},
        )

    def init(self, key: jax.Array) -> TrlHpoState:
        nets_key, imr_key = jax.random.split(key)
        c, space, size = self.config, self.space, self.performance_size
        counted = jnp.uint8 if self.counts_of else jnp.float32
        row = {
            "actions": jnp.zeros((space.num_layers, space.action_size)),
            "performance": jnp.zeros((space.num_layers, size), counted),
            "length": jnp.int32(1),
            "reward": jnp.float32(0),
            "discount": jnp.float32(0),
        }
        return TrlHpoState(
            ddpg=ddpg.init_ddpg(nets_key, self.nets, c),
            imr=init_imr(imr_key, space.action_size, size, c.embed_size),
            replay=replay.make_replay(row, c.replay_capacity),
            grown=growth.start(c.models_per_episode, space, size),
            validated=growth.start(1, space, size),
            sampled=jax.tree.map(lambda leaf: jnp.stack([leaf] * c.batch_size), row),
            backup_action=jnp.zeros((c.batch_size, space.action_size)),
            round=jnp.int32(0),
            best_validation=jnp.float32(0),
            stale=jnp.int32(0),
        )

    def finished(self, state: TrlHpoState) -> jax.Array:
        return state.stale >= self.config.patience

    # Grow: the target actor acts, with noise; every layer is a transition.

    def propose_growth(self, key: jax.Array, state: TrlHpoState) -> tuple[Proposal, TrlHpoState]:
        c, grown = self.config, state.grown
        noise = ornstein_uhlenbeck(key, grown.noise, theta=c.noise_theta, sigma=c.noise_sigma)
        if c.noisy_rounds is not None:
            noise = jnp.where(state.round < c.noisy_rounds, noise, 0)
        action = jnp.clip(self.act(state, growth.states(state.imr, grown)) + noise, 0, 1)
        grown = growth.put_layer(grown.replace(noise=noise), action, self.space)
        proposal = growth.propose(grown, ~self.finished(state), GROW)
        return proposal, state.replace(grown=grown)

    def grow(
        self,
        key: jax.Array,
        state: TrlHpoState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[TrlHpoState, Metrics]:
        grown = self.observe(state.grown, outcome, rewards)
        rows = len(rewards)
        row = {
            "actions": grown.actions,
            "performance": self.counted(grown.performance),
            "length": jnp.full(rows, grown.step + 1),
            "reward": rewards.astype(jnp.float32),
            "discount": jnp.where(grown.growing, jnp.float32(self.config.discount), 0),
        }
        kept = replay.add(state.replay, row, proposal.mask)
        return state.replace(replay=kept, grown=self.advance(grown)), {}

    # Learn: back-up rows evaluate the next layers of the target policy.

    def propose_backup(self, key: jax.Array, state: TrlHpoState) -> tuple[Proposal, TrlHpoState]:
        rows = replay.sample(key, state.replay, self.config.batch_size)
        performance = self.measured(rows["performance"])
        states = jax.vmap(encode_model, in_axes=(None, 0, 0, 0))(
            state.imr, rows["actions"], performance, rows["length"]
        )
        action = self.act(state, states)
        last = jnp.arange(len(performance)), rows["length"] - 1
        proposal = Proposal(
            architecture=jax.vmap(self.decode_with_next)(rows["actions"], rows["length"], action),
            mask=self.learning(state) & (rows["discount"] > 0) & self.trains_backups,
            purpose=jnp.full(len(performance), BACKUP, jnp.int32),
            baseline=performance[last],
        )
        return proposal, state.replace(sampled=rows, backup_action=action)

    def learn(
        self,
        key: jax.Array,
        state: TrlHpoState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[TrlHpoState, Metrics]:
        rows = state.sampled
        batch = ddpg.Batch(
            actions=rows["actions"],
            performance=self.measured(rows["performance"]),
            length=rows["length"],
            reward=rows["reward"],
            discount=rows["discount"],
            backup_action=state.backup_action,
            backup_performance=outcome.accuracies if self.trains_backups else proposal.baseline,
            backup_ok=outcome.ok | (not self.trains_backups),
        )
        learned, metrics = ddpg.update(
            key,
            state.ddpg,
            state.imr,
            batch,
            nets=self.nets,
            config=self.config,
            invalid=self.request.invalid_reward,
        )
        learning = self.learning(state)
        kept = jax.tree.map(lambda new, old: jnp.where(learning, new, old), learned, state.ddpg)
        metrics = {name: jnp.where(learning, v, jnp.nan) for name, v in metrics.items()}
        return state.replace(ddpg=kept), metrics

    # Validate: one model without noise, every few rounds; patience counts from the first update.

    def propose_validation(
        self, key: jax.Array, state: TrlHpoState
    ) -> tuple[Proposal, TrlHpoState]:
        action = self.act(state, growth.states(state.imr, state.validated))
        validated = growth.put_layer(state.validated, action, self.space)
        proposal = growth.propose(validated, self.validating(state), VALIDATE)
        return proposal, state.replace(validated=validated)

    def validate(
        self,
        key: jax.Array,
        state: TrlHpoState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[TrlHpoState, Metrics]:
        before = growth.states(state.imr, state.validated)
        validated = self.observe(state.validated, outcome, rewards)
        after = growth.states(state.imr, validated.replace(step=validated.step + 1))
        metrics = {
            "attention_actor": self.nets.actor.apply(state.ddpg.target_actor, before)[1][0],
            "attention_critic": self.nets.critic.apply(state.ddpg.target_critic, after)[1][0],
        }
        metrics = metrics if self.config.network == "transformer" else {}
        last = validated.step + 1 == self.space.num_layers
        validating = self.validating(state) & last
        better = validating & (validated.score[0] > state.best_validation)
        stale = state.stale + jnp.where(validating, self.config.validate_every, 0)
        return state.replace(
            validated=self.advance(validated),
            best_validation=jnp.where(better, validated.score[0], state.best_validation),
            stale=jnp.where(better, 0, stale),
            round=state.round + last,
        ), metrics

    # Steps that the phases share.

    def act(self, state: TrlHpoState, states: jax.Array) -> jax.Array:
        """The target actor's actions [R, A] in the states [R, L, E]."""
        return self.nets.actor.apply(state.ddpg.target_actor, states)[0]

    def learning(self, state: TrlHpoState) -> jax.Array:
        """Whether the replay holds enough rows to learn from, [] bool."""
        return (state.replay.size >= self.config.min_size) & ~self.finished(state)

    def validating(self, state: TrlHpoState) -> jax.Array:
        """Whether this round validates, [] bool."""
        due = (state.round + 1) % self.config.validate_every == 0
        return due & (state.ddpg.num_updates > 0) & ~self.finished(state)

    def advance(self, episode: Growth) -> Growth:
        """Moves to the next layer, or to the start of the next episode."""
        ended = episode.step + 1 == self.space.num_layers
        fresh = growth.start(len(episode.growing), self.space, self.performance_size)
        moved = episode.replace(step=episode.step + 1)
        return jax.tree.map(lambda new, old: jnp.where(ended, new, old), fresh, moved)

    def decode_with_next(
        self, actions: jax.Array, length: jax.Array, action: jax.Array
    ) -> jax.Array:
        """The model [L, F] of the first `length` [] of the actions [L, A] and one more [A]."""
        shape = (self.space.num_layers, self.space.layer_width)
        architecture = jnp.zeros(shape, jnp.int32)
        for i in range(self.space.num_layers):
            wanted = jnp.where(i == length, action, actions[i])
            layer = self.space.decode(wanted, architecture, jnp.int32(i))
            architecture = architecture.at[i].set(jnp.where(i <= length, layer, 0))
        return architecture

    def counted(self, performance: jax.Array) -> jax.Array:
        """Accuracies as the replay keeps them."""
        if self.counts_of is None:
            return performance
        return jnp.round(performance * self.counts_of).astype(jnp.uint8)

    def measured(self, kept: Any) -> jax.Array:
        """Accuracies from what the replay keeps."""
        if self.counts_of is None:
            return kept
        return kept.astype(jnp.float32) / self.counts_of
