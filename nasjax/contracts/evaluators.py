"""The contract of an evaluator: `nasjax.types.Evaluator` and `Outcome`."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.controllers.proposals import propose_whole
from nasjax.types import INVALID, STATUSES, Evaluator, Outcome

_DRAWN = 4  # different architectures of an exchange


def check_evaluator(
    make: Callable[[], Evaluator], space: Any, performance_size: int, seed: int = 0
) -> None:
    """Raises an AssertionError unless the evaluator keeps its contract.

    Args:
      make: makes it; called again for each exchange, so that nothing is remembered.
      space: of the architectures; performance_size: P.
    """
    keys = jax.random.split(jax.random.key(seed), _DRAWN)
    drawn = np.asarray(jax.jit(jax.vmap(space.sample))(keys))
    nothing = np.zeros_like(drawn[:1])
    asked = np.concatenate([drawn, drawn[:1], nothing])  # the first one twice; an invalid one

    def evaluate(rows: np.ndarray, mask: Any = True) -> Outcome:
        proposal = propose_whole(jnp.asarray(rows), performance_size, jnp.asarray(mask))
        evaluator = make()
        evaluated = jax.jit(evaluator.evaluate) if evaluator.pure else evaluator.evaluate
        found: Outcome = jax.device_get(evaluated(jax.random.key(seed), proposal))
        return found

    whole = evaluate(asked)
    _check_outcome(whole, len(asked), performance_size, make().cost_names)
    assert whole.status[-1] == INVALID, "an architecture without layers must be invalid"
    assert whole.ok[:-1].any(), "no architecture drawn at random is ok"
    _assert_same(whole, [0], whole, [_DRAWN], "an architecture asked for twice")
    order = np.roll(np.arange(len(asked)), 2)
    moved = evaluate(asked[order])
    _assert_same(whole, order, moved, np.arange(len(asked)), "an architecture in another row")
    fewer = evaluate(asked[[2, 1]])
    _assert_same(whole, [2, 1], fewer, [0, 1], "an architecture with other mates")
    masked = evaluate(asked[:_DRAWN], mask=np.arange(_DRAWN) % 2 == 0)
    _assert_same(whole, [0, 2], masked, [0, 2], "an architecture beside masked ones")
    evaluator = make()
    source = evaluator.provenance(asked[1]).get("source", "none")
    assert source == "none", "an architecture that was not asked for must cost nothing"


def _check_outcome(
    outcome: Outcome, rows: int, performance_size: int, cost_names: tuple[str, ...]
) -> None:
    shapes = {
        "accuracies": (rows, performance_size),
        "accuracy": (rows,),
        "costs": (rows, len(cost_names)),
        "status": (rows,),
    }
    for name, shape in shapes.items():
        found = getattr(outcome, name)
        assert found.shape == shape, f"{name} must be {shape}, it is {found.shape}"
        kind = np.int32 if name == "status" else np.float32
        assert found.dtype == kind, f"{name} must be {kind.__name__}, it is {found.dtype}"
    assert len(set(cost_names)) == len(cost_names), "costs must have different names"
    assert set(outcome.status.tolist()) <= set(range(len(STATUSES))), "unknown status"
    for found in (outcome.accuracy, outcome.accuracies):
        assert ((found >= 0) & (found <= 1)).all(), "accuracies must lie between 0 and 1"
        assert not found[~outcome.ok].any(), "accuracies of rows that are not ok must be 0"
    assert not outcome.costs[outcome.status == INVALID].any(), "costs of invalid rows must be 0"
    assert not np.isnan(outcome.costs).any(), "costs may be infinite, not NaN"


def _assert_same(a: Outcome, rows: Any, b: Outcome, others: Any, what: str) -> None:
    for name, one, other in zip(Outcome._fields, a, b, strict=True):
        np.testing.assert_allclose(
            one[rows], other[others], rtol=1e-6, err_msg=f"{what} must have the same {name}"
        )
