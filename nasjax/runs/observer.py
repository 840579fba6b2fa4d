"""Observes a search that runs: writes its records and checkpoints and shows its progress."""

from nasjax.progress import Progress
from nasjax.runs.checkpoints import Checkpoints
from nasjax.runs.records import Records
from nasjax.types import Best, Exchange, SearchState


class Keeper:
    """Writes records and checkpoints and shows progress; see `nasjax.types.Observer`.

    Args:
      rows: of the run, open.
      checkpoints: of the run.
      state: from which the search goes on.
      progress: counts rounds; closed with the keeper.
      checkpoint_every: rounds from one checkpoint to the next.
    """

    def __init__(
        self,
        rows: Records,
        checkpoints: Checkpoints,
        state: SearchState,
        progress: Progress,
        *,
        checkpoint_every: int,
    ):
        self._rows, self._checkpoints, self._progress = rows, checkpoints, progress
        self._every = checkpoint_every
        self._show_best(state.best)

    def on_result(self) -> None:
        """A candidate of the exchange under way was trained or found too large."""
        self._in_training += 1
        self._show()

    def on_exchange(self, exchange: Exchange) -> None:
        """Writes the exchange's candidates."""
        self._rows.on_exchange(exchange)
        if exchange.best is not None:
            self._show_best(exchange.best)

    def on_round(self, state: SearchState) -> None:
        """Writes the round, then the checkpoint that remembers how far the records went."""
        self._rows.on_round(state)
        if int(state.round) % self._every == 0:
            self.save(state)
        self._progress.update()

    def save(self, state: SearchState) -> None:
        """Keeps the state; the records written so far belong to it."""
        self._checkpoints.save(int(state.round), state, self._rows.position)

    def close(self) -> None:
        """Leaves the progress as it stands."""
        self._progress.close()

    def _show_best(self, best: Best) -> None:
        """Shows the incumbent; no candidate of the next exchange has been trained yet."""
        costs = self._rows.costs(best.architecture) if float(best.accuracy) > 0 else {}
        self._found = {"best": f"{float(best.accuracy):.2%}"}
        self._found |= {name.split("/")[-1]: f"{cost:.4g}" for name, cost in costs.items()}
        self._in_training = 0
        self._show()

    def _show(self) -> None:
        counts = dict(sorted(self._rows.counts.items()))
        counts["trained"] += self._in_training
        self._progress.show(**self._found, **counts)
