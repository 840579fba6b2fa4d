"""`summary.json`: the results of a finished search, in one file for people and programs."""

import pathlib
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax

from nasjax import files
from nasjax.runs import records
from nasjax.runs.records import Candidate
from nasjax.types import UNTRAINED_BELOW_UPDATES, Best, SearchState, Space

SUMMARY = "summary.json"


def write_summary(
    workdir: pathlib.Path,
    state: SearchState,
    space: Space,
    tested: Mapping[str, Any],
    *,
    updates: int | jax.Array,
    learns: bool = True,
    ended_by: str = "",
    images: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Writes and returns the summary of a finished search.

    Args:
      workdir: the run's directory, with config.json, versions.json and the events.
      state: the last state of the search.
      tested: the result of `final_test`; empty if no architecture keeps search.max_cost.
      updates: those that the controller made; learns: whether it ever makes one.
      ended_by: the setting that ended the search, see `loop.end_reason`.
      images: see `evaluation.Evaluation`.
    """
    state = jax.device_get(state)
    candidates, rounds, _ = records.read(workdir / records.EVENTS)
    config = files.read_json(workdir / "config.json")
    best = _describe(state.best, space, candidates)
    summary = {
        "best": best,
        "best_noise_free": _describe(state.best_noise_free, space, candidates),
        **({} if best else {"no_answer": _why_there_is_none(candidates, config)}),
        "validation_accuracy": best and best["accuracy"],
        "test_accuracy": tested.get("test_accuracy"),
        **({"balanced_test_accuracy": tested.get("balanced_accuracy")} if images else {}),
        **({"images": dict(images)} if images else {}),
        "candidates": records.count_candidates(candidates),
        "programs_compiled": sum(candidate.compiled for candidate in candidates),
        "queries": int(state.queries),
        "rounds": int(state.round),
        "ended_by": ended_by,
        "updates": int(updates),
        "learns": learns,
        "untrained": learns and int(updates) < UNTRAINED_BELOW_UPDATES,
        "seconds": round(sum(row.seconds for row in rounds), 1),
        "seed": config["seed"],
        "config": config,
        "versions": files.read_json(workdir / "versions.json"),
    }
    files.write_json(workdir / SUMMARY, summary)
    return summary


def _describe(best: Best, space: Space, candidates: Sequence[Candidate]) -> dict[str, Any] | None:
    """An incumbent as plain data; None if there is none."""
    if best.accuracy <= 0:
        return None
    encoding = best.architecture.tolist()
    costs = next((row.costs for row in candidates if row.encoding == encoding), {})
    return {
        "architecture": space.to_text(best.architecture),
        "layers": space.to_layers(best.architecture),
        "encoding": encoding,
        "accuracy": float(best.accuracy),
        **({"costs": costs} if costs else {}),
    }


def _why_there_is_none(candidates: Sequence[Candidate], config: Mapping[str, Any]) -> str:
    first_costs = [next(iter(row.costs.items())) for row in candidates if row.is_measured]
    name, least = min(first_costs)
    return (
        f"none of {len(first_costs):,} measured rows keeps search.max_cost="
        f"{config['search']['max_cost']:g} of {name}; the least is {least:.4g}"
    )
