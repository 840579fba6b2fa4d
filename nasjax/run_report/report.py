"""Turn one run directory into facts, and these into report.html and a terminal summary.

Works while the search is running. Files are read in `facts`, pictures drawn in `plots`, the page
and the summary worded in `page`. The test split is never touched: its accuracy is shown only where
final_test.json already holds it.
"""

import collections
import pathlib
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nasjax.errors import UserError
from nasjax.registry import layer_text
from nasjax.run_report import device_costs, page
from nasjax.run_report.facts import (
    Best,
    Budget,
    CurvePoint,
    Facts,
    Layer,
    Pair,
    Query,
    Records,
    built_layers,
    read_attention,
    read_json,
    read_records,
    section,
)
from nasjax.spaces import layer_chain
from nasjax.types import STATUSES

QUIET_SECONDS = 900.0  # a run without summary.json and without news for longer counts as stopped
NOISE_FREE, GROWN = "validate", "grow"  # the purposes whose rows form trajectories


def write_report(workdir: pathlib.Path, output: pathlib.Path | None = None) -> pathlib.Path:
    """Write the report of a run to `output` (default: WORKDIR/report.html) and return its path.

    Raises `UserError` if WORKDIR is no run, or `output` cannot be written.
    """
    output = output or workdir / "report.html"
    text = page.render(collect(workdir, now=time.time()))
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--output={str(output)!r} cannot be written: {error.strerror}") from error
    return output


def terminal_summary(workdir: pathlib.Path) -> str:
    """A few aligned lines about a run, to print."""
    return page.summary(collect(workdir, now=time.time()))


def collect(workdir: pathlib.Path, *, now: float) -> Facts:
    """Read a run directory into facts; `now` (seconds since 1970) tells running from stopped.

    Raises `UserError` if the directory is missing, is not a run, or holds no event yet.
    """
    events = workdir / "events.jsonl"
    if not workdir.is_dir():
        raise UserError(f"WORKDIR={str(workdir)!r} does not exist; name the workdir of a search")
    if not (workdir / "config.json").is_file() or not events.is_file():
        needs = "it needs config.json and events.jsonl"
        raise UserError(f"WORKDIR={str(workdir)!r} is not a run directory: {needs}")
    records = read_records(events)
    if not records.queries and not records.rounds:
        raise UserError(f"WORKDIR={str(workdir)!r} has no events yet: events.jsonl holds no row")
    notes: list[str] = []
    config = read_json(workdir / "config.json", notes)
    summary = read_json(workdir / "summary.json", notes)
    if summary.get("no_answer"):
        notes.append(f"There is no answer: {summary['no_answer']}.")
    if records.skipped_lines:
        notes.append(f"Lines of events.jsonl skipped as not known: {records.skipped_lines}.")
    age = now - (records.last_time or events.stat().st_mtime)
    longest = max((r.seconds for r in records.rounds), default=0.0)
    alive = age < max(QUIET_SECONDS, 5 * longest)
    space = section(config, "space")
    finished = {r.round for r in records.rounds}
    is_chain = space.get("name") == "layer_chain"
    trajectories = list(whole_trajectories(records.queries, finished)) if is_chain else []
    most = device_costs.max_cost(config)
    best = best_architecture(records, summary, most)
    return Facts(
        workdir=workdir,
        status="finished" if summary else "running" if alive else "stopped",
        config=config,
        versions=read_json(workdir / "versions.json", notes),
        final_test=read_json(workdir / "final_test.json", notes),
        records=records,
        roles=query_roles(records.queries, finished),
        best=best,
        best_noise_free=best_noise_free(records, summary, most),
        layers=layer_facts(best, records.queries, space) if best else [],
        curve=learning_curve(records),
        kinds=count_kinds(trajectories),
        pairs=count_pairs(trajectories),
        budget=count_budget(records, summary),
        attention=read_attention(workdir / "attention.npz", str(space.get("name")), notes),
        costs=device_costs.of_best(best, records.queries),
        tradeoff=device_costs.tradeoff(records.queries, config),
        shaping=device_costs.shaping(records.rounds, str(space.get("name"))),
        notes=notes,
    )


