"""`summary.json`: what a finished search found, in one file for people and programs."""

import json
import pathlib
from typing import Any

import jax

from nasjax.runs.records import EVENTS, count_candidates, read_rows
from nasjax.runs.workdir import write_json
from nasjax.types import Best, SearchState, Space

SUMMARY = "summary.json"
UNTRAINED_BELOW = 100  # updates; a learner with fewer is marked


def write_summary(
    workdir: pathlib.Path,
    state: SearchState,
    space: Space,
    tested: dict[str, Any],
    *,
    updates: int | jax.Array,
    learns: bool = True,
) -> dict[str, Any]:
    """Writes and returns the summary of a run that is over.

    Args:
      workdir: holds config.json, versions.json and the events.
      state: the search's last one.
      space: puts architectures in words.
      tested: from `final_test`.
      updates: that the controller made; learns: whether it ever makes any.
    """
    state = jax.device_get(state)
    rows = list(read_rows(workdir / EVENTS))
    config = json.loads((workdir / "config.json").read_text())
    physical = [row["physical"] for row in rows]
    found_noise_free = state.best_noise_free.accuracy > 0
    summary = {
        "best": _architecture(state.best, space),
        "best_noise_free": _architecture(state.best_noise_free, space)
        if found_noise_free
        else None,
        "validation_accuracy": float(state.best.accuracy),
        "test_accuracy": tested["test_accuracy"],
        "candidates": count_candidates(rows),
        "programs_compiled": sum(facts.get("compiled", False) for facts in physical),
        "queries": int(state.queries),
        "rounds": int(state.round),
        "updates": int(updates),
        "learns": learns,
        "untrained": learns and int(updates) < UNTRAINED_BELOW,
        "seconds": round(sum(r["physical"]["seconds"] for r in rows if r["event"] == "round"), 1),
        "seed": config["seed"],
        "config": config,
        "versions": json.loads((workdir / "versions.json").read_text()),
    }
    write_json(workdir / SUMMARY, summary)
    return summary


def summary_text(summary: dict[str, Any]) -> str:
    """The lines to print at the end of a search."""
    counts = ", ".join(f"{count} {kind}" for kind, count in summary["candidates"].items())
    learned = f"{summary['updates']} updates"
    if summary["learns"] and summary["untrained"]:
        learned += f" (untrained: fewer than {UNTRAINED_BELOW})"
    evaluator = summary["config"]["evaluator"]["name"]
    known = {"table": "from the table", "surrogate": "predicted"}
    how = known.get(evaluator, "retrained on train + validation")
    return "\n".join(
        [
            f"best CNN       {summary['best']['architecture']}",
            f"validation     {summary['validation_accuracy']:.2%}",
            f"test           {summary['test_accuracy']:.2%}  ({how})",
            f"candidates     {counts}; {summary['queries']} queries",
            f"search         {summary['seconds']:.0f} s, {summary['programs_compiled']} programs "
            f"compiled, {learned}",
        ]
    )


def _architecture(best: Best, space: Space) -> dict[str, Any]:
    return {
        "architecture": space.to_text(best.architecture),
        "layers": space.to_layers(best.architecture),
        "encoding": best.architecture.tolist(),
        "accuracy": float(best.accuracy),
    }
