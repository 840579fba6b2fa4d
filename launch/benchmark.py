"""Measures the engine: nasjax benchmark candidates | plan | studies | accelerator [--json=PATH].

    nasjax benchmark plan --config=trl_hpo/digits --chains=50
    nasjax benchmark candidates --batch=16,128 --sets=digits
    nasjax benchmark accelerator --jobs=limits,alone,pytorch

plan says what the engine would do with chains under a config, before anything is compiled.
studies runs 500 searches on a table in one program, and plain Python ones beside them.

accelerator measures one GPU in ten minutes at most: a training step of one candidate, of many in
one program and of different ones side by side, with the engine's layers and the vendor's, beside
PyTorch; whether bits repeat; compiling; and searches on a table.

candidates trains random CNNs of the space layer_chain with the engine and with PyTorch and prints
PyTorch's time over the engine's: of a step, net after net (28x28x1, 10 classes); and of whole sets
of CNNs, 100 on scikit-learn's digits and 20 on images of MNIST's size, from an empty compile cache
and from a filled one. PyTorch trains one CNN after another, with all its threads; the engine too
("alone", `geometric_mean` and `worst` in the JSON), and as in a search, two at a time (those of
over 4.5 million params one by one), where ms of a step is the wall time over the steps of both.

Also: the first CNNs under torch.compile, where there is a C++ compiler; arithmetic against the
machine's matrix product, and Adam's memory traffic against its bandwidth; and one small chain as 1
to 256 lanes of a program, and on two devices. It needs torch (pip install torch), a machine that
does nothing else, and about half an hour on two cores.
"""

import contextlib
import importlib
import json
import os
import pathlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from absl import flags

from nasjax import config_files, files
from nasjax.errors import UserError
from nasjax.evaluation.trained import native
from nasjax.progress import Progress
from nasjax.spaces.layer_chain import LayerChain

from . import command_line
from .flags import Command, Given


def _benchmarks(name: str) -> Any:
    """A module of the folder benchmarks, which is `nasjax.benchmarks` once installed."""
    return importlib.import_module(f"{(__package__ or '').removesuffix('launch')}benchmarks.{name}")


accelerator, cold, machine, plan, scaling, studies, throughput, drawn = map(
    _benchmarks,
    (
        "accelerator",
        "cold",
        "machine",
        "plan",
        "scaling",
        "studies",
        "throughput",
        "draw_architectures",
    ),
)
SPACE = LayerChain(drawn.INPUT_SHAPE, drawn.NUM_CLASSES)
CONFIG = "trl_hpo/digits"


def define(own: flags.FlagValues) -> None:
    """Adds the flags of this command."""

    def listed(name: str, default: list[str] | None, text: str) -> None:
        flags.DEFINE_list(name, default, text, flag_values=own)

    def whole(name: str, default: int, text: str) -> None:
        flags.DEFINE_integer(name, default, text, flag_values=own)

    def file(name: str, text: str) -> None:
        flags.DEFINE_string(name, None, text, flag_values=own)

    file("json", "A file to write every figure to as well.")
    file(
        "architectures", "A JSON list of chains, instead of those that come with nasjax or random."
    )
    listed("batch", ["16", "128"], "candidates: batch sizes.")
    whole("torch_compile", 4, "candidates: as many also under torch.compile, 10 to 30 s each.")
    listed("sets", list(cold.TASKS), f"candidates: of {', '.join(cold.TASKS)}.")
    flags.DEFINE_bool("scaling", True, "candidates: also lanes and two devices.", flag_values=own)
    whole("chains", 100, "plan: random chains.")
    listed("jobs", list(accelerator.NAMES), f"accelerator: of {', '.join(accelerator.NAMES)}.")
    whole("nets", len(accelerator.NETS), "accelerator: CNNs, the first so many of its list.")
    whole("steps", accelerator.STEPS, "accelerator: training steps of a timing.")
    listed(
        "input_shape",
        None,
        "plan: HEIGHT,WIDTH,CHANNELS of images of 10 classes; by default the config's data set is "
        "read.",
    )


