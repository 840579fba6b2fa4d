"""What a run's records say of device costs, and of the choices that shaping by them changed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nasjax.registry import slot_names
from nasjax.run_report.facts import Best, Query, Round, Shaping, Tradeoff, section

CHANGED, POTENTIALS, Q = "changed", "potential_spread", "q_spread"  # "PHASE/NAME/SLOT"


def max_cost(config: Mapping[str, Any]) -> float | None:
    """The most that an answer may cost, of the first cost; None: no such limit."""
    value = section(config, "search").get("max_cost")
    return float(value) if isinstance(value, (int, float)) else None


def keeps(query: Query, most: float | None) -> bool:
    """Whether the row may be the answer; compared as the search does, in single precision."""
    if most is None:
        return True
    return bool(query.costs) and bool(
        np.float32(next(iter(query.costs.values()))) <= np.float32(most)
    )


def of_best(best: Best | None, queries: Sequence[Query]) -> dict[str, float]:
    """The costs of the best architecture, from whichever row has them."""
    if best is None:
        return {}
    return next((q.costs for q in queries if q.architecture == best.architecture), {})


def tradeoff(queries: Sequence[Query], config: Mapping[str, Any]) -> Tradeoff | None:
    """Accuracy against the first cost; None if no row has costs."""
    priced = [q for q in queries if q.costs]
    measured = [q for q in priced if q.measured]
    if not measured:
        return None
    name = next(iter(measured[0].costs))
    cost = np.array([q.costs.get(name, np.nan) for q in measured])
    accuracy = np.array([q.accuracy for q in measured])
    infeasible = sum(q.status == "infeasible" for q in priced)
    most = max_cost(config)
    return Tradeoff(name, most, cost, accuracy, pareto_front(cost, accuracy), infeasible)


def pareto_front(cost: np.ndarray, accuracy: np.ndarray) -> np.ndarray:
    """[N], [N] -> the rows that no other is as good as at no more cost, from cheapest to best.

    What is not finite in either is left out; of rows alike in both the first is kept.
    """
    usable = np.flatnonzero(np.isfinite(accuracy) & np.isfinite(cost))
    order = usable[np.lexsort((-accuracy[usable], cost[usable]))]  # stable: the first of equals
    best = np.maximum.accumulate(accuracy[order])
    return order[np.diff(best, prepend=-np.inf) > 0]


def shaping(rounds: Sequence[Round], space: str) -> Shaping | None:
    """How potentials took part; None if no round has an epsilon."""
    epsilons = _curves(rounds, "epsilon")
    if not epsilons:
        return None
    changed = _curves(rounds, CHANGED)
    known = slot_names(space)
    slots = sorted(changed, key=lambda slot: known.index(slot) if slot in known else len(known))
    validated = sorted({r for curve, _ in changed.values() for r in curve})

    def grid(kind: str) -> np.ndarray:
        """[L, V]; NaN where a row does not have it."""
        curves = {
            slot: dict(zip(*curve, strict=True)) for slot, curve in _curves(rounds, kind).items()
        }
        rows = [[curves.get(slot, {}).get(r, np.nan) for r in validated] for slot in slots]
        return np.array(rows).reshape(len(slots), len(validated))

    return Shaping(
        epsilons=epsilons,
        losses=_curves(rounds, "q_loss") | _curves(rounds, "loss"),
        slots=slots,
        rounds=validated,
        changed=grid(CHANGED),
        potential_spread=grid(POTENTIALS),
        q_spread=grid(Q),
    )


def _curves(rounds: Sequence[Round], kind: str) -> dict[str, tuple[list[int], list[float]]]:
    """Metrics "PHASE/KIND/NAME" by NAME, which may hold "/"; those "PHASE/KIND" are "Q"."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for r in rounds:
        for metric, value in r.metrics.items():
            _, _, rest = metric.partition("/")
            head, _, name = rest.partition("/")
            if head == kind and np.isfinite(value):
                numbers, values = found.setdefault(name or "Q", ([], []))
                numbers.append(r.round)
                values.append(value)
    return found
