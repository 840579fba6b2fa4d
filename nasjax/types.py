"""The types of a search: proposals, outcomes, and the interfaces of its four kinds of parts.

Legend of dimension letters, used wherever an array is defined:

    B  rows of one exchange (candidates asked for at once)
    L  layers (slots) of an architecture           F  integers that encode one layer
    A  values of one action, each in [0, 1]        P  fixed validation batches
    S  costs per candidate (latency, energy, ...)  E  width of an embedded layer
    K  options of a layer
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

State = Any  # a pytree
Metrics = Mapping[str, jax.Array]

# The purpose of a row. Validation rows are free: they are not counted as queries.
GROW, BACKUP, VALIDATE, PROPOSE = 0, 1, 2, 3
PURPOSES = ("grow", "backup", "validate", "propose")

# The status of a row; all are ordinary outcomes, never exceptions. STOPPED: its training was
# stopped early as hopeless, and its accuracy is the one reached by then. INFEASIBLE: a cost is
# infinite, because a device cannot run it.
OK, INVALID, DIVERGED, OVER_MEMORY, STOPPED, INFEASIBLE = range(6)
STATUSES = ("ok", "invalid", "diverged", "over_memory", "stopped", "infeasible")
MEASURED = ("ok", "stopped")  # statuses with accuracies

# A learner with fewer updates is marked as untrained: its results say nothing about its learning.
UNTRAINED_BELOW_UPDATES = 100


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
    """The measurements of a proposal's rows; accuracies of rows that are not ok are zeros.

    Attributes:
      accuracies: [B, P] float32 in [0, 1], on the fixed validation batches.
      accuracy: [B] float32 in [0, 1], on the whole search-validation split.
      costs: [B, S] float32, in the units that the evaluator names; infinite if a device cannot run
        the architecture, zeros if it cannot be built.
      status: [B] int32, index of STATUSES.
    """

    accuracies: jax.Array
    accuracy: jax.Array
    costs: jax.Array
    status: jax.Array

    @property
    def ok(self) -> jax.Array:
        """Whether a row was built, trained (perhaps not to the end) and measured, [B] bool."""
        return (self.status == OK) | (self.status == STOPPED)


class Space(Protocol):
    """The architectures that can be built. Methods on arrays are pure and may be traced."""

    @property
    def num_layers(self) -> int:
        """The largest number of layers, L."""

    @property
    def layer_width(self) -> int:
        """The integers that encode a layer, F."""

    @property
    def action_size(self) -> int:
        """The values of an action, A."""

    def decode(self, action: jax.Array, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """The layer [F] that an action [A] adds to a prefix [L, F] of `length` [] layers."""

    def is_valid(self, architecture: jax.Array) -> jax.Array:
        """Whether every layer fits the output of the layer before it, [L, F] -> [] bool."""

    def sample(self, key: jax.Array) -> jax.Array:
        """A random valid architecture [L, F]; the key is consumed."""

    def to_text(self, architecture: Any) -> str:
        """One readable line."""

    def to_layers(self, architecture: Any) -> list[dict[str, Any]]:
        """Plain data for JSON, one dict per layer."""


class MutableSpace(Space, Protocol):
    """A space in which an architecture has neighbours."""

    def mutate(self, key: jax.Array, architecture: jax.Array) -> jax.Array:
        """A random valid neighbour [L, F] of a valid architecture; the key is consumed."""


class DiscreteSpace(Space, Protocol):
    """A space whose layers can be listed: K options, and to end as one more choice."""

    @property
    def options(self) -> np.ndarray:
        """All layers, [K, F] int32."""

    def allowed(self, prefix: jax.Array, length: jax.Array) -> jax.Array:
        """The options that may follow a prefix [L, F], [K + 1] bool; the last: to end here."""


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
    """A search method: it proposes architectures and learns from their rewards.

    init: (key) -> state
    round: the phases of one round (for TRL-HPO: one episode), in order.
    finished: (state) -> [] bool, its own patience is used up; a finished controller proposes only
      masked rows. By default it never is.
    num_updates: (state) -> [] int32, gradient steps (or table updates) so far.
    learns: False for a controller without updates.
    params: (state) -> its learned parameters by name, trees of arrays.
    """

    init: Callable[[jax.Array], State]
    round: tuple[Phase, ...]
    finished: Callable[[State], jax.Array] = lambda state: jnp.bool_(False)
    num_updates: Callable[[State], jax.Array] = lambda state: jnp.int32(0)
    learns: bool = True
    params: Callable[[State], Mapping[str, Any]] = lambda state: {}


class Evaluator(NamedTuple):
    """A measurement of architectures, by training or from a table.

    evaluate: (seed_key, Proposal) -> Outcome. A row's numbers depend on its architecture and the
      seed key alone: not on other rows, its position or earlier evaluations.
    pure: True if `evaluate` may be traced (tables, surrogates).
    provenance: (architecture [L, F]) -> the origin of its last result (source, seconds, ...), for
      the records only; nothing learned may depend on it.
    cost_names: [S] names of the outcomes' costs, the unit at the end.
    """

    evaluate: Callable[[jax.Array, Proposal], Outcome]
    pure: bool
    provenance: Callable[[Any], dict[str, Any]] = lambda architecture: {}
    cost_names: tuple[str, ...] = ()


class Costs(NamedTuple):
    """The costs of an evaluator's outcomes, in the order of their columns.

    Attributes:
      names: [S], the unit at the end of each.
      medians: [S], each over the architectures that the device can run.
    """

    names: tuple[str, ...] = ()
    medians: tuple[float, ...] = ()


class Request(NamedTuple):
    """The facts that a controller may need of the other parts of a search.

    Attributes:
      space: the space it searches.
      performance_size: P.
      rounds, max_queries: of the search; it ends with whichever comes first.
      counts_of: images per validation batch, None if accuracies are no counts.
      invalid_reward: the reward of a row that cannot be built.
      costs: of the outcomes, besides accuracies.
      best_accuracy: the best that the search can see, None if nobody knows.
    """

    space: Any
    performance_size: int
    rounds: int
    max_queries: int | None = None
    counts_of: int | None = None
    invalid_reward: float = 0.0
    costs: Costs = Costs()
    best_accuracy: float | None = None

    def queries(self, per_round: int) -> int:
        """Queries of the whole search, if every round makes `per_round`."""
        most = self.rounds * per_round
        return min(most, self.max_queries or most)


Reward = Callable[[Proposal, Outcome], jax.Array]


class Best(flax.struct.PyTreeNode):
    """The first architecture [L, F] with the highest accuracy []; zeros before any."""

    accuracy: jax.Array
    architecture: jax.Array


class SearchState(flax.struct.PyTreeNode):
    """The state of a search.

    Attributes:
      controller: the controller's state.
      best: the best feasible row, see `SearchConfig.max_cost`; best_noise_free: the best feasible
        validation row.
      queries: [] int32, unmasked rows other than validation, repeats and invalid ones included.
      exchanges, round: [] int32, numbers so far.
    """

    controller: Any
    best: Best
    best_noise_free: Best
    queries: jax.Array
    exchanges: jax.Array
    round: jax.Array


class Exchange(NamedTuple):
    """One exchange, for records and progress; `best`: the incumbent after it."""

    round: int
    phase: str
    repeat: int
    proposal: Proposal
    outcome: Outcome
    rewards: jax.Array
    metrics: Metrics
    best: Best | None = None


class Observer(Protocol):
    """An observer of a search: records, checkpoints, progress. It cannot change the search."""

    def on_exchange(self, exchange: Exchange) -> None:
        """Called after every exchange."""

    def on_round(self, state: SearchState) -> None:
        """Called after every round."""
