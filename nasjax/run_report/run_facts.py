"""Reads a run's directory into the facts that its report states.

It may be read while the search is running: a half-written last record is left for the next time,
and the files of a finished run (summary.json, final_test.json) may be missing.
"""

import collections
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasjax import files, registry
from nasjax.errors import UserError
from nasjax.run_report import costs
from nasjax.run_report.costs import Shaping, Tradeoff
from nasjax.run_report.statistics import Budget, CurvePoint, PairCount
from nasjax.runs import records
from nasjax.runs.records import Candidate, Events
from nasjax.spaces.layer_chain import LayerChain, LayerRow
from nasjax.spaces.slots import SlotSpace
from nasjax.types import Space

QUIET_SECONDS = 900.0  # a run without summary.json and without news for longer counts as stopped


class Best(NamedTuple):
    """The first architecture to reach the highest accuracy under the constraint."""

    architecture: str
    encoding: list[list[int]]
    accuracy: float
    costs: dict[str, float]


class Layer(NamedTuple):
    """One layer of the best architecture, a layer chain."""

    row: LayerRow  # its words, output shape, parameters and FLOPs
    accuracy: float  # of the network that ends with it; NaN if that one was never measured
    gain: float  # over the network that is one layer shorter; NaN if either was never measured


class Attention(NamedTuple):
    """Attention weights of the last validation episode, which took S steps."""

    actor: np.ndarray  # [S, blocks, heads, L, L]; each row sums to one
    critic: np.ndarray  # the same
    architecture: list[str]  # the layers of the last step, in words
    added: list[str]  # [S] the layer that each step added, in words
    round: int  # of the episode


class RunFacts(NamedTuple):
    """Everything that the reports and the terminal summary say about a run."""

    directory: pathlib.Path
    status: str  # running, finished or stopped
    config: dict[str, Any]
    versions: dict[str, Any]
    summary: dict[str, Any]  # this and the next: empty until the run has finished
    final_test: dict[str, Any]
    events: Events
    roles: list[str]  # of each candidate, see `statistics.roles`
    best: Best | None  # this and the next: None if there is none yet
    best_noise_free: Best | None
    # Layers of the best, the last one closes the network. This, kinds and pairs are empty in spaces
    # other than layer chains.
    layers: list[Layer]
    curve: list[CurvePoint]
    kinds: list[collections.Counter[str]]
    pairs: dict[tuple[str, str], PairCount]
    budget: Budget
    untrained: bool  # whether the learner made too few updates; False for one that never learns
    attention: Attention | None  # None for controllers without it
    tradeoff: Tradeoff | None  # None where candidates have no costs
    shaping: Shaping | None  # None for controllers that do not shape their rewards
    damaged_files: list[str]  # names of files that could not be read and were left out


def section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """One section of a config or summary; empty if it is absent or no section."""
    value = config.get(name)
    return value if isinstance(value, dict) else {}


def incumbent(
    candidates: Sequence[Candidate], summary: Mapping[str, Any], key: str, max_cost: float | None
) -> Best | None:
    """The incumbent that the summary has as `key`; while the search runs, the best so far.

    Args:
      candidates: the rows that may be the answer.
      summary: empty while the search is running.
      max_cost: the bound of the first cost; None if there is none.
    """
    if key in summary:
        if not (kept := section(summary, key)):
            return None
        measured = kept.get("costs", {})
        return Best(kept["architecture"], kept["encoding"], kept["accuracy"], measured)
    eligible = (
        row for row in candidates if row.is_measured and costs.keeps(row.first_cost, max_cost)
    )
    row = max(eligible, key=lambda row: row.accuracy, default=None)
    return Best(row.architecture, row.encoding, row.accuracy, row.costs) if row else None


def find_status(events: Events, now: float) -> str:
    """Running, or stopped if there was no news for long."""
    times = [row.time for row in events.candidates] + [row.time for row in events.rounds]
    longest = max((row.seconds for row in events.rounds), default=0.0)
    return "running" if now - max(times) < max(QUIET_SECONDS, 5 * longest) else "stopped"


def find_space(values: Mapping[str, Any]) -> Space | None:
    """The space of a run's config; None where the registry does not know it."""
    try:
        entry = registry.find("space", values.get("name"))
    except UserError:
        return None
    shown = "input_shape" in values
    images = (tuple(values["input_shape"]), values["num_classes"]) if shown else None
    found: Space = entry.make(entry.settings(), images)
    return found


def layer_text(layer: Sequence[int], space: Space | None) -> str:
    """One layer [F] in words, e.g. "conv 16 k3 s1"; empty for one that is not built."""
    if not layer[0]:
        return ""
    if isinstance(space, SlotSpace):
        return str(space.to_layers([layer])[0]["operation"])
    return space.to_text([layer]) if space else " ".join(map(str, layer))


def describe_layers(
    best: Best | None, candidates: Sequence[Candidate], space: Space | None
) -> list[Layer]:
    """The accuracy that each prefix of a chain reached, and the cost of each layer.

    The accuracy of a candidate depends on its architecture and the seed of the run only, so a
    prefix is looked up by its layers, whichever row measured it.
    """
    if best is None or not isinstance(space, LayerChain):
        return []
    measured = {row.layers: row.accuracy for row in candidates if row.is_measured}
    built = records.filled(best.encoding)
    measured[built] = best.accuracy
    rows, before = [], 0.0
    *table, closing = space.layer_table(built)
    for i, row in enumerate(table):
        accuracy = measured.get(built[: i + 1], np.nan)
        rows.append(Layer(row, accuracy, accuracy - before))
        before = accuracy
    return [*rows, Layer(closing, np.nan, np.nan)]


def read_json(path: pathlib.Path, damaged: list[str]) -> dict[str, Any]:
    """The object in a JSON file; empty if the file is absent, or damaged and then listed."""
    try:
        return files.read_json(path) if path.is_file() else {}
    except UserError:
        damaged.append(path.name)
        return {}


def read_attention(path: pathlib.Path, space: Space | None, damaged: list[str]) -> Attention | None:
    """The arrays of attention.npz; None if the file is absent, or damaged and then listed."""
    if not path.is_file():
        return None
    try:
        arrays = files.read_npz(path)
        actor, critic, encodings = (arrays[name] for name in ("actor", "critic", "encodings"))
        number = int(arrays["round"])
        if not actor.size:
            return None  # a network without attention
        steps, slots, _ = encodings.shape
        if {actor.shape, critic.shape} != {(steps, *actor.shape[1:3], slots, slots)}:
            raise ValueError("actor and critic do not attend to the encodings")
    except (OSError, ValueError, KeyError, TypeError):
        damaged.append(path.name)
        return None
    words = [[layer_text(layer, space) for layer in step] for step in encodings.tolist()]
    added = [step[min(i, slots - 1)] for i, step in enumerate(words)]
    return Attention(actor, critic, words[-1], added, number)
