"""`summary.json`: what a finished search found, in one file for people and programs."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from nasjax.runs.records import EVENTS, costs_of, count_candidates, read_rows
from nasjax.runs.workdir import write_json
from nasjax.types import MEASURED, Best, SearchState, Space

SUMMARY = "summary.json"
UNTRAINED_BELOW = 100  # updates; a learner with fewer is marked


def write_summary(
    workdir: pathlib.Path,
    state: SearchState,
    space: Space,
    tested: Mapping[str, Any],
    *,
    updates: int | jax.Array,
    learns: bool = True,
) -> dict[str, Any]:
    """Writes and returns the summary of a run that is over.

    Args:
      workdir: holds config.json, versions.json and the events.
      state: the search's last one.
      space: puts architectures in words.
      tested: from `final_test`; empty where there is no answer, as nothing keeps search.max_cost.
      updates: that the controller made; learns: whether it ever makes any.
    """
    state = jax.device_get(state)
    rows = list(read_rows(workdir / EVENTS))
    config = json.loads((workdir / "config.json").read_text())
    physical = [row["physical"] for row in rows]
    best = _architecture(state.best, space, rows)
    summary = {
        "best": best,
        "best_noise_free": _architecture(state.best_noise_free, space, rows),
        **({} if best else {"no_answer": _why_not(rows, config)}),
        "validation_accuracy": best and best["accuracy"],
        "test_accuracy": tested.get("test_accuracy"),
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
    return "\n".join(
        [
            *_answer_lines(summary),
            f"candidates     {counts}; {summary['queries']} queries",
            f"search         {summary['seconds']:.0f} s, {summary['programs_compiled']} programs "
            f"compiled, {learned}",
        ]
    )


def costs_text(costs: Mapping[str, float]) -> str:
    """E.g. "hw_nas_bench/pixel3_latency_ms 4.1, network/params_m 0.342": the names say the unit."""
    return ", ".join(f"{name} {cost:.4g}" for name, cost in costs.items())


def _answer_lines(summary: dict[str, Any]) -> list[str]:
    best = summary["best"]
    if best is None:
        return [f"best CNN       none: {summary['no_answer']}"]
    evaluator = summary["config"]["evaluator"]["name"]
    known = {"table": "from the table", "surrogate": "predicted"}
    how = known.get(evaluator, "retrained on train + validation")
    most = summary["config"]["search"].get("max_cost")
    limit = "" if most is None else f"  (search.max_cost={most:g} of the first)"
    priced = [f"costs          {costs_text(best['costs'])}{limit}"] if "costs" in best else []
    return [
        f"best CNN       {best['architecture']}",
        *priced,
        f"validation     {summary['validation_accuracy']:.2%}",
        f"test           {summary['test_accuracy']:.2%}  ({how})",
    ]


def _architecture(best: Best, space: Space, rows: Sequence[Any]) -> dict[str, Any] | None:
    if best.accuracy <= 0:
        return None
    encoding = best.architecture.tolist()
    row: dict[str, Any] = next((r for r in rows if r.get("encoding") == encoding), {})
    costs = costs_of(row)
    return {
        "architecture": space.to_text(best.architecture),
        "layers": space.to_layers(best.architecture),
        "encoding": encoding,
        "accuracy": float(best.accuracy),
        **({"costs": costs} if costs else {}),
    }


def _why_not(rows: Sequence[Any], config: Mapping[str, Any]) -> str:
    measured = [costs_of(row) for row in rows if row.get("status") in MEASURED]
    name, least = min(next(iter(costs.items())) for costs in measured)
    return (
        f"none of {len(measured):,} measured rows keeps search.max_cost="
        f"{config['search']['max_cost']:g} of {name}; the least is {least:.4g}"
    )