# --- the best architecture ----------------------------------------------------------------------


def best_architecture(
    records: Records, summary: Mapping[str, Any], most: float | None
) -> Best | None:
    """The run's own word (summary, else last round), unless a later row has already beaten it.

    Of the rows that cost no more than `most`.
    """
    layers = {q.architecture: q.layers for q in records.queries}
    told = section(summary, "best")
    if told.get("architecture"):
        text = str(told["architecture"])
        encoding = built_layers(told.get("encoding") or [])
        return Best(text, encoding or layers.get(text, ()), summary.get("validation_accuracy", 0.0))
    best, since = None, -1
    if records.rounds and records.rounds[-1].best_accuracy > 0:
        last = records.rounds[-1]
        best, since = Best(last.best, layers.get(last.best, ()), last.best_accuracy), last.round
    for q in records.queries:
        newer = q.measured and q.round > since and device_costs.keeps(q, most)
        if newer and (best is None or q.accuracy > best.accuracy):
            best = Best(q.architecture, q.layers, q.accuracy)
    return best


def best_noise_free(
    records: Records, summary: Mapping[str, Any], most: float | None
) -> Best | None:
    """The best of the noise-free validation episodes; None if nothing was measured there."""
    measured = [q for q in records.queries if q.purpose == NOISE_FREE and q.measured]
    rows = [q for q in measured if device_costs.keeps(q, most)]
    told = section(summary, "best_noise_free").get("architecture")
    named = [q for q in rows if q.architecture == told] or rows
    top = max(named, key=lambda q: q.accuracy, default=None)
    return Best(top.architecture, top.layers, top.accuracy) if top else None


def layer_facts(best: Best, queries: Sequence[Query], space: Mapping[str, Any]) -> list[Layer]:
    """The best architecture layer by layer: what each prefix reached and what each layer costs.

    A candidate's accuracy depends on its architecture and the run's seed only, so a prefix is
    looked up by its layers, whichever row measured it. The last row is the closing linear layer.
    """
    if space.get("name") != "layer_chain" or not best.layers:
        return []
    measured = {q.layers: q.accuracy for q in queries if q.measured}
    measured[best.layers] = best.accuracy
    costs: Sequence[layer_chain.LayerRow] = ()
    if "input_shape" in space and "num_classes" in space:
        chain = layer_chain.LayerChain(tuple(space["input_shape"]), int(space["num_classes"]))
        costs = chain.layer_table(best.layers)
    rows, before = [], 0.0
    for i, text in enumerate([layer_text(layer, space["name"]) for layer in best.layers]):
        accuracy = measured.get(best.layers[: i + 1], np.nan)
        rows.append(Layer(text, accuracy, accuracy - before, costs[i] if costs else None))
        before = accuracy
    if costs:
        rows.append(Layer("flatten + linear", np.nan, np.nan, costs[-1]))
    return rows


# --- counts -------------------------------------------------------------------------------------


def trajectories(queries: Iterable[Query], purpose: str) -> Iterable[list[Query]]:
    """The rows of every model of one purpose, layer after layer, in the order they were begun."""
    rows: dict[tuple[int, str, int], list[Query]] = collections.defaultdict(list)
    for q in queries:
        if q.purpose == purpose:
            rows[q.round, q.phase, q.row].append(q)
    return (sorted(row, key=lambda q: q.repeat) for row in rows.values())


def whole_trajectories(queries: Sequence[Query], finished: set[int]) -> Iterable[list[Query]]:
    """Grown models of finished rounds; a whole architecture, proposed at once, is one row."""
    done = [q for q in queries if q.round in finished]
    yield from trajectories(done, GROWN)
    yield from ([q] for q in done if q.purpose == "propose")