def run(given: Given) -> None:
    """Measures what the word asks for, and writes all figures so far after each of its steps."""
    runs = {
        "candidates": _candidates,
        "plan": _plan,
        "studies": _studies,
        "accelerator": _accelerator,
    }
    word, own = given.words[0], given.own
    if word not in runs:
        raise UserError(f"{word!r} is no benchmark; known: {', '.join(runs)}")
    path = pathlib.Path(own.json) if own.json else None
    if path and not path.parent.is_dir():  # refused now, not after the work
        raise UserError(f"--json={path}: there is no directory {path.parent}")
    for results in runs[word](given):
        if path:
            files.write_json(path, results)


def _plan(given: Given) -> Iterator[dict[str, Any]]:
    """Prints the cohorts of a config; yields them as plain data."""
    own = given.own
    _check(own.chains >= 1, "--chains", own.chains, "1 or more")
    shape = _whole_numbers("--input_shape", own.input_shape) if own.input_shape else None
    if shape is not None:
        _check(len(shape) == 3, "--input_shape", own.input_shape, "HEIGHT,WIDTH,CHANNELS")
    config = given.config or config_files.load(CONFIG).to_dict()
    job = plan.read_config(config, shape, drawn.NUM_CLASSES, given.cache_dir)
    if own.architectures:
        layers = _read(pathlib.Path(own.architectures), job.space)
        architectures = [job.space.from_layers(chain) for chain in layers]
    else:
        architectures = list(cold.distinct_chains(job.space, own.chains))
    formed = plan.form(job, architectures)
    found = plan.summary(job, formed, machine.gemm_gflops())
    print(plan.table(found))
    yield found


def _studies(given: Given) -> Iterator[dict[str, Any]]:
    """Prints a line per method; yields all so far after each."""
    with contextlib.suppress(RuntimeError):  # where JAX has already begun, as in tests
        jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    print(studies.header())
    found: dict[str, Any] = {}
    for speed in studies.measure():
        print(studies.line(speed))
        found[speed.method] = {**speed._asdict(), "ratio": speed.ratio}
        yield found


def _accelerator(given: Given) -> Iterator[dict[str, Any]]:
    """Prints every figure as text; yields all so far after each."""
    own, most = given.own, len(accelerator.NETS)
    for name in own.jobs:
        _check(name in accelerator.NAMES, "--jobs", name, f"of {', '.join(accelerator.NAMES)}")
    _check(1 <= own.nets <= most, "--nets", own.nets, f"1 to {most}")
    _check(own.steps >= 1, "--steps", own.steps, "1 or more")
    found: list[Any] = []
    for figures in accelerator.measure(own.jobs, own.nets, own.steps):
        print(accelerator.line(figures), flush=True)
        found.append(figures)
        yield {"figures": found}


def _candidates(given: Given) -> Iterator[dict[str, Any]]:
    """Prints tables and lines as they come; yields all figures so far after each."""
    own = given.own
    largest, compiles = throughput.NUM_IMAGES, own.torch_compile
    batches = _whole_numbers("--batch", own.batch)
    for batch in batches:
        _check(1 <= batch <= largest, "--batch", batch, f"1 to {largest}")
    _check(compiles >= 0, "--torch_compile", compiles, "how many architectures, 0 or more")
    for name in own.sets:
        _check(name in cold.TASKS, "--sets", name, f"of {', '.join(cold.TASKS)}")
    architectures = _read(pathlib.Path(own.architectures or drawn.PATH), SPACE)
    try:
        import torch
    except ModuleNotFoundError:
        raise UserError("nasjax benchmark compares with PyTorch: pip install torch") from None
    limits, threads = machine.measure(), torch.get_num_threads()
    print(
        f"GEMM {limits.gemm_gflops:.0f} GFLOP/s, memory {limits.gbytes_per_second:.0f} GB/s, "
        f"torch {torch.__version__}, {threads} threads"
    )
    results: dict[str, Any] = {
        **limits._asdict(),
        "jax": jax.__version__,
        "torch": torch.__version__,
        "torch_threads": threads,
    }
    if compiles and not native.compiler():
        print("no torch.compile: it needs a C++ compiler (c++, g++, clang++ or $CXX)")
        compiles = 0
    for found in _steps(architectures, batches, limits, compiles):
        results.update(found)
        yield results
    for name in own.sets:
        figures = cold.measure(name)
        results.setdefault("cold", {}).update(cold.ratios(name, figures))
        results.setdefault("cold_figures", {})[name] = figures
        if name == "digits":
            results["programs"] = figures["programs"]
        print(cold.line(name, figures))
        yield results
    if own.scaling:
        results["scaling"] = _scaling()
        yield results


