"""The records of a run: one line of `events.jsonl` per candidate and per round.

What depends on the machine or on timing stands under "physical". All else is the same, bit for
bit, however often the run was interrupted.
"""

import json
import logging
import math
import os
import pathlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from nasjax import files
from nasjax.errors import UserError
from nasjax.types import MEASURED, PURPOSES, STATUSES, Exchange, SearchState, Space

EVENTS = "events.jsonl"
ATTENTION = "attention.npz"


class Candidate(NamedTuple):
    """The record of one row of an exchange."""

    round: int  # this and the next three: its place in the search
    phase: str
    repeat: int
    row: int
    purpose: str  # one of PURPOSES
    id: str  # the first 16 digits of the SHA-256 of the encoding
    architecture: str  # in words
    encoding: list[list[int]]  # [L, F]
    status: str  # one of STATUSES
    counts: list[int] | None  # [P] correct images per validation batch, if accuracies are counts
    accuracy: float  # in [0, 1], on the whole validation split; zero if it was not measured
    reward: float
    costs: dict[str, float]  # infinite: a device cannot run it; NaN: not known; empty: not recorded
    first: bool  # whether the run had not met the architecture before
    source: str  # of the result, e.g. "trained" or "store"
    seconds: float  # that it took
    compiled: bool  # whether a program had to be compiled for it
    time: float  # of the record, seconds since 1970

    @property
    def is_measured(self) -> bool:
        """Whether it has an accuracy."""
        return self.status in MEASURED

    @property
    def first_cost(self) -> float:
        """The cost that search.max_cost bounds; NaN if there is none."""
        return next(iter(self.costs.values()), math.nan)

    @property
    def layers(self) -> tuple[tuple[int, ...], ...]:
        """See `filled`."""
        return filled(self.encoding)


