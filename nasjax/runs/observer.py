"""Observes a search that runs: writes its records and checkpoints and shows its progress."""

from nasjax.progress import Progress
from nasjax.runs.checkpoints import Checkpoints
from nasjax.runs.records import Records
from nasjax.types import Best, Exchange, SearchState


class SearchProgress:
    """Shows rounds, candidates and the incumbent of a search.

    It is there before the evaluator, which tells it of every candidate that it has trained.

    Args:
      rounds: of the search, the earlier ones included.
      shown: False shows nothing.
    """

    def __init__(self, rounds: int, *, shown: bool):
        self._rounds, self._shown = rounds, shown
        self._progress: Progress | None = None
        self._facts: dict[str, object] = {}
        self._trained, self._in_training = 0, 0

    def start(self, done: int) -> None:
        """Shows the first line; `done`: rounds of earlier processes."""
        self._progress = Progress(self._rounds, "rounds", initial=done, shown=self._shown)

    def on_result(self) -> None:
        """A candidate of the exchange under way was trained or found too large."""
        self._in_training += 1
        self._show()

    def on_exchange(self, best: Best, costs: dict[str, float], counts: dict[str, int]) -> None:
        """All candidates of the exchange are counted; `costs`: of the incumbent, by name."""
        self._in_training, self._trained = 0, counts["trained"]
        prices = {name.split("/")[-1]: f"{cost:.4g}" for name, cost in costs.items()}
        self._facts = {
            "best": f"{float(best.accuracy):.2%}",
            **prices,
            **dict(sorted(counts.items())),
        }
        self._show()

    def on_round(self) -> None:
        """Counts a round."""
        if self._progress is not None:
            self._progress.update()

    def close(self) -> None:
        """Leaves the line as it stands."""
        if self._progress is not None:
            self._progress.close()

    def _show(self) -> None:
        if self._progress is not None and self._facts:
            facts = {**self._facts, "trained": self._trained + self._in_training}
            self._progress.show(**facts)


class Keeper:
    """Writes records and checkpoints and shows progress; see `nasjax.types.Observer`.

    Args:
      rows: of the run, open.
      checkpoints: of the run.
      state: from which the search goes on.
      progress: shows it; closed with the keeper.
      checkpoint_every: rounds from one checkpoint to the next.
    """

    def __init__(
        self,
        rows: Records,
        checkpoints: Checkpoints,
        state: SearchState,
        progress: SearchProgress,
        *,
        checkpoint_every: int,
    ):
        self._rows, self._checkpoints, self._progress = rows, checkpoints, progress
        self._every = checkpoint_every
        progress.start(int(state.round))
        self._show(state.best)

    def on_exchange(self, exchange: Exchange) -> None:
        """Writes the exchange's candidates."""
        self._rows.on_exchange(exchange)
        if exchange.best is not None:
            self._show(exchange.best)

    def on_round(self, state: SearchState) -> None:
        """Writes the round, then the checkpoint that remembers how far the records went."""
        self._rows.on_round(state)
        if int(state.round) % self._every == 0:
            self.save(state)
        self._progress.on_round()

    def save(self, state: SearchState) -> None:
        """Keeps the state; the records written so far belong to it."""
        self._checkpoints.save(int(state.round), state, self._rows.position)

    def close(self) -> None:
        """Leaves the progress as it stands."""
        self._progress.close()

    def _show(self, best: Best) -> None:
        costs = self._rows.costs(best.architecture) if float(best.accuracy) > 0 else {}
        self._progress.on_exchange(best, costs, self._rows.counts)
