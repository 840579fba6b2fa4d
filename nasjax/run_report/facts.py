"""What the files of a run directory hold, read as they are; `report` draws conclusions from them.

Works while the search is running: a half-written last line of events.jsonl is left for the next
time, and files written at the end of a run (summary.json, final_test.json) may be missing.
"""

import collections
import json
import pathlib
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from nasjax.runs.records import costs_of
from nasjax.spaces.layer_chain import LayerRow
from nasjax.types import MEASURED, STATUSES

Layers = tuple[tuple[int, ...], ...]


class Query(NamedTuple):
    """One candidate row of events.jsonl; `layers` is its encoding without the empty rows."""

    round: int
    phase: str
    repeat: int
    row: int
    purpose: str
    architecture: str
    layers: Layers
    slots: int
    status: str
    accuracy: float
    reward: float
    first: bool
    signature: str
    source: str
    seconds: float
    compiled: bool
    costs: dict[str, float]  # by name; infinite: a device cannot run it; empty: not recorded

    @property
    def measured(self) -> bool:
        """Whether it holds an accuracy."""
        return self.status in MEASURED


class Round(NamedTuple):
    """One round row of events.jsonl; `queries` and `updates` are cumulative."""

    round: int
    queries: int
    updates: int
    best_accuracy: float
    best: str
    best_noise_free_accuracy: float
    metrics: dict[str, float]
    seconds: float


class Records(NamedTuple):
    """All that events.jsonl holds; `last_time` is its newest time stamp, 0 if there is none."""

    queries: list[Query]
    rounds: list[Round]
    skipped_lines: int
    last_time: float


class Best(NamedTuple):
    """The best architecture by validation accuracy."""

    architecture: str
    layers: Layers
    accuracy: float


class Layer(NamedTuple):
    """One layer of the best architecture; nan where the records do not hold what it takes."""

    text: str
    accuracy: float
    gain: float
    cost: LayerRow | None  # None if the config does not say the input's shape


class CurvePoint(NamedTuple):
    """One finished round: accuracies in [0, 1]; `grown_mean` is nan if nothing could be built."""

    round: int
    best: float
    grown_mean: float
    validation: tuple[float, ...]


class Pair(NamedTuple):
    """How often a layer of one kind after another lost accuracy, over grown models."""

    negative: int
    measured: int
    failed: int


class Budget(NamedTuple):
    """What the run has spent; queries leave the noise-free validation rows out."""

    queries: int
    by_purpose: dict[str, int]
    candidates: dict[str, int]  # trained, reused, and those not ok by status: sums to all rows
    programs_compiled: int
    seconds_by_source: dict[str, float]
    updates: int
    seconds: float


class Attention(NamedTuple):
    """True attention weights of the last validation episode, [S, blocks, heads, L, L] each."""

    actor: np.ndarray
    critic: np.ndarray
    encodings: np.ndarray  # [S, L, F] the architecture after each step
    round: int
    length: int
    space: str = ""  # its name in the config


class Tradeoff(NamedTuple):
    """Accuracy against the first cost of measured rows [N]; `front`: indices, cheapest first."""

    name: str
    max_cost: float | None
    cost: np.ndarray
    accuracy: np.ndarray
    front: np.ndarray
    infeasible: int  # rows that a device cannot run


class Shaping(NamedTuple):
    """How potentials took part: curves of all rounds, choices of the V validation rounds.

    Curves are (rounds, values) by name; of the choices [L, V]: whether another one than Q's own
    was preferred, and how far potentials and Q set the choices of a slot apart.
    """

    epsilons: dict[str, tuple[list[int], list[float]]]
    losses: dict[str, tuple[list[int], list[float]]]
    slots: list[str]
    rounds: list[int]
    changed: np.ndarray
    potential_spread: np.ndarray
    q_spread: np.ndarray


class Facts(NamedTuple):
    """All that the page and the terminal summary say about one run."""

    workdir: pathlib.Path
    status: str  # running, finished or stopped
    config: dict[str, Any]
    versions: dict[str, Any]
    final_test: dict[str, Any]  # empty until the final test was run
    records: Records
    roles: list[str]  # of each query: final, prefix, backup, validate, failed
    best: Best | None
    best_noise_free: Best | None
    layers: list[Layer]
    curve: list[CurvePoint]
    kinds: list[collections.Counter[str]]  # per position: conv, fc, pool, stop
    pairs: dict[tuple[str, str], Pair]
    budget: Budget
    attention: Attention | None
    costs: dict[str, float]  # of the best, by name
    tradeoff: Tradeoff | None  # None where candidates have no costs
    shaping: Shaping | None  # None where no controller shapes
    notes: list[str]


