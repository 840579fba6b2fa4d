"""AUTOCoMET as a controller: build architectures by the policy, learn Q and the potentials."""

from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nasjax.config import check
from nasjax.controllers import replay
from nasjax.controllers.autocomet import diagnostics, shaping
from nasjax.controllers.autocomet.config import AutocometConfig
from nasjax.controllers.autocomet.learning import Batch, LearnedParams, LearnerState, UpdateRule
from nasjax.controllers.autocomet.networks import make_encoder
from nasjax.controllers.autocomet.rewards import Components
from nasjax.controllers.proposals import propose_whole
from nasjax.controllers.replay import Replay
from nasjax.spaces.slots import SlotSpace
from nasjax.types import GROW, VALIDATE, Controller, Metrics, Outcome, Phase, Proposal, Request


class AutocometState(flax.struct.PyTreeNode):
    """The state that the controller carries, with M models per round.

    Attributes:
      learner: see `LearnerState`.
      replay: all episodes so far. A row is a dict of `actions` [L] int8 and the components of the
        prefixes, `primary` [L] and `secondary` [S, L].
      actions: [M, L] int32, the architectures that are being evaluated.
      last_primary: [] primary of the last candidate evaluated, for equation 3.
      episodes, updates: [] int32, numbers so far.
      best: [] the primary of a whole architecture that last exceeded `best` by more than tau.
      stale: [] int32, rounds since then.
      has_answered: [] bool, the search has finished and its last architecture was proposed.
    """

    learner: LearnerState
    replay: Replay
    actions: jax.Array
    last_primary: jax.Array
    episodes: jax.Array
    updates: jax.Array
    best: jax.Array
    stale: jax.Array
    has_answered: jax.Array


def make_autocomet(
    config: AutocometConfig, request: Request, learned: LearnedParams | None = None
) -> Controller:
    """The controller of one search.

    Args:
      learned: parameters that other searches left, to start from; None: random nets.

    Raises:
      UserError: the space has no slots, a component is unknown, its target is missing, or
        `learned` does not fit.
    """
    has_slots = isinstance(request.space, SlotSpace)
    allowed = "another one in this space: it has no slots"
    check(has_slots, "controller.name", "autocomet", allowed)
    return _Autocomet(config, request, learned).controller()


