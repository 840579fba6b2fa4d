"""Device costs of a run, and the choices that shaping with them changed (AUTOCoMET)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasjax.reports.pareto import pareto_front
from nasjax.runs.records import Candidate, Round

Curves = dict[str, tuple[list[int], list[float]]]  # name -> (rounds, values)


class Tradeoff(NamedTuple):
    """Accuracy against the first cost, of the N measured candidates."""

    name: str  # of the cost, with its unit
    max_cost: float | None  # the bound of the search, if it has one
    cost: np.ndarray  # [N]
    accuracy: np.ndarray  # [N]
    front: np.ndarray  # indices of the Pareto front, from the cheapest to the most accurate
    kept: int  # those that keep the bound
    infeasible: int  # candidates that a device cannot run


class Shaping(NamedTuple):
    """The potentials' part in the choices of a controller that shapes its rewards.

    Attributes:
      epsilons, losses: over all rounds, by cost; the loss of Q itself is "Q".
      slots: [L] names; rounds: [V] those with a validation episode.
      changed: [L, V] 1 where the potentials changed the greedy choice, else 0.
      potential_spread, q_spread: [L, V] how far the potentials and Q set a slot's choices apart.
    """

    epsilons: Curves
    losses: Curves
    slots: list[str]
    rounds: list[int]
    changed: np.ndarray
    potential_spread: np.ndarray
    q_spread: np.ndarray


def keeps(cost: float, max_cost: float | None) -> bool:
    """Whether a cost is at most the bound, in single precision as the search compares them."""
    return max_cost is None or bool(np.float32(cost) <= np.float32(max_cost))


def tradeoff(candidates: Sequence[Candidate], max_cost: float | None) -> Tradeoff | None:
    """Accuracy against the first cost; None if no measured candidate has costs."""
    measured = [row for row in candidates if row.costs and row.is_measured]
    if not measured:
        return None
    name = next(iter(measured[0].costs))
    cost = np.array([row.costs.get(name, np.nan) for row in measured])
    accuracy = np.array([row.accuracy for row in measured])
    return Tradeoff(
        name=name,
        max_cost=max_cost,
        cost=cost,
        accuracy=accuracy,
        front=pareto_front(cost, accuracy),
        kept=sum(keeps(value, max_cost) for value in cost),
        infeasible=sum(row.status == "infeasible" for row in candidates if row.costs),
    )


def shaping(rounds: Sequence[Round], slot_names: Sequence[str]) -> Shaping | None:
    """The potentials' part over the rounds; None if no round has an epsilon.

    Slots come in the order of the space's names; those that it does not name come last.
    """
    epsilons = _curves(rounds, "epsilon")
    if not epsilons:
        return None
    changed = _curves(rounds, "changed")
    place = {slot: i for i, slot in enumerate(slot_names)}
    slots = sorted(changed, key=lambda slot: place.get(slot, len(place)))
    validated = sorted({number for numbers, _ in changed.values() for number in numbers})

    def grid(kind: str) -> np.ndarray:
        """[L, V]; NaN where a round does not have the value."""
        curves = _curves(rounds, kind)
        known = {slot: dict(zip(*curves[slot], strict=True)) for slot in slots if slot in curves}
        rows = [[known.get(slot, {}).get(number, np.nan) for number in validated] for slot in slots]
        return np.array(rows).reshape(len(slots), len(validated))

    return Shaping(
        epsilons=epsilons,
        losses=_curves(rounds, "q_loss") | _curves(rounds, "loss"),
        slots=slots,
        rounds=validated,
        changed=grid("changed"),
        potential_spread=grid("potential_spread"),
        q_spread=grid("q_spread"),
    )


def _curves(rounds: Sequence[Round], kind: str) -> Curves:
    """The finite metrics "phase/kind/name" of one kind by name; those without a name are "Q"."""
    found: Curves = {}
    for row in rounds:
        for metric, value in row.metrics.items():
            _, _, rest = metric.partition("/")
            head, _, name = rest.partition("/")
            if head == kind and np.isfinite(value):
                numbers, values = found.setdefault(name or "Q", ([], []))
                numbers.append(row.round)
                values.append(value)
    return found
