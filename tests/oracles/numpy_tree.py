"""Exact values of all prefixes of a small space, by dynamic programming in plain NumPy.

A prefix is a tuple of operations from 0 and stands for the action that leads to it:

    Q*(p)   = r(p) + gamma max of Q*(p + a) over a          nothing after a whole architecture
    Phi(p)  = r(p) + gamma sum of pi(a | p) Phi(p + a) over a,  pi as often as episodes went there
"""

from collections import Counter
from collections.abc import Mapping, Sequence

Prefix = tuple[int, ...]
Values = Mapping[Prefix, float]


class Tree:
    """All prefixes of slots of which each may hold choices[l]."""

    def __init__(self, choices: Sequence[Sequence[int]], discount: float):
        self.choices, self.discount = choices, discount
        levels: list[list[Prefix]] = [[()]]
        for slot in choices:
            levels.append([(*prefix, a) for prefix in levels[-1] for a in slot])
        self.prefixes = [prefix for level in levels[1:] for prefix in level]
        self.whole = levels[-1]

    def children(self, prefix: Prefix) -> list[Prefix]:
        """All one layer longer; none of a whole architecture."""
        if len(prefix) == len(self.choices):
            return []
        return [(*prefix, a) for a in self.choices[len(prefix)]]

    def optimal(self, earned: Values) -> dict[Prefix, float]:
        """Q* of every prefix."""
        values: dict[Prefix, float] = {}
        for prefix in reversed(self.prefixes):
            later = [values[child] for child in self.children(prefix)]
            values[prefix] = earned[prefix] + (self.discount * max(later) if later else 0)
        return values

    def of_policy(self, earned: Values, episodes: Sequence[Prefix]) -> dict[Prefix, float]:
        """Phi of every prefix, under the policy that made the episodes."""
        counts = Counter(whole[:length] for whole in episodes for length in range(len(whole) + 1))
        values: dict[Prefix, float] = {}
        for prefix in reversed(self.prefixes):
            later = [counts[child] * values[child] for child in self.children(prefix)]
            values[prefix] = earned[prefix] + self.discount * sum(later) / counts[prefix]
        return values

    def greedy(self, values: Values) -> Prefix:
        """The architecture that always goes on to the best child."""
        prefix: Prefix = ()
        while self.children(prefix):
            prefix = max(self.children(prefix), key=values.__getitem__)
        return prefix

    def total(self, earned: Values, whole: Prefix) -> float:
        """The discounted return of an architecture."""
        lengths = range(1, len(whole) + 1)
        return sum(self.discount ** (n - 1) * earned[whole[:n]] for n in lengths)
