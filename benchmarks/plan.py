"""The engine's plan for a list of chains under a config, before it compiles anything."""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from nasjax import build
from nasjax.data.datasets import load_search
from nasjax.errors import UserError
from nasjax.evaluation.trained import cohorts
from nasjax.evaluation.trained.cohorts import COMPILE_SECONDS, Cohort, TrainedConfig
from nasjax.spaces.layer_chain import FIELDS, KINDS, LayerChain


class Job(NamedTuple):
    """The work that a config describes, data set and space included."""

    space: LayerChain
    evaluator: TrainedConfig
    images: int


def read_config(
    config: Mapping[str, Any],
    input_shape: Sequence[int] | None,
    num_classes: int,
    cache_dir: pathlib.Path,
) -> Job:
    """The work that a config of a search asks for.

    Args:
      config: plain data.
      input_shape: of an image; None = of the config's data set, which is then read.
      num_classes: if `input_shape` is given.
      cache_dir: of decoded data sets.
    """
    settings = build.parse(config)
    if settings.data is None:
        raise UserError("--config: its results are looked up in a table, nothing is trained")
    if input_shape is None:
        data = load_search(settings.data, cache_dir)
        input_shape, num_classes = data.train.images.shape[1:], data.num_classes
    height, width, channels = input_shape
    space = LayerChain((height, width, channels), num_classes, settings.space)
    return Job(space, settings.evaluator, settings.data.train_size)


def form(job: Job, architectures: Sequence[np.ndarray]) -> list[Cohort]:
    """The cohorts, as the evaluator forms them."""
    return cohorts.form(architectures, job.space, job.evaluator)


def summary(job: Job, formed: Sequence[Cohort], gemm_gflops: float) -> dict[str, Any]:
    """All figures as plain data. Seconds are estimates, those of one worker.

    `padding`: arithmetic with padded widths over that without; `idle_lanes`: the share of lanes
    that repeat another's work; `memory_gib`: of the `workers` largest programs.
    """
    runs = [cohort for cohort in formed if cohort.lanes]
    largest = sorted((c.lanes * c.lane_bytes for c in runs), reverse=True)[: job.evaluator.workers]
    lanes = sum(c.runs * c.lanes for c in runs)
    flops = sum(c.flops for c in formed)
    return {
        "candidates": sum(len(c.members) for c in formed),
        "programs": len(runs),
        "over_memory": sum(len(c.members) for c in formed if not c.lanes),
        "padding": sum(c.padded_flops for c in formed) / flops,
        "idle_lanes": 1 - sum(len(c.members) for c in runs) / lanes if lanes else 0.0,
        "memory_gib": sum(largest) / 2**30,
        "compile_seconds": COMPILE_SECONDS * len(runs),
        "train_seconds": sum(c.seconds(job.evaluator, job.images, gemm_gflops) for c in runs),
        "cohorts": [_row(job, cohort, gemm_gflops) for cohort in formed],
    }


def table(found: dict[str, Any]) -> str:
    """The figures as text, the longest cohort first."""
    rows = [f"{'nets':>5} {'lanes':>5} {'MiB':>7} {'padding':>7} {'seconds':>8}  plan"]
    for row in found["cohorts"]:
        lanes = row["lanes"] or "none"
        rows.append(
            f"{row['candidates']:5} {lanes:>5} {row['lane_mib']:7.1f} {row['padding']:7.2f} "
            f"{row['train_seconds']:8.2f}  {row['plan']}"
        )
    counts = f"{found['candidates']} nets, {found['programs']} programs"
    seconds = [f"{found[f'{of}_seconds']:.1f} s" for of in ("train", "compile")]
    rows += [
        f"\n{counts}, {found['over_memory']} over the memory budget; padded arithmetic "
        f"{found['padding']:.2f} of the true, {found['idle_lanes']:.0%} of lanes idle; at most "
        f"{found['memory_gib']:.2f} GiB at a time",
        f"estimated: {seconds[0]} of training, {seconds[1]} of compiling, those of one worker",
    ]
    return "\n".join(rows)


def _row(job: Job, cohort: Cohort, gemm_gflops: float) -> dict[str, Any]:
    return {
        "plan": " > ".join(map(_text, cohort.plan)),
        "candidates": len(cohort.members),
        "lanes": cohort.lanes,
        "lane_mib": cohort.lane_bytes / 2**20,
        "padding": cohort.padded_flops / cohort.flops,
        "idle": cohort.idle,
        "train_seconds": cohort.seconds(job.evaluator, job.images, gemm_gflops)
        if cohort.lanes
        else 0.0,
    }


def _text(layer: Any) -> str:
    """A layer of a plan; what is data is left out."""
    letters = {"kernel": "k", "stride": "s", "padding": "p"}
    values = [f"{letters[f]}{getattr(layer, f)}" for f in FIELDS[layer.kind] if f in letters]
    width = [] if KINDS[layer.kind] == "pool" else [str(layer.width)]
    return " ".join([KINDS[layer.kind], *width, *values])
