"""The update rule of AUTOCoMET: one gradient step of Q and of every potential (shaping.py)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import optax

from nasjax.config import check
from nasjax.controllers.autocomet import shaping
from nasjax.controllers.autocomet.config import AutocometConfig
from nasjax.controllers.autocomet.networks import ValueNet
from nasjax.types import Metrics

LearnedParams = Mapping[str, Any]  # "q" and "potentials": parameters that searches left


class LearnerState(flax.struct.PyTreeNode):
    """Q and the potentials.

    Attributes:
      q: parameters of Q; phi: those of the S potentials, stacked along a first axis.
      q_moments, phi_moments: the moments of Adam.
      epsilon: [S], the weights of the potentials.
    """

    q: Any
    phi: Any
    q_moments: Any
    phi_moments: Any
    epsilon: jax.Array


class Batch(NamedTuple):
    """N episodes to learn from.

    Attributes:
      encoded: [N, L, K, F], features of every prefix with each of the K actions appended.
      actions: [N, L] int32; primary: [N, L]; secondary: [S, N, L], rewards of the layers.
    """

    encoded: jax.Array
    actions: jax.Array
    primary: jax.Array
    secondary: jax.Array


class UpdateRule:
    """The nets and their update rule; all static.

    Args:
      names: names of the secondaries.
      is_choice: [L, K] bool, the actions that a layer has.
      learned: leaves [M, ...] of M nets, one of which is drawn to start from; None: random nets.
        Its potentials are used if there are S of them, whatever their secondaries were.
    """

    def __init__(
        self,
        config: AutocometConfig,
        names: tuple[str, ...],
        is_choice: jax.Array,
        learned: LearnedParams | None,
    ):
        self.config, self.names, self.is_choice = config, names, is_choice
        self.learned = learned
        self.biases_policy = config.shaping == "policy"
        self.q = ValueNet(config.width, config.initial_value)
        self.phi = ValueNet(config.width)
        self.q_optimizer = optax.adam(config.learning_rate)
        self.phi_optimizer = optax.adam(config.potential_learning_rate)

    def init(self, key: jax.Array, encoded: jax.Array, epsilon: jax.Array) -> LearnerState:
        """The state before the first update, with epsilon [S]; the key is consumed.

        `encoded` [N, F] gives the number of features. A UserError says that the learned parameters
        have the shapes of other nets.
        """
        q_key, phi_key, draw_key = jax.random.split(key, 3)
        q = self.q.init(q_key, encoded)
        phi_keys = jax.random.split(phi_key, len(self.names))
        phi = jax.vmap(lambda key: self.phi.init(key, encoded))(phi_keys)
        if self.learned is not None:
            drawn = jax.random.randint(draw_key, (), 0, len(self.config.initial))
            learned = jax.tree.map(lambda leaf: jnp.asarray(leaf)[drawn], self.learned)
            fits = _shapes(learned.get("q")) == _shapes(q)
            allowed = f"Q of this space and controller.width={self.config.width}"
            check(fits, "controller.initial", self.config.initial, allowed)
            q = learned["q"]
            if _shapes(learned.get("potentials")) == _shapes(phi):
                phi = learned["potentials"]
        q_moments, phi_moments = self.q_optimizer.init(q), self.phi_optimizer.init(phi)
        return LearnerState(
            q=q, phi=phi, q_moments=q_moments, phi_moments=phi_moments, epsilon=epsilon
        )

    def values(self, learner: LearnerState, encoded: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Q [...] and the potentials [S, ...] of features [..., F]."""
        phi = jax.vmap(self.phi.apply, in_axes=(0, None))(learner.phi, encoded)
        return self.q.apply(learner.q, encoded), phi  # type: ignore[return-value]

    def preferences(self, learner: LearnerState, encoded: jax.Array) -> jax.Array:
        """Preferences [K] for the actions on a prefix; they lead to the features [K, F]."""
        q, phi = self.values(learner, encoded)
        return shaping.preferences(q, phi, learner.epsilon) if self.biases_policy else q

    def learn(self, learner: LearnerState, batch: Batch) -> tuple[LearnerState, Metrics]:
        """One gradient step of Q and of every potential."""
        q_all, _ = self.values(learner, batch.encoded)  # [N, L, K]
        taken = jnp.take_along_axis(batch.encoded, batch.actions[..., None, None], axis=2)[:, :, 0]
        _, phi = self.values(learner, taken)  # [S, N, L]
        best = jnp.where(self.is_choice[None], q_all, -jnp.inf).max(-1)
        discount = self.config.discount
        shaped = jnp.zeros_like(batch.primary)
        if not self.biases_policy:
            shaped = (learner.epsilon[:, None, None] * phi).sum(0)
        q_target = shaping.q_target(batch.primary, discount, shaping.next_layer(best), shaped)
        phi_target = shaping.potential_target(batch.secondary, discount, shaping.next_layer(phi))

        def loss(q: Any, phi: Any) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
            q_values, phi_values = self.values(learner.replace(q=q, phi=phi), taken)
            q_loss = jnp.square(q_values - q_target).mean()
            phi_losses = jnp.square(phi_values - phi_target).mean((1, 2))
            return q_loss + phi_losses.sum(), (q_loss, phi_losses)

        gradient, (q_loss, phi_losses) = jax.grad(loss, argnums=(0, 1), has_aux=True)(
            learner.q, learner.phi
        )
        q_updates, q_moments = self.q_optimizer.update(gradient[0], learner.q_moments)
        phi_updates, phi_moments = self.phi_optimizer.update(gradient[1], learner.phi_moments)
        learner = learner.replace(
            q=optax.apply_updates(learner.q, q_updates),
            phi=optax.apply_updates(learner.phi, phi_updates),
            q_moments=q_moments,
            phi_moments=phi_moments,
        )
        losses = {f"loss/{name}": phi_losses[i] for i, name in enumerate(self.names)}
        return learner, {"q_loss": q_loss} | losses


def _shapes(tree: Any) -> Any:
    return jax.tree.map(jnp.shape, tree)