def read_records(path: pathlib.Path) -> Records:
    """Read events.jsonl; lines that are not known rows are skipped and counted.

    A last line without its line end is still being written: it is used if complete, and otherwise
    ignored without being counted.
    """
    queries: list[Query] = []
    rounds: list[Round] = []
    skipped, last_time = 0, 0.0
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                event = json.loads(line)
                match event["event"]:
                    case "candidate":
                        queries.append(_query(event))
                    case "round":
                        rounds.append(_round(event))
                    case _:
                        skipped += 1
                        continue
                last_time = max(last_time, float(event.get("physical", {}).get("time", 0.0)))
            except (ValueError, KeyError, TypeError, AttributeError):
                skipped += bool(line.strip()) and line.endswith("\n")
    return Records(queries, rounds, skipped, last_time)


def _query(event: Mapping[str, Any]) -> Query:
    physical = event.get("physical", {})
    STATUSES.index(event["status"])  # ValueError: not a status that we know
    ok = event["status"] in MEASURED
    return Query(
        round=int(event["round"]),
        phase=str(event["phase"]),
        repeat=int(event["repeat"]),
        row=int(event["row"]),
        purpose=str(event["purpose"]),
        architecture=str(event["architecture"]),
        layers=built_layers(event["encoding"]),
        slots=len(event["encoding"]),
        status=str(event["status"]),
        accuracy=float(event["accuracy"]) if ok else 0.0,
        reward=float(event["reward"]) if ok else 0.0,
        first=bool(event["first"]),
        signature=str(event.get("signature", "")),
        source=str(physical.get("source", "none")),
        seconds=float(physical.get("seconds") or 0.0),
        compiled=bool(physical.get("compiled", False)),
        costs=costs_of(event),
    )


def _round(event: Mapping[str, Any]) -> Round:
    metrics = event.get("metrics") or {}
    return Round(
        round=int(event["round"]),
        queries=int(event["queries"]),
        updates=int(event["updates"]),
        best_accuracy=float(event["best_accuracy"]),
        best=str(event["best"]),
        best_noise_free_accuracy=float(event.get("best_noise_free_accuracy") or 0.0),
        metrics={k: float(v) for k, v in metrics.items() if isinstance(v, (int, float))},
        seconds=float(event.get("physical", {}).get("seconds") or 0.0),
    )


def built_layers(encoding: Iterable[Any]) -> Layers:
    """The built layers of an encoding [L, 4]; other spaces' flat encodings become [L, 1]."""
    rows = [
        tuple(int(v) for v in row) if isinstance(row, list) else (int(row),) for row in encoding
    ]
    return tuple(row for row in rows if len(row) == 1 or row[0] != 0)


def read_json(path: pathlib.Path, notes: list[str]) -> dict[str, Any]:
    """The object in a JSON file; empty, with a note, if it is broken; empty if it is absent."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
        notes.append(f"{path.name} does not hold a JSON object and was left out.")
    except (OSError, ValueError):
        notes.append(f"{path.name} could not be read and was left out.")
    return {}


def read_attention(path: pathlib.Path, space: str, notes: list[str]) -> Attention | None:
    """The arrays of attention.npz; None if it is absent, or (with a note) broken."""
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            actor, critic, encodings = (arrays[k] for k in ("actor", "critic", "encodings"))
            numbers = int(arrays["round"]), int(arrays["length"])
            found = Attention(actor, critic, encodings, *numbers, space)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        notes.append("attention.npz could not be read and was left out.")
        return None
    steps = len(encodings) if encodings.ndim == 3 else 0
    if any(a.ndim != 5 or len(a) != steps or a.size == 0 for a in (actor, critic)):
        notes.append(f"attention.npz was left out: actor {actor.shape}, critic {critic.shape}.")
        return None
    return found


def section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """One section of a resolved config; empty if it is absent or no section."""
    value = config.get(name)
    return value if isinstance(value, dict) else {}
