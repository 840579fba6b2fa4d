"""Searches on a table in plain Python, one seed at a time, as a user would write them instead.

Written from the papers, apart from nasjax's controllers, so that they can be compared. Each takes
the accuracies of a `SlotSpace`'s table, the sizes of the space, a budget and a seeded generator,
and returns the accuracies it saw, in order.
"""

import collections
import math
import random
from collections.abc import Callable, Sequence

Cell = tuple[int, ...]


class Table:
    """Looks accuracies up and remembers them in the order in which they were asked for."""

    def __init__(self, accuracies: Sequence[float], operations: int, slots: int, budget: int):
        self.accuracies, self.operations, self.slots = accuracies, operations, slots
        self.budget = budget
        self.seen: list[float] = []

    @property
    def is_spent(self) -> bool:
        """Whether the budget is used up."""
        return len(self.seen) >= self.budget

    def ask(self, cell: Cell) -> float:
        """The accuracy of a cell."""
        index = 0
        for operation in cell:
            index = index * self.operations + operation
        self.seen.append(self.accuracies[index])
        return self.accuracies[index]

    def draw(self, rng: random.Random) -> Cell:
        """Any cell."""
        return tuple(rng.randrange(self.operations) for _ in range(self.slots))


def random_search(table: Table, rng: random.Random) -> None:
    """Independent draws."""
    while not table.is_spent:
        table.ask(table.draw(rng))


def regularized_evolution(table: Table, rng: random.Random) -> None:
    """Real et al., 2019, Algorithm 1; population 10, sample 3."""
    population: collections.deque[tuple[float, Cell]] = collections.deque()
    while not table.is_spent:
        if len(population) < 10:
            cell = table.draw(rng)
        else:
            _, parent = max(rng.choices(population, k=3))
            slot = rng.randrange(table.slots)
            others = [o for o in range(table.operations) if o != parent[slot]]
            cell = (*parent[:slot], rng.choice(others), *parent[slot + 1 :])
            population.popleft()
        population.append((table.ask(cell), cell))


def local_search(table: Table, rng: random.Random) -> None:
    """White et al., 2021, Algorithm 1, from one random start after another."""
    while not table.is_spent:
        here, moved = table.draw(rng), -1
        reached = table.ask(here)
        while not table.is_spent:
            near = [
                (slot, (*here[:slot], operation, *here[slot + 1 :]))
                for slot in range(table.slots)
                for operation in range(table.operations)
                if operation != here[slot] and slot != moved
            ]
            rng.shuffle(near)
            best = max((table.ask(cell), cell, slot) for slot, cell in near)
            if best[0] <= reached:
                break
            reached, here, moved = best


def reinforce(table: Table, rng: random.Random) -> None:
    """Independent categorical choices, Adam 0.01, moving average 0.9 as baseline."""
    size = table.slots * table.operations
    logits, mean, square = [0.0] * size, [0.0] * size, [0.0] * size
    weighted = weights = 0.0
    step = 0
    while not table.is_spent:
        step += 1
        gradient, cell = [0.0] * size, []
        for slot in range(table.slots):
            row = range(slot * table.operations, (slot + 1) * table.operations)
            exponentials = [math.exp(logits[i]) for i in row]
            shares = [e / sum(exponentials) for e in exponentials]
            cell.append(rng.choices(range(table.operations), shares)[0])
            for operation, i in enumerate(row):
                gradient[i] = shares[operation] - (operation == cell[-1])
        reward = table.ask(tuple(cell))
        weighted, weights = 0.9 * weighted + 0.1 * reward, 0.9 * weights + 0.1
        advantage = reward - weighted / weights
        for i in range(size):
            slope = advantage * gradient[i]
            mean[i] = 0.9 * mean[i] + 0.1 * slope
            square[i] = 0.999 * square[i] + 0.001 * slope * slope
            corrected = math.sqrt(square[i] / (1 - 0.999**step)) + 1e-8
            logits[i] -= 0.01 * mean[i] / (1 - 0.9**step) / corrected


def metaqnn(table: Table, rng: random.Random) -> None:
    """Baker et al., 2017: alpha 0.01, gamma 1, 100 replays, epsilon scaled to the budget."""
    options = range(table.operations)
    worth: dict[tuple[int, int, int], float] = collections.defaultdict(lambda: 0.5)
    memory: list[tuple[Cell, float]] = []
    shares = [1500, 100, 100, 100, 150, 150, 150, 150, 150, 150]
    while not table.is_spent:
        passed, epsilon = len(memory) * sum(shares) / table.budget, 1.0
        for share in shares:
            if passed < share:
                break
            passed -= share
            epsilon = max(0.1, epsilon - 0.1)
        cell: list[int] = []
        for slot in range(table.slots):
            before = cell[-1] if cell else -1
            if rng.random() < epsilon:
                cell.append(rng.randrange(table.operations))
            else:
                cell.append(max(options, key=lambda o: (worth[slot, before, o], rng.random())))
        memory.append((tuple(cell), table.ask(tuple(cell))))
        for replayed, reward in rng.choices(memory, k=100):
            for slot in reversed(range(table.slots)):
                before = replayed[slot - 1] if slot else -1
                target = reward
                if slot + 1 < table.slots:
                    target = max(worth[slot + 1, replayed[slot], o] for o in options)
                key = (slot, before, replayed[slot])
                worth[key] += 0.01 * (target - worth[key])


SEARCHES: dict[str, Callable[[Table, random.Random], None]] = {
    "random_search": random_search,
    "local_search": local_search,
    "regularized_evolution": regularized_evolution,
    "reinforce": reinforce,
    "metaqnn": metaqnn,
}


def run(name: str, table: Table, seed: int) -> list[float]:
    """The accuracies of the first `budget` queries of a search."""
    SEARCHES[name](table, random.Random(seed))
    return table.seen[: table.budget]