def _steps(
    architectures: list[Any],
    batches: Sequence[int],
    limits: Any,
    torch_compiles: int,
) -> Iterator[dict[str, Any]]:
    """Prints a table per batch size; yields its figures, and `gemm_fraction` of all so far."""
    compute_bound: list[float] = []
    for batch in batches:
        measured = throughput.measure(architectures, SPACE, batch, limits, torch_compiles)
        steps = list(_counted(measured, len(architectures), f"batch {batch}", "nets"))
        found = throughput.summary(steps)
        compute_bound += [step.gemm_fraction for step in steps if step.computes()]
        print(throughput.table(steps))
        print(throughput.closing(batch, found, steps) + "\n")
        yield {f"batch_{batch}": found, "gemm_fraction": min(compute_bound, default=None)}


def _scaling() -> dict[str, Any]:
    """Prints a table of lanes in one program and of lanes on one and two devices."""
    jobs = {"lanes": scaling.JOBS, "devices": scaling.SPREAD_JOBS}
    found: dict[str, Any] = {}
    for name, sizes in jobs.items():
        rows = _counted(scaling.measure(sizes), len(sizes), name, "processes")
        found[name] = list(rows)
        print(f"{name}: {scaling.TEXT}, batch {scaling.BATCH}\n{scaling.table(found[name])}\n")
    return found


def _counted(items: Iterable[Any], total: int, text: str, unit: str) -> Iterator[Any]:
    """The items, while progress is shown."""
    with Progress(total, unit) as progress:
        progress.describe(text)
        for item in items:
            yield item
            progress.update()


def _whole_numbers(flag: str, words: Sequence[str]) -> list[int]:
    for word in words:
        _check(word.lstrip("-").isdigit(), flag, word, "whole numbers with commas in between")
    return [int(word) for word in words]


def _check(condition: bool, flag: str, value: object, allowed: str) -> None:
    if not condition:
        raise UserError(f"{flag}={value}; it must be {allowed}")


def _read(path: pathlib.Path, space: LayerChain) -> list[Any]:
    try:
        architectures = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"--architectures={path}: {error}") from None
    if not isinstance(architectures, list) or not architectures:
        raise UserError(f"--architectures={path}: expected a JSON list of architectures")
    images = "x".join(map(str, space.input_shape[:2]))
    for i, layers in enumerate(architectures):
        try:
            valid = bool(space.is_valid(jnp.asarray(space.from_layers(layers))))
        except UserError as error:
            raise UserError(f"--architectures={path}: [{i}] {error}") from None
        except (TypeError, KeyError, AttributeError, ValueError, OverflowError):
            raise UserError(f"--architectures={path}: [{i}] is no list of layers") from None
        if not valid:
            raise UserError(f"--architectures={path}: [{i}] does not fit {images} images")
    return architectures


COMMAND = Command(
    "benchmark",
    __doc__,
    run,
    define,
    config=CONFIG,
    needs_config=False,
    word="candidates | plan | studies | accelerator",
)

if __name__ == "__main__":
    command_line.start(COMMAND)