def _standing(rows: Iterable[Query]) -> Query | None:
    """The model a trajectory ended with: its last row that could be built and measured."""
    return next((q for q in reversed(list(rows)) if q.measured), None)


def query_roles(queries: Sequence[Query], finished: set[int]) -> list[str]:
    """final, prefix, backup, validate or failed; in an unfinished round nothing is final yet."""
    final = {
        id(_standing(rows)) for rows in trajectories(queries, GROWN) if rows[0].round in finished
    }
    roles = {"backup": "backup", NOISE_FREE: "validate", "propose": "final"}
    return [
        "failed"
        if not q.measured
        else roles.get(q.purpose, "final" if id(q) in final else "prefix")
        for q in queries
    ]


def learning_curve(records: Records) -> list[CurvePoint]:
    """Per finished round: best so far, mean of the models it ended with, noise-free models."""
    grown: dict[int, list[float]] = collections.defaultdict(list)
    checked: dict[int, list[float]] = collections.defaultdict(list)
    for purpose, into in ((GROWN, grown), (NOISE_FREE, checked)):
        for rows in trajectories(records.queries, purpose):
            if (last := _standing(rows)) is not None:
                into[last.round].append(last.accuracy)
    for q in records.queries:
        if q.purpose == "propose" and q.measured:
            grown[q.round].append(q.accuracy)
    return [
        CurvePoint(
            r.round,
            r.best_accuracy,
            float(np.mean(grown[r.round])) if grown[r.round] else np.nan,
            tuple(checked[r.round]),
        )
        for r in records.rounds
    ]


def count_kinds(models: Sequence[list[Query]]) -> list[collections.Counter[str]]:
    """Per position, how many models tried each kind there; `stop`: they had ended before."""
    slots = max((q.slots for rows in models for q in rows), default=0)
    counts = [collections.Counter[str]() for _ in range(slots)]
    for rows in models:
        layers = rows[-1].layers
        for i in range(slots):
            counts[i][layer_chain.KINDS[layers[i][0]] if i < len(layers) else "stop"] += 1
    return counts


def count_pairs(models: Iterable[list[Query]]) -> dict[tuple[str, str], Pair]:
    """(previous kind, kind) -> how often that layer lost accuracy (TRL-HPO, Fig. 2).

    A layer that could not be built or trained is counted as failed, not as negative. Architectures
    proposed whole have no reward per layer and are left out.
    """
    pairs: dict[tuple[str, str], Pair] = collections.defaultdict(lambda: Pair(0, 0, 0))
    for rows in models:
        for q in rows:
            if q.purpose != GROWN or len(q.layers) < 2:
                continue
            before, this = (layer_chain.KINDS[layer[0]] for layer in q.layers[-2:])
            negative, measured, failed = pairs[before, this]
            ok = q.measured
            pairs[before, this] = Pair(
                negative + (ok and q.reward < 0), measured + ok, failed + (not ok)
            )
    return dict(pairs)


def count_budget(records: Records, summary: Mapping[str, Any]) -> Budget:
    """What was spent, from the records; the number of programs from summary.json once it exists."""
    names = ("trained", "reused", *STATUSES[1:])
    candidates = dict.fromkeys(names, 0)
    seconds: dict[str, float] = collections.defaultdict(float)
    for q in records.queries:
        known = "trained" if q.first else "reused"
        candidates[known if q.status == "ok" else q.status] += 1
        seconds[q.source] += q.seconds
    purposes = collections.Counter(q.purpose for q in records.queries)
    compiled = {q.signature for q in records.queries if q.compiled}
    return Budget(
        queries=sum(purposes.values()) - purposes[NOISE_FREE],
        by_purpose=dict(purposes),
        candidates=candidates,
        programs_compiled=int(summary.get("programs_compiled", len(compiled))),
        seconds_by_source=dict(seconds),
        updates=records.rounds[-1].updates if records.rounds else 0,
        seconds=sum(r.seconds for r in records.rounds),
    )