class _Autocomet:
    """The phases as methods over static settings; all state is an argument."""

    def __init__(self, config: AutocometConfig, request: Request, learned: LearnedParams | None):
        self.config, self.performance_size = config, request.performance_size
        self.space: SlotSpace = request.space
        self.components = Components(config, request.costs)
        self.num_secondaries = len(self.components.secondaries)
        self.epsilon = jnp.asarray(config.epsilons(self.num_secondaries), jnp.float32)
        self.layers, self.models = self.space.num_layers, config.models_per_round
        per_episode = 1 if config.credit == "final" else self.layers
        queries = request.queries(self.models * per_episode)
        self.max_episodes = max(1, -(-queries // per_episode))
        first, count = self.space.choices.T.astype(np.int32)
        self.first = jnp.asarray(first)
        self.is_choice = jnp.asarray(np.arange(count.max()) < count[:, None])
        self.encode = make_encoder(self.space)
        self.rule = UpdateRule(config, self.components.secondaries, self.is_choice, learned)

    def controller(self) -> Controller:
        validate = Phase("validate", 1, 1, self.propose_validation, self.validate)
        grow = Phase("grow", self.models * self.layers, 1, self.propose, self.update)
        return Controller(
            init=self.init,
            round=(grow, validate),
            finished=self.finished,
            num_updates=lambda state: state.updates,
            params=lambda state: {"q": state.learner.q, "potentials": state.learner.phi},
        )

    def init(self, key: jax.Array) -> AutocometState:
        empty = self.encode(jnp.zeros((1, self.layers), jnp.int32), jnp.int32(1))
        row = {
            "actions": jax.ShapeDtypeStruct((self.layers,), jnp.int8),
            "primary": jax.ShapeDtypeStruct((self.layers,), jnp.float32),
            "secondary": jax.ShapeDtypeStruct((self.num_secondaries, self.layers), jnp.float32),
        }
        # It holds the whole search, also without replays: ranks and new attempts read all of it.
        capacity = max(self.models, self.max_episodes)
        return AutocometState(
            learner=self.rule.init(key, empty, self.epsilon),
            replay=replay.make_replay(row, capacity),
            actions=jnp.zeros((self.models, self.layers), jnp.int32),
            last_primary=jnp.float32(0),
            episodes=jnp.int32(0),
            updates=jnp.int32(0),
            best=jnp.float32(-1e9),
            stale=jnp.int32(0),
            has_answered=jnp.bool_(False),
        )

    def finished(self, state: AutocometState) -> jax.Array:
        patience = self.config.patience
        return jnp.bool_(False) if patience is None else state.stale >= patience

    # --- building ---------------------------------------------------------------------------------

    def temperature(self, episodes: jax.Array) -> jax.Array:
        """The policy's temperature [] after `episodes` [] episodes."""
        first, last = self.config.temperature, self.config.final_temperature
        share = jnp.minimum(episodes / self.max_episodes, 1.0)
        return jnp.float32(first) * (1 if last is None else (last / first) ** share)

    def after(self, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """The prefixes [K, L] that the actions on a prefix [L] of `length` [] layers lead to."""
        added = 1 + self.first[length] + jnp.arange(self.is_choice.shape[1], dtype=jnp.int32)
        is_here = jnp.arange(self.layers) == length
        return jnp.where(is_here[None], added[:, None], prefix[None])

    def following(self, filled: jax.Array, length: jax.Array) -> jax.Array:
        """Features [K, F] of what each action leads to from the first `length` [] layers of [L]."""
        prefix = jnp.where(jnp.arange(self.layers) < length, filled, 0)
        return self.encode(self.after(prefix, length), length + 1)

    def build(self, learner: LearnerState, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Actions [L] and the prefixes [L, L] that they lead to, one slot after another.

        Each action maximises preference + noise [L, K]. Gumbel noise times a temperature draws from
        the softmax policy; zeros give the greedy architecture.
        """

        def grow(prefix: jax.Array, step: tuple[jax.Array, jax.Array]) -> Any:
            length, added = step
            following = self.after(prefix, length)
            preferred = self.rule.preferences(learner, self.encode(following, length + 1))
            action = jnp.where(self.is_choice[length], preferred + added, -jnp.inf).argmax()
            return following[action], (action, following[action])

        steps = jnp.arange(self.layers), noise
        return jax.lax.scan(grow, jnp.zeros(self.layers, jnp.int32), steps)[1]

    def build_new(self, state: AutocometState, noise: jax.Array) -> tuple[jax.Array, jax.Array]:
        """`build` of M models, noise [M, attempts, L, K]: the first new attempt, or the last.

        An architecture is new if neither the replay nor a model before it holds it.
        """
        build = jax.vmap(jax.vmap(self.build, in_axes=(None, 0)), in_axes=(None, 0))
        actions, prefixes = build(state.learner, noise)
        kept = state.replay.rows["actions"]
        is_there = jnp.arange(state.replay.capacity) < state.replay.size
        is_old = ((actions[:, :, None] == kept[None, None]).all(-1) & is_there[None, None]).any(-1)

        def choose(before: jax.Array, model: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            place, actions, prefixes, is_old = model
            is_old |= (actions[:, None] == before[None]).all(-1).any(-1)
            chosen = jnp.where(is_old.all(), len(actions) - 1, jnp.argmin(is_old))
            return before.at[place].set(actions[chosen]), (actions[chosen], prefixes[chosen])

        none = jnp.full((self.models, self.layers), -1, jnp.int32)
        models = jnp.arange(self.models), actions, prefixes, is_old
        return jax.lax.scan(choose, none, models)[1]

    def propose(self, key: jax.Array, state: AutocometState) -> tuple[Proposal, AutocometState]:
        shape = (self.models, self.config.attempts, *self.is_choice.shape)
        warmer = self.temperature(state.episodes) * 2.0 ** np.arange(self.config.attempts)
        noise = warmer[None, :, None, None] * jax.random.gumbel(key, shape)
        actions, prefixes = self.build_new(state, noise)
        is_asked = np.ones(self.layers, bool)
        if self.config.credit == "final":
            is_asked[:-1] = False
        mask = jnp.tile(is_asked, self.models) & ~self.finished(state)
        rows = prefixes.reshape(-1, self.layers, 1)
        proposal = propose_whole(rows, self.performance_size, mask, GROW)
        return proposal, state.replace(actions=actions)

    def propose_validation(
        self, key: jax.Array, state: AutocometState
    ) -> tuple[Proposal, AutocometState]:
        prefix = self.build(state.learner, jnp.zeros(self.is_choice.shape))[1][-1]
        is_due = (state.episodes // self.models) % self.config.validate_every == 0
        is_last = (state.episodes >= self.max_episodes) | self.finished(state)
        mask = (is_due | is_last) & ~state.has_answered
        return propose_whole(prefix[None, :, None], self.performance_size, mask, VALIDATE), state

    def validate(
        self,
        key: jax.Array,
        state: AutocometState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[AutocometState, Metrics]:
        state = state.replace(has_answered=self.finished(state))
        if not (self.rule.biases_policy and self.num_secondaries):
            return state, {}
        filled = proposal.architecture[0, :, 0]
        encoded = jax.vmap(self.following, in_axes=(None, 0))(filled, jnp.arange(self.layers))
        q, phi = self.rule.values(state.learner, encoded)
        found = diagnostics.compare_choices(q, phi, state.learner.epsilon, self.is_choice)
        return state, diagnostics.metrics_by_slot(found, self.space.slot_names, proposal.mask[0])

    # --- learning ---------------------------------------------------------------------------------

    def update(
        self,
        key: jax.Array,
        state: AutocometState,
        proposal: Proposal,
        outcome: Outcome,
        rewards: jax.Array,
    ) -> tuple[AutocometState, Metrics]:
        is_on = ~self.finished(state)
        primary, secondary = self.components.vector(outcome, rewards)
        primary = primary.reshape(self.models, self.layers)
        secondary = secondary.reshape(-1, self.models, self.layers)
        episodes = {
            "actions": state.actions.astype(jnp.int8),
            "primary": primary,
            "secondary": secondary.swapaxes(0, 1),
        }
        kept = replay.add(state.replay, episodes, jnp.broadcast_to(is_on, self.models))
        learner, last = self.regulate(state, primary, secondary)

        def step(
            learner: LearnerState, drawn: dict[str, jax.Array]
        ) -> tuple[LearnerState, Metrics]:
            return self.rule.learn(learner, self.batch(drawn, kept))

        updates, replays = self.config.updates, self.config.replays
        if replays:
            drawn = replay.sample(key, kept, updates * replays)
            drawn = jax.tree.map(lambda x: x.reshape(updates, replays, *x.shape[1:]), drawn)
        else:
            drawn = jax.tree.map(lambda x: jnp.broadcast_to(x, (updates, *x.shape)), episodes)
        learner, metrics = jax.lax.scan(step, learner, drawn)
        reached = primary[:, -1].max()
        grew = reached > state.best + self.config.tau
        new = state.replace(
            learner=learner,
            replay=kept,
            last_primary=last,
            episodes=state.episodes + self.models,
            updates=state.updates + self.config.updates,
            best=jnp.where(grew, reached, state.best),
            stale=jnp.where(grew, 0, state.stale + 1),
        )
        state = jax.tree.map(lambda new, old: jnp.where(is_on, new, old), new, state)
        metrics = jax.tree.map(lambda column: column[-1], metrics)
        names = self.components.secondaries
        traces = {f"epsilon/{name}": state.learner.epsilon[i] for i, name in enumerate(names)}
        return state, metrics | traces

    def regulate(
        self, state: AutocometState, primary: jax.Array, secondary: jax.Array
    ) -> tuple[LearnerState, jax.Array]:
        """The learner with epsilon after M models, and the primary of the last candidate.

        Args:
          primary: [M, L]; secondary: [S, M, L], components of the prefixes.
        """
        c, epsilon = self.config, state.learner.epsilon
        length = self.max_episodes if c.decay_episodes is None else c.decay_episodes
        evaluated = primary[:, -1:] if c.credit == "final" else primary
        last = jnp.where(state.episodes == 0, evaluated[0, 0], state.last_primary)
        for model, shapers in zip(evaluated, secondary.swapaxes(0, 1), strict=True):
            before = last
            if c.schedule == "equation_3_episode":
                before = jnp.float32(0)
            gains = jnp.diff(model, prepend=before[None])
            if c.schedule == "pies":
                epsilon = shaping.pies(epsilon, self.epsilon, length, c.threshold)
            elif c.schedule == "dual":
                is_broken = (shapers[:, -1] < 0).astype(jnp.float32)
                regulated = shaping.dual(epsilon, is_broken, c.allowed)
                epsilon = jnp.where(self.components.is_limited, regulated, epsilon)
            elif c.schedule == "regulated":
                epsilon = shaping.regulated(epsilon, gains.sum(), length, c.threshold)
            elif c.schedule != "constant":
                for gain in gains:
                    epsilon = shaping.equation_3(epsilon, gain, c.threshold)
            last = model[-1]
        return state.learner.replace(epsilon=epsilon), last

    def batch(self, episodes: dict[str, jax.Array], kept: Replay) -> Batch:
        """The batch of N replayed episodes; ranks are among all that are kept."""
        actions = episodes["actions"].astype(jnp.int32)
        by_layer = jax.vmap(self.following, in_axes=(None, 0))
        by_episode = jax.vmap(by_layer, in_axes=(0, None))
        encoded = by_episode(1 + self.first[None] + actions, jnp.arange(self.layers))
        return Batch(
            encoded=encoded,
            actions=actions,
            primary=shaping.credited(self.scaled(episodes["primary"], kept), self.config.credit),
            secondary=shaping.credited(episodes["secondary"], self.config.credit).swapaxes(0, 1),
        )

    def scaled(self, primary: jax.Array, kept: Replay) -> jax.Array:
        """The primary [N, L] on the scale that Q learns."""
        if self.config.scale == "raw":
            return primary
        among = kept.rows["primary"]
        is_there = jnp.arange(kept.capacity) < kept.size
        if self.config.credit == "final":
            return primary.at[:, -1].set(shaping.ranked(primary[:, -1], among[:, -1], is_there))
        is_there = jnp.repeat(is_there, self.layers)
        return shaping.ranked(primary, among.reshape(-1), is_there)