def filled(encoding: Iterable[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """The rows [F] of an encoding [L, F] that are not empty."""
    return tuple(tuple(row) for row in encoding if row[0])


class Round(NamedTuple):
    """The record of one finished round."""

    round: int
    updates: int  # that the controller made so far
    best_accuracy: float  # of the incumbent, in [0, 1]; zero if there is none
    metrics: dict[str, float]  # means over the round's exchanges, by "phase/name"
    seconds: float  # that the round took
    time: float  # of its end, seconds since 1970


class Events(NamedTuple):
    """All records of a run, candidates and rounds each in the order in which they were written."""

    candidates: list[Candidate]
    rounds: list[Round]
    damaged_lines: int


def read(path: pathlib.Path) -> Events:
    """Reads an events file, also while a search writes it; no records if there is none.

    A line that is not a whole record is left out and counted as damaged. A last line without its
    line end may still be being written, so it is not counted.

    Raises:
      UserError: the file cannot be read.
    """
    candidates: list[Candidate] = []
    rounds: list[Round] = []
    damaged = 0
    if not path.exists():
        return Events(candidates, rounds, damaged)
    try:
        with path.open("rb") as lines:
            for line in lines:
                try:
                    row = json.loads(line)
                    if "digest" in row and row["digest"] != _digest(row):
                        raise ValueError("the line is not as it was written")
                    match row["event"]:
                        case "candidate":
                            candidates.append(_candidate(row))
                        case "round":
                            rounds.append(_round(row))
                        case unknown:
                            raise ValueError(f"unknown event {unknown!r}")
                except Exception:  # a damaged line may hold anything
                    damaged += line.endswith(b"\n")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return Events(candidates, rounds, damaged)


def _candidate(row: Mapping[str, Any]) -> Candidate:
    physical, counts = row["physical"], row.get("counts")
    STATUSES.index(row["status"])  # ValueError: a damaged line may still be JSON
    if counts is None and "accuracies" not in row:
        raise ValueError("neither counts nor accuracies")
    PURPOSES.index(row["purpose"])
    return Candidate(
        round=int(row["round"]),
        phase=str(row["phase"]),
        repeat=int(row["repeat"]),
        row=int(row["row"]),
        purpose=row["purpose"],
        id=str(row["id"]),
        architecture=str(row["architecture"]),
        encoding=[[int(value) for value in layer] for layer in row["encoding"]],
        status=row["status"],
        counts=None if counts is None else [int(count) for count in counts],
        accuracy=float(row["accuracy"]),
        reward=float(row["reward"]),
        costs=_costs(row),
        first=bool(row["first"]),
        source=str(physical.get("source", "none")),
        seconds=float(physical.get("seconds", 0.0)),
        compiled=bool(physical.get("compiled", False)),
        time=float(physical.get("time", 0.0)),
    )


def _round(row: Mapping[str, Any]) -> Round:
    physical, metrics = row["physical"], row["metrics"]
    return Round(
        round=int(row["round"]),
        updates=int(row["updates"]),
        best_accuracy=float(row["best_accuracy"]),
        metrics={name: float(value) for name, value in metrics.items() if value is not None},
        seconds=float(physical["seconds"]),
        time=float(physical.get("time", 0.0)),
    )


def _costs(row: Mapping[str, Any]) -> dict[str, float]:
    """The inverse of `_plain`, by name."""
    costs = row.get("costs") or {}
    return {name: math.nan if cost is None else float(cost) for name, cost in costs.items()}


def _digest(row: Mapping[str, Any]) -> str:
    """16 digits of the SHA-256 of a line but for "physical"; earlier versions wrote none."""
    logical = {key: value for key, value in row.items() if key not in ("physical", "digest")}
    return files.digest_of_json(logical)[:16]


def _plain(cost: float) -> float | str | None:
    """A cost for JSON, which knows neither NaN nor infinities."""
    return cost if math.isfinite(cost) else None if math.isnan(cost) else str(cost)


def _id(architecture: Any) -> str:
    return files.digest(np.asarray(architecture).tobytes())[:16]


def count_candidates(candidates: Iterable[Candidate]) -> dict[str, int]:
    """The number of candidates that were trained, reused and invalid.

    "trained" are met for the first time, also if they diverged or were stopped; "reused" were met
    before; "invalid" cannot be built. Keys only if there are any: "over_memory" need more than the
    memory budget; "infeasible" cannot be run by a device.
    """
    counts = {"trained": 0, "reused": 0, "invalid": 0}
    for candidate in candidates:
        kind = _charged_as(candidate.status, first=candidate.first)
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _charged_as(status: str, *, first: bool) -> str:
    if status in (*MEASURED, "diverged"):
        return "trained" if first else "reused"
    return status


# What to change where candidates end with a status.
REMEDIES = {
    "over_memory": "raise evaluator.memory_budget_gib",
    "diverged": "lower evaluator.learning_rate",
}


def count_failures(candidates: Iterable[Candidate]) -> dict[str, int]:
    """The number of candidates without a result, by status in the order of the alphabet."""
    counts = Counter(row.status for row in candidates if not row.is_measured)
    return dict(sorted(counts.items()))


def remedy(status: str) -> str:
    """The setting to change where candidates end with a status, ": " before it; "" if none is."""
    return f": {REMEDIES[status]}" if status in REMEDIES else ""


class Records:
    """Appends to a run's events file.

    Args:
      workdir: the run's directory.
      space: puts architectures in words.
      provenance: (architecture) -> how its result was obtained, see `nasjax.types.Evaluator`.
      counts_of: images per validation batch if accuracies are counts, else None.
      num_updates: (controller's state) -> updates made so far.
      cost_names: [S] of the outcomes' costs.
      position: bytes of the file to keep, from the checkpoint; later records are dropped.

    Raises:
      UserError: the file cannot be written, now or later.
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
        events = read(self._path)
        self._seen = {candidate.id: candidate.costs for candidate in events.candidates}
        self.counts = count_candidates(events.candidates)
        if events.damaged_lines:
            logging.warning("%s: %d damaged lines are left out", self._path, events.damaged_lines)
        self._metrics: dict[str, list[float]] = {}
        self._attention: list[dict[str, np.ndarray]] = []
        self._round_start = time.time()

    @property
    def position(self) -> int:
        """Bytes written so far."""
        return self._file.tell()

    def costs(self, architecture: Any) -> dict[str, float]:
        """The costs of a recorded architecture [L, F] by name; empty if they are not known."""
        return self._seen.get(_id(architecture), {})

    def on_exchange(self, exchange: Exchange) -> None:
        """Writes a row per unmasked candidate."""
        exchange = jax.device_get(exchange)
        rows = [
            self._describe(exchange, int(row)) for row in np.flatnonzero(exchange.proposal.mask)
        ]
        self._write(rows)
        for row in rows:
            kind = _charged_as(row["status"], first=row["first"])
            self.counts[kind] = self.counts.get(kind, 0) + 1
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

    def _describe(self, exchange: Exchange, row: int) -> dict[str, Any]:
        proposal, outcome = exchange.proposal, exchange.outcome
        architecture = proposal.architecture[row]
        name = _id(architecture)
        first = name not in self._seen
        status = STATUSES[outcome.status[row]]
        priced: dict[str, Any] = {}
        if self._cost_names and status != "invalid":
            costs = zip(self._cost_names, outcome.costs[row].tolist(), strict=True)
            priced = {"costs": {cost: _plain(value) for cost, value in costs}}
        self._seen[name] = _costs(priced)
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
        text = "".join(json.dumps({**row, "digest": _digest(row)}) + "\n" for row in rows)
        try:
            self._file.write(text.encode())
            self._file.flush()
            if rows and rows[-1]["event"] == "round":
                os.fsync(self._file.fileno())
        except OSError as error:
            raise self._trouble(error) from error

    def _write_attention(self, round_index: int) -> None:
        names = ("actor", "critic", "encodings")
        steps = {name: np.stack([step[name] for step in self._attention]) for name in names}
        about = {"round": np.array(round_index), "length": np.array(len(self._attention))}
        files.write_npz(self._path.with_name(ATTENTION), {**about, **steps})

    def _trouble(self, error: OSError) -> UserError:
        return UserError(
            f"cannot write {self._path}: {error.strerror}; make room or choose another --workdir. "
            "All rounds that ended are kept: the same command goes on after them"
        )
