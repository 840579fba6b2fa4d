"""The directory of a run of twelve records that can be counted by hand."""

import json
import pathlib
from typing import Any

import numpy as np

NOW = 1_790_000_100.0  # 100 s after the last row: the run counts as running
CONV, CONV7, POOL, FC = [1, 16, 3, 1], [1, 8, 7, 1], [3, 2, 2, 0], [2, 64, 1, 1]
TEXT = {1: "conv {} k{} s{}", 2: "fc {} relu", 3: "pool k{} s{} p{}"}
CONFIG = {
    "seed": 7,
    "space": {"name": "layer_chain", "input_shape": [8, 8, 1], "num_classes": 10},
    "data": {"name": "digits"},
    "controller": {"name": "trl_hpo", "note": "<script>alert(1)</script>"},
    "search": {"rounds": 5},
}
VERSIONS = {"nasjax": "0.1.0", "jax": "0.10.2", "commit": "abc123", "command": "python -m launch"}


def text_of(layers: list[list[int]]) -> str:
    return " > ".join(TEXT[kind].format(*values) for kind, *values in layers)


def candidate(round_: int, purpose: str, row: int, layers: list[list[int]], **other: Any) -> str:
    phase = {"grow": "grow", "backup": "learn", "validate": "check", "propose": "propose"}[purpose]
    physical = {
        "source": other.pop("source", "trained"),
        "seconds": other.pop("seconds", 1.0),
        "compiled": other.pop("compiled", False),
        "time": 1_790_000_000.0,
    }
    event = {
        "event": "candidate",
        "round": round_,
        "phase": phase,
        "repeat": len(layers) - 1 if purpose in ("grow", "validate") else 0,
        "row": row,
        "purpose": purpose,
        "id": "00",
        "architecture": text_of(layers),
        "encoding": layers + [[0] * 4] * (6 - len(layers)),
        "status": "ok",
        "counts": [16] * 32,
        "first": False,
        "physical": physical,
    }
    return json.dumps(event | other)


def round_row(round_: int, queries: int, updates: int, best: float, **metrics: float) -> str:
    event = {
        "event": "round",
        "round": round_,
        "queries": queries,
        "updates": updates,
        "best_accuracy": best,
        "best": text_of([CONV, POOL, FC]),
        "best_noise_free_accuracy": 0.0,
        "metrics": metrics,
        "physical": {"seconds": 30.0, "time": 1_790_000_000.0},
    }
    return json.dumps(event)


def twelve_rows() -> list[str]:
    """Two rounds; four grown models, one back-up, one noise-free model of two layers."""
    failed = {"accuracy": 0.0, "reward": -1.0, "seconds": 0.0, "source": "none"}
    again = {"source": "run", "seconds": 0.0}
    c = candidate
    return [
        c(0, "grow", 0, [CONV], accuracy=0.90, reward=0.90, first=True, compiled=True),
        c(0, "grow", 1, [CONV], accuracy=0.90, reward=0.90, **again),
        c(0, "grow", 0, [CONV, POOL], accuracy=0.95, reward=0.05, first=True),
        c(0, "grow", 1, [CONV, CONV], accuracy=0.88, reward=-0.02, first=True, compiled=True),
        c(0, "grow", 0, [CONV, POOL, FC], accuracy=0.97, reward=0.02, first=True),
        c(0, "grow", 0, [CONV, POOL, FC, FC], accuracy=0.96, reward=-0.01, first=True),
        round_row(0, 6, 0, 0.97),
        c(1, "grow", 0, [CONV], accuracy=0.90, reward=0.90, **again),
        c(1, "grow", 1, [CONV7], status="diverged", **(failed | {"source": "trained"})),
        c(1, "grow", 0, [CONV, CONV7], status="invalid", **failed),
        c(1, "backup", 3, [CONV, POOL, FC], accuracy=0.97, reward=0.02, **again),
        c(1, "validate", 0, [CONV], accuracy=0.90, reward=0.90, **again),
        c(1, "validate", 0, [CONV, POOL], accuracy=0.95, reward=0.05, **again),
        round_row(1, 10, 1, 0.97, **{"learn/critic_loss": 0.25, "learn/actor_loss": float("nan")}),
    ]


def make_run(directory: pathlib.Path, lines: list[str], **files: Any) -> pathlib.Path:
    """Writes a run's files; `files`: the content of NAME.json, beside config and versions."""
    directory.mkdir(exist_ok=True)
    (directory / "events.jsonl").write_text("".join(line + "\n" for line in lines))
    for name, content in ({"config": CONFIG, "versions": VERSIONS} | files).items():
        (directory / f"{name}.json").write_text(json.dumps(content))
    return directory


def add_attention(run: pathlib.Path, steps: int = 2) -> None:
    """Writes attention maps of a validation episode that grew a convolution, then a pool."""
    weights = np.random.default_rng(0).dirichlet(np.ones(6), (steps, 2, 4, 6)).astype(np.float32)
    encodings = np.zeros((steps, 6, 4), np.int32)
    encodings[:, 0], encodings[1:, 1] = CONV, POOL
    np.savez(
        run / "attention.npz",
        actor=weights,
        critic=weights,
        encodings=encodings,
        round=1,
        length=steps,
    )
