"""The contract of a controller: `nasjax.types.Controller`, on the host, compiled and resumed."""

import functools
import pathlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax import loop, registry
from nasjax.entries import ControllerEntry
from nasjax.evaluation.evaluation import Rows
from nasjax.evaluation.table import TableConfig, make_table
from nasjax.runs.checkpoints import Checkpoints
from nasjax.spaces.slots import SlotSpace
from nasjax.types import OK, VALIDATE, Controller, Evaluator, Exchange, Request, Reward, SearchState

ROUNDS = 6
BATCHES, IMAGES = 32, 16  # P, and images of each


class Parts(NamedTuple):
    """The parts of a search that a controller is tried in."""

    space: Any
    controller: Controller
    evaluator: Evaluator
    reward: Reward


class _Witness(list[Exchange]):
    """An observer that keeps every exchange."""

    def on_exchange(self, exchange: Exchange) -> None:
        self.append(exchange)

    def on_round(self, state: SearchState) -> None:
        """Nothing is kept of a round."""


def check_controller(
    entry: ControllerEntry,
    settings: Mapping[str, Any] | None = None,
    *,
    reward: str = "accuracy",
    space: SlotSpace | None = None,
    evaluator: Evaluator | None = None,
    is_exact: bool = True,
) -> None:
    """Raises an AssertionError unless the controller keeps its contract.

    Args:
      settings: of section `controller`, small ones: they are tried in six rounds.
      reward: name of the reward.
      space: of slots; evaluator: pure, with P = 32. By default a space that has tables, and a table
        of random accuracies of which a third is missing.
      is_exact: False if its numbers are sums of floats, which XLA may order otherwise in another
        program: then states agree to 1e-5, and what is asked for must still agree.
    """
    space = space or first_tabled_space()
    parts = make_parts(entry, settings, reward=reward, space=space, evaluator=evaluator)
    state, exchanges = run(parts, begin(parts, 0), ROUNDS)
    _check_exchanges(parts, state, exchanges)
    _check_one_program(parts, state, exchanges, is_exact)
    _check_many_seeds(parts, is_exact)
    _check_resumed(parts, state, exchanges)


def first_tabled_space() -> SlotSpace:
    """The first space of the registry that has tables."""
    name = next(name for name, entry in registry.SPACES.items() if entry.tables)
    return registry.slot_space(name)


def make_parts(
    entry: ControllerEntry,
    settings: Mapping[str, Any] | None = None,
    *,
    reward: str = "accuracy",
    space: Any,
    evaluator: Evaluator | None = None,
) -> Parts:
    """The controller, the evaluator of `holed_rows` if there is no other, and the reward."""
    member = registry.parse_member("controller", {"name": entry, **(settings or {})})
    earned = registry.REWARDS[reward]
    request = Request(space, BATCHES, ROUNDS, counts_of=IMAGES, invalid_reward=-1.0)
    return Parts(
        space,
        entry.make(member.settings, request),
        evaluator or make_table(holed_rows(space), space, TableConfig("random")),
        earned.make(earned.settings()),
    )


def holed_rows(space: SlotSpace) -> Rows:
    """A table of random accuracies in which a third of the entries is missing."""
    rng = np.random.default_rng(0)
    accuracy = rng.uniform(0.1, 0.9, space.size).astype(np.float32)
    accuracy[rng.random(space.size) < 1 / 3] = np.nan
    return Rows(accuracy, accuracy, np.zeros((space.size, 0), np.float32))


def begin(parts: Parts, seed: Any) -> SearchState:
    """The state of a search that has not begun."""
    return loop.init(parts.controller, parts.space, jax.random.key(seed))


def run(
    parts: Parts, state: SearchState, rounds: int, seed: int = 0
) -> tuple[SearchState, list[Exchange]]:
    """The host loop, until so many rounds are made in all."""
    witness = _Witness()
    state = loop.run(
        controller=parts.controller,
        evaluator=parts.evaluator,
        reward=parts.reward,
        root_key=jax.random.key(seed),
        state=state,
        config=loop.SearchConfig(rounds=rounds),
        observer=witness,
    )
    return state, witness


def _compiled(parts: Parts, rounds: int) -> Callable[[Any, SearchState], Any]:
    """(seed, state) -> the state after so many rounds, and architectures and masks by phase."""

    def go_on(seed: Any, state: SearchState) -> Any:
        return loop.run_compiled(
            controller=parts.controller,
            evaluator=parts.evaluator,
            reward=parts.reward,
            root_key=jax.random.key(seed),
            state=state,
            rounds=rounds,
            keep=lambda state, proposal, outcome: (proposal.architecture, proposal.mask),
        )

    return go_on


