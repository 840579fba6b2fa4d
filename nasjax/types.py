"""What flows through a search: proposals, outcomes, and the four kinds of parts that pass them on.

Legend of dimension letters, used wherever an array is defined:

    B  rows of one exchange (candidates asked for at once)
    L  layers (slots) of an architecture           F  integers that encode one layer
    A  values of one action, each in [0, 1]        P  fixed validation batches
    S  costs per candidate (latency, energy, ...)  E  width of an embedded layer
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import flax.struct
import jax
import numpy as np

# A learner that made fewer updates is marked untrained: its results are no evidence for or against
# its learning.
UNTRAINED_BELOW_UPDATES = 100

State = Any  # a pytree
Metrics = Mapping[str, jax.Array]

# Why a row is asked for. Validation rows are free of charge: they are not counted as queries.
GROW, BACKUP, VALIDATE, PROPOSE = 0, 1, 2, 3
PURPOSES = ("grow", "backup", "validate", "propose")

# What became of a row: ordinary outcomes all, never exceptions. STOPPED: its training was given up
# early as hopeless; what it had reached is its accuracy. INFEASIBLE: a cost is infinite, a device
# cannot run it.
OK, INVALID, DIVERGED, OVER_MEMORY, STOPPED, INFEASIBLE = range(6)
STATUSES = ("ok", "invalid", "diverged", "over_memory", "stopped", "infeasible")
MEASURED = ("ok", "stopped")  # those that hold accuracies


class Proposal(NamedTuple):
    """The architectures of one exchange.

    Attributes:
      architecture: [B, L, F] int32; a prefix is padded with rows of zeros.
      mask: [B] bool; rows that are False cost nothing and are not counted.
      purpose: [B] int32, one of GROW, BACKUP, VALIDATE, PROPOSE.
      baseline: [B, P] float32, the previous prefix's accuracies; zeros before a first layer.
    """

    architecture: jax.Array
    mask: jax.Array
    purpose: jax.Array
    baseline: jax.Array


class Outcome(NamedTuple):
    """What was measured of a proposal's rows; accuracies of rows that are not ok are zeros.

    Attributes:
      accuracies: [B, P] float32 in [0, 1], on the fixed validation batches.
      accuracy: [B] float32 in [0, 1], on the whole search-validation split.
      costs: [B, S] float32, in the units that the evaluator names; infinite where a device cannot
        run it, zeros where it cannot be built.
      status: [B] int32, index of STATUSES.
    """

    accuracies: jax.Array
    accuracy: jax.Array
    costs: jax.Array
    status: jax.Array

    @property
    def ok(self) -> jax.Array:
        """[B] bool: the row was built, trained (if not to the end) and measured."""
        return (self.status == OK) | (self.status == STOPPED)


class Space(Protocol):
    """What can be built. Methods on arrays are pure and may be traced."""

    @property
    def num_layers(self) -> int:
        """L."""
        ...

    @property
    def layer_width(self) -> int:
        """F."""
        ...

    @property
    def action_size(self) -> int:
        """A."""
        ...

    def decode(self, action: jax.Array, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """[A] in [0, 1], [L, F], [] -> the layer [F] that the action adds to the prefix."""
        ...

    def is_valid(self, architecture: jax.Array) -> jax.Array:
        """[L, F] -> [] bool: every layer fits the output of the one before."""
        ...

    def sample(self, key: jax.Array) -> jax.Array:
        """A random valid architecture [L, F]; the key is consumed."""
        ...

    def to_text(self, architecture: Any) -> str:
        """One readable line."""
        ...

    def to_layers(self, architecture: Any) -> list[dict[str, Any]]:
        """Plain data for JSON, a dict a layer."""
        ...


class MutableSpace(Space, Protocol):
    """A space in which an architecture has neighbours."""

    def mutate(self, key: jax.Array, architecture: jax.Array) -> jax.Array:
        """A random valid neighbour [L, F] of a valid architecture; the key is consumed."""
        ...


class DiscreteSpace(Space, Protocol):
    """A space whose layers can be listed: K options, and ending as one more choice."""

    @property
    def options(self) -> np.ndarray:
        """[K, F] int32, all layers there are."""
        ...

    def allowed(self, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """[L, F], [] -> [K + 1] bool: which options may follow; the last: whether to end here."""
        ...


class Phase(NamedTuple):
    """One kind of exchange, repeated. `rows` and `repeats` are static.

    propose: (key, state) -> (Proposal, state)
    update: (key, state, Proposal, Outcome, rewards [B]) -> (state, Metrics)
    """

    name: str
    rows: int
    repeats: int
    propose: Callable[[jax.Array, State], tuple[Proposal, State]]
    update: Callable[[jax.Array, State, Proposal, Outcome, jax.Array], tuple[State, Metrics]]


class Controller(NamedTuple):
    """Who proposes and learns.

    init: (key) -> state
    round: the phases of one round (for TRL-HPO: one episode), in order.
    finished: (state) -> [] bool, its own patience is over; a finished controller only proposes
      masked rows.
    num_updates: (state) -> [] int32, gradient steps (or table updates) made so far.
    learns: False for one that never makes any.
    params: (state) -> what it learns, by name: trees of arrays, to be counted.
    """

    init: Callable[[jax.Array], State]
    round: tuple[Phase, ...]
    finished: Callable[[State], jax.Array]
    num_updates: Callable[[State], jax.Array]
    learns: bool = True
    params: Callable[[State], Mapping[str, Any]] = lambda state: {}


class Evaluator(NamedTuple):
    """Who measures.

    evaluate: (seed_key, Proposal) -> Outcome. A row's numbers depend on its architecture and the
      seed key alone: not on its mates, its position or what was evaluated before.
    pure: True if `evaluate` may be traced (tables, landscapes).
    provenance: (architecture [L, F]) -> how its last result was come by (source, seconds, ...),
      for the records only; nothing learned may depend on it.
    cost_names: [S] of the outcomes' costs, the unit at the end.
    """

    evaluate: Callable[[jax.Array, Proposal], Outcome]
    pure: bool
    provenance: Callable[[Any], dict[str, Any]] = lambda architecture: {}
    cost_names: tuple[str, ...] = ()


Reward = Callable[[Proposal, Outcome], jax.Array]


class Best(flax.struct.PyTreeNode):
    """The first architecture [L, F] to reach the highest accuracy []; zeros before any."""

    accuracy: jax.Array
    architecture: jax.Array


class SearchState(flax.struct.PyTreeNode):
    """All that a search carries.

    Attributes:
      controller: its state.
      best: of all rows that may be the answer, see `SearchConfig.max_cost`; best_noise_free: of the
        validation rows among them.
      queries: [] int32, unmasked rows that are not validation, repeats and invalid ones included.
      exchanges, round: [] int32, made so far.
    """

    controller: Any
    best: Best
    best_noise_free: Best
    queries: jax.Array
    exchanges: jax.Array
    round: jax.Array


class Exchange(NamedTuple):
    """What happened in one exchange, for records and progress."""

    round: int
    phase: str
    repeat: int
    proposal: Proposal
    outcome: Outcome
    rewards: jax.Array
    metrics: Metrics


class Observer(Protocol):
    """Who is told: records, checkpoints, progress. It cannot change the search."""

    def on_exchange(self, exchange: Exchange) -> None:
        """After every exchange."""

    def on_round(self, state: SearchState) -> None:
        """After every round."""
