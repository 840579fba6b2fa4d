"""The reward vector: a primary component and any number of secondary ones (AUTOCoMET, III.D.1)."""

import dataclasses

import jax
import jax.numpy as jnp

from nasjax.config import check, unknown
from nasjax.controllers.autocomet.config import AutocometConfig
from nasjax.errors import UserError
from nasjax.types import Costs, Outcome


def limited_cost(config: AutocometConfig, costs: Costs) -> str | None:
    """The cost that `config.target` bounds: the first among the secondaries; None: no bound."""
    if config.secondary_reward == "cost":
        return None
    return next((name for name in secondaries(config, costs) if name in costs.names), None)


def with_max_cost(config: AutocometConfig, max_cost: float, costs: Costs) -> AutocometConfig:
    """The config; an open `target` becomes the search's `max_cost` if it is of the first cost."""
    is_open = config.target is None and limited_cost(config, costs) == costs.names[0]
    return dataclasses.replace(config, target=max_cost) if is_open else config


def secondaries(config: AutocometConfig, costs: Costs) -> tuple[str, ...]:
    """Names of the components that have a potential."""
    wanted = costs.names if config.secondaries is None else config.secondaries
    return tuple(name for name in wanted if name != config.primary)


class Components:
    """Reads the reward vector from outcomes; all static.

    Raises:
      UserError: a component is unknown or listed twice, a target is missing, a median is not > 0.
    """

    def __init__(self, config: AutocometConfig, costs: Costs):
        self._config, self._costs = config, costs
        self.secondaries = secondaries(config, costs)
        self._check("primary", config.primary)
        for name in self.secondaries:
            self._check("secondaries", name)
        again = config.secondaries is not None and config.primary in config.secondaries
        others = f"others than controller.primary={config.primary!r}"
        check(not again, "controller.secondaries", config.secondaries, others)
        twice = len(set(self.secondaries)) < len(self.secondaries)
        check(not twice, "controller.secondaries", self.secondaries, "different ones")
        self._limited = limited_cost(config, costs)
        missing = self._limited is not None and config.target is None
        allowed = f"a number, in the unit of {self._limited!r}"
        check(not missing, "controller.target", None, allowed)

    def _check(self, key: str, name: str) -> None:
        known = ["reward", "accuracy", *self._costs.names]
        if name not in known:
            raise UserError(unknown(f"component config.controller.{key}={name!r}", name, known))
        if name in self._costs.names:
            median = self._costs.medians[self._costs.names.index(name)]
            usable = "costs with a median above 0 (NaN: no architecture can be run)"
            check(median > 0, f"controller.{key}", f"{name} of median {median:g}", usable)

    @property
    def is_limited(self) -> jax.Array:
        """Whether a secondary has the target, [S] bool."""
        return jnp.array([name == self._limited for name in self.secondaries], bool)

    def vector(self, outcome: Outcome, rewards: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The primary [B] and the secondaries [S, B] of B rows, from their rewards [B]."""
        primary = self._component(self._config.primary, outcome, rewards)
        rest = [self._component(name, outcome, rewards) for name in self.secondaries]
        return primary, jnp.stack(rest) if rest else jnp.zeros((0, len(rewards)))

    def _component(self, name: str, outcome: Outcome, rewards: jax.Array) -> jax.Array:
        if name == "reward":
            return rewards
        if name == "accuracy":
            return outcome.accuracy
        column = self._costs.names.index(name)
        cost = outcome.costs[:, column]
        counted = cost / self._costs.medians[column]
        if name == self._limited:
            assert self._config.target is not None
            excess = cost / self._config.target - 1
            is_broken = (excess > 0).astype(jnp.float32)
            counted = is_broken * (excess if self._config.secondary_reward == "excess" else 1)
        return jnp.where(outcome.ok, -counted, self._config.infeasible)
