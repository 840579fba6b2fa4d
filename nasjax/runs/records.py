"""The record of a run: a line of `events.jsonl` per candidate and per round.

Whatever depends on the machine or on chance of timing stands under "physical"; the rest is the
same, bit for bit, however often the run was interrupted.
"""

import hashlib
import json
import logging
import math
import os
import pathlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from nasjax.errors import UserError
from nasjax.types import MEASURED, PURPOSES, STATUSES, Exchange, SearchState, Space

EVENTS = "events.jsonl"
ATTENTION = "attention.npz"
# What is read of a row again; a damaged line may still be JSON.
_KEYS = {
    "candidate": {"id", "encoding", "status", "accuracy", "first", "physical"},
    "round": {"physical"},
}


def read_rows(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    """The rows of an events file; lines that are none are left out, as a kill's torn last one."""
    if not path.exists():
        return
    try:
        with path.open("rb") as file:
            for line in file:
                row = _row(line)
                if row is not None:
                    yield row
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    known = isinstance(row, dict) and row.get("event") in _KEYS
    return row if known and _KEYS[row["event"]] <= row.keys() else None


def are_measured(path: pathlib.Path) -> bool:
    """Whether a candidate of the events file has an accuracy."""
    return any(row.get("status") in MEASURED for row in read_rows(path))


def costs_of(row: Mapping[str, Any]) -> dict[str, float]:
    """A candidate's costs by name: infinite where a device cannot run it, NaN if not known."""
    costs = row.get("costs") or {}
    return {name: math.nan if cost is None else float(cost) for name, cost in costs.items()}


def _plain(cost: float) -> float | str | None:
    """As JSON has it, which knows neither NaN nor infinities."""
    return cost if math.isfinite(cost) else None if math.isnan(cost) else str(cost)


def _id(architecture: Any) -> str:
    return hashlib.sha256(np.asarray(architecture).tobytes()).hexdigest()[:16]


def count_candidates(rows: Iterable[dict[str, Any]]) -> dict[str, int]:
    """Rows by what they cost: trained (met for the first time), reused, invalid.

    "invalid" are all that could not be built, or are over the memory budget; "trained" includes
    those that diverged or were stopped; "infeasible", if there are, those that a device cannot run.
    """
    counts = {"trained": 0, "reused": 0, "invalid": 0}
    for row in rows:
        if row["event"] == "candidate":
            name = "trained" if row["first"] else "reused"
            if row["status"] not in (*MEASURED, "diverged"):
                name = "infeasible" if row["status"] == "infeasible" else "invalid"
            counts[name] = counts.get(name, 0) + 1
    return counts


class Records:
    """Appends to a run's events; `position` after a round goes into the checkpoint.

    Args:
      workdir: of the run.
      space: puts architectures in words.
      provenance: how a result was come by, see `nasjax.types.Evaluator`.
      counts_of: images per validation batch if accuracies are counts, else None.
      num_updates: of the controller's state.
      cost_names: of the outcomes' costs.
      position: bytes of the file to keep; what was written after the checkpoint is dropped.
    """

    def __init__(
        self,
        workdir: pathlib.Path,
        space: Space,
        *,
        provenance: Callable[[Any], dict[str, Any]],
        counts_of: int | None,
        num_updates: Callable[[Any], jax.Array],
        cost_names: Sequence[str] = (),
        position: int = 0,
    ):
        self._path, self._space = workdir / EVENTS, space
        self._provenance, self._counts_of = provenance, counts_of
        self._num_updates, self._cost_names = num_updates, cost_names
        try:
            self._file = self._path.open("ab")
            self._file.truncate(position)
            self._file.seek(position)
        except OSError as error:
            raise self._trouble(error) from error
        rows = list(read_rows(self._path))
        self._seen = {r["id"]: costs_of(r) for r in rows if r["event"] == "candidate"}
        self.counts = count_candidates(rows)
        if lost := self._path.read_bytes().count(b"\n") - len(rows):
            logging.warning("%s: %d damaged lines are left out", self._path, lost)
        self._metrics: dict[str, list[float]] = {}
        self._attention: list[dict[str, np.ndarray]] = []
        self._round_start = time.time()

    @property
    def position(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def costs(self, architecture: Any) -> dict[str, float]:
        """Of an architecture that was written, by name; nothing if its costs are not known."""
        return self._seen.get(_id(architecture), {})

    def on_exchange(self, exchange: Exchange) -> None:
        """Writes a row per unmasked candidate."""
        exchange = jax.device_get(exchange)
        rows = [
            self._candidate(exchange, int(row)) for row in np.flatnonzero(exchange.proposal.mask)
        ]
        self._write(rows)
        for kind, count in count_candidates(rows).items():
            self.counts[kind] = self.counts.get(kind, 0) + count
        for name, value in exchange.metrics.items():
            if np.ndim(value) == 0:
                self._metrics.setdefault(f"{exchange.phase}/{name}", []).append(float(value))
        if exchange.proposal.mask[0] and "attention_actor" in exchange.metrics:
            names = ("attention_actor", "attention_critic")
            step = {n.removeprefix("attention_"): np.asarray(exchange.metrics[n]) for n in names}
            self._attention.append(
                {**step, "encodings": np.asarray(exchange.proposal.architecture[0])}
            )

    def on_round(self, state: SearchState) -> None:
        """Writes the round's row and, after a validation episode, its attention maps."""
        state = jax.device_get(state)
        now = time.time()
        metrics = {
            name: float(np.mean(known)) if (known := [v for v in values if v == v]) else None
            for name, values in sorted(self._metrics.items())
        }
        row = {
            "event": "round",
            "round": int(state.round) - 1,
            "queries": int(state.queries),
            "updates": int(self._num_updates(state.controller)),
            "best_accuracy": float(state.best.accuracy),
            "best": self._space.to_text(state.best.architecture),
            "best_noise_free_accuracy": float(state.best_noise_free.accuracy),
            "best_noise_free": self._space.to_text(state.best_noise_free.architecture),
            "metrics": metrics,
            "physical": {"seconds": round(now - self._round_start, 3), "time": round(now, 3)},
        }
        self._write([row])
        if self._attention:
            self._write_attention(int(state.round) - 1)
        self._metrics, self._attention, self._round_start = {}, [], now

    def close(self) -> None:
        """Closes the file."""
        self._file.close()

    def _candidate(self, exchange: Exchange, row: int) -> dict[str, Any]:
        proposal, outcome = exchange.proposal, exchange.outcome
        architecture = proposal.architecture[row]
        name = _id(architecture)
        first = name not in self._seen
        status = STATUSES[outcome.status[row]]
        priced: dict[str, Any] = {}
        if self._cost_names and status != "invalid":
            costs = zip(self._cost_names, outcome.costs[row].tolist(), strict=True)
            priced = {"costs": {cost: _plain(value) for cost, value in costs}}
        self._seen[name] = costs_of(priced)
        accuracies = outcome.accuracies[row]
        if self._counts_of is not None:
            counted = np.rint(accuracies * self._counts_of).astype(int).tolist()
            measured = {"counts": counted}
        else:
            measured = {"accuracies": [float(value) for value in accuracies]}
        facts = self._provenance(architecture)
        return {
            "event": "candidate",
            "round": exchange.round,
            "phase": exchange.phase,
            "repeat": exchange.repeat,
            "row": int(row),
            "purpose": PURPOSES[proposal.purpose[row]],
            "id": name,
            "architecture": self._space.to_text(architecture),
            "encoding": architecture.tolist(),
            "status": status,
            **measured,
            "accuracy": float(outcome.accuracy[row]),
            **priced,
            "reward": float(exchange.rewards[row]),
            "first": first,
            "physical": {**facts, "time": round(time.time(), 3)},
        }

    def _write(self, rows: list[dict[str, Any]]) -> None:
        text = "".join(json.dumps(row) + "\n" for row in rows)
        try:
            self._file.write(text.encode())
            self._file.flush()
            if rows and rows[-1]["event"] == "round":
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._trouble(error) from error

    def _write_attention(self, round_index: int) -> None:
        stacked = {
            name: np.stack([step[name] for step in self._attention]) for name in self._attention[0]
        }
        path = self._path.with_name(ATTENTION)
        partial, steps = path.with_name(f".{ATTENTION}"), len(self._attention)
        try:
            with partial.open("wb") as file:
                np.savez(file, allow_pickle=False, round=round_index, length=steps, **stacked)
            partial.replace(path)
        except OSError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: OSError) -> UserError:
        return UserError(
            f"cannot write {self._path}: {error.strerror}; make room or choose another --workdir. "
            "All rounds that ended are kept: the same command goes on after them"
        )