def _in_phases(parts: Parts, exchanges: Sequence[Exchange]) -> list[np.ndarray]:
    """The host loop's exchanges as `run_compiled` keeps them."""
    kept = []
    for phase in parts.controller.round:
        asked = [e.proposal for e in exchanges if e.phase == phase.name]
        for leaf in ("architecture", "mask"):
            stacked = np.stack([getattr(proposal, leaf) for proposal in asked])
            kept.append(stacked.reshape(-1, phase.repeats, *stacked.shape[1:]))
    return kept


def _check_exchanges(parts: Parts, state: SearchState, exchanges: Sequence[Exchange]) -> None:
    mask = np.concatenate([e.proposal.mask for e in exchanges])
    status = np.concatenate([e.outcome.status for e in exchanges])[mask]
    accuracy = np.concatenate([e.outcome.accuracy for e in exchanges])[mask]
    asked = np.concatenate([e.proposal.architecture for e in exchanges])[mask]
    purpose = np.concatenate([e.proposal.purpose for e in exchanges])[mask]
    are_valid = jax.jit(jax.vmap(parts.space.is_valid))
    assert are_valid(asked).all(), "all that is asked for must be valid"
    for leaf in jax.tree.leaves(jax.device_get(_plain_keys(state))):
        assert np.isfinite(leaf).all(), "the state must be finite, whatever came back"
    assert (status == OK).any(), "nothing that was asked for is in the table"
    best = accuracy[status == OK].max()
    assert float(state.best.accuracy) == best, "the best must be the best that was measured"
    charged = int((purpose != VALIDATE).sum())
    assert int(state.queries) == charged, "queries must be the rows that are not validation"


def _check_one_program(
    parts: Parts, looped: SearchState, exchanges: Sequence[Exchange], is_exact: bool
) -> None:
    state, kept = jax.jit(_compiled(parts, ROUNDS))(0, begin(parts, 0))
    _assert_equal(jax.tree.leaves(kept), _in_phases(parts, exchanges), "asked for in one program")
    _assert_equal(state, looped, "state of one program", is_exact)


def _check_many_seeds(parts: Parts, is_exact: bool) -> None:
    """Float learners for some rounds only, until a last bit decides what is asked for next."""
    seeds, rounds = jnp.arange(3), ROUNDS if is_exact else 3
    states = jax.vmap(functools.partial(begin, parts))(seeds)
    found, kept = jax.jit(jax.vmap(_compiled(parts, rounds)))(seeds, states)
    found, kept = jax.device_get((_plain_keys(found), kept))
    for seed in (0, 2):
        looped, exchanges = run(parts, begin(parts, seed), rounds, seed)
        mine = functools.partial(jax.tree.map, lambda leaf, seed=seed: leaf[seed])
        asked = _in_phases(parts, exchanges)
        _assert_equal(jax.tree.leaves(mine(kept)), asked, "asked for beside other seeds")
        _assert_equal(mine(found), looped, "state beside other seeds", is_exact)
    different = {leaf.tobytes() for leaf in np.asarray(jax.tree.leaves(kept)[0])}
    assert len(different) == len(seeds), "every seed must ask for something else"


def _check_resumed(parts: Parts, looped: SearchState, exchanges: Sequence[Exchange]) -> None:
    half, _ = run(parts, begin(parts, 0), ROUNDS // 2)
    with tempfile.TemporaryDirectory() as directory:
        checkpoints = Checkpoints(pathlib.Path(directory), kept=1)
        checkpoints.save(ROUNDS // 2, half, 0)
        restored = checkpoints.restore(begin(parts, 0), at_most=0)
        checkpoints.close()
    assert restored is not None
    went_on, rest = run(parts, restored.state, ROUNDS)
    _assert_equal(went_on, looped, "state after a checkpoint")
    later = exchanges[len(exchanges) // 2 :]
    _assert_equal([e.proposal for e in rest], [e.proposal for e in later], "asked for after it")


def _plain_keys(tree: Any) -> Any:
    """The tree with typed keys as their numbers."""

    def plain(leaf: Any) -> Any:
        is_key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
        return jax.random.key_data(leaf) if is_key else leaf

    return jax.tree.map(plain, tree)


def _assert_equal(found: Any, wanted: Any, what: str, is_exact: bool = True) -> None:
    found, wanted = jax.tree.leaves(_plain_keys(found)), jax.tree.leaves(_plain_keys(wanted))
    assert len(found) == len(wanted), f"{what}: {len(found)} arrays, not {len(wanted)}"
    for one, other in zip(found, wanted, strict=True):
        if is_exact:
            np.testing.assert_array_equal(one, other, err_msg=what)
        else:
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-5, err_msg=what)
