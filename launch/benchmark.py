"""Measure the engine: python -m launch.benchmark candidates | plan | studies [--json PATH].

plan says what the engine would do with chains under a config, before anything is compiled.
studies runs 500 searches on a table in one program, and plain Python ones beside them.

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

import argparse
import contextlib
import json
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from tqdm import tqdm

from benchmarks import cold, machine, plan, scaling, studies, throughput
from benchmarks.draw_architectures import INPUT_SHAPE, NUM_CLASSES, PATH
from nasjax.errors import UserError
from nasjax.evaluation.trained import native
from nasjax.spaces.layer_chain import LayerChain

SPACE = LayerChain(INPUT_SHAPE, NUM_CLASSES)
BATCHES = (16, 128)
CONFIG = pathlib.Path("configs/trl_hpo/digits.py")
PLAN = """What the engine would do with chains of a config's space: which train together, how many
programs, how much padding, memory and (estimated from a matrix product) time."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, or 2 for what the user can mend."""
    arguments = _parser().parse_args(argv)
    try:
        if arguments.json:  # refused now, not after the work
            arguments.json.write_text("{}\n")
        for results in arguments.run(arguments):
            if arguments.json:
                arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m launch.benchmark", description=__doc__, formatter_class=raw
    )
    commands = parser.add_subparsers(required=True, metavar="candidates | plan | studies")
    candidates = commands.add_parser("candidates", description=__doc__, formatter_class=raw)
    candidates.set_defaults(run=_candidates)
    candidates.add_argument("--architectures", type=pathlib.Path, metavar="FILE", default=PATH)
    candidates.add_argument("--batch", type=int, nargs="*", default=BATCHES, help="sizes (16 128)")
    candidates.add_argument(
        "--torch_compile",
        type=int,
        metavar="N",
        default=4,
        help="also put the first N architectures under torch.compile (4), 10 to 30 s each",
    )
    candidates.add_argument("--sets", nargs="*", choices=list(cold.TASKS), help="(digits mnist)")
    candidates.add_argument("--noscaling", action="store_true", help="no lanes, no two devices")
    plan = commands.add_parser("plan", description=PLAN)
    plan.set_defaults(run=_plan)
    plan.add_argument("--config", type=pathlib.Path, metavar="FILE", default=CONFIG)
    plan.add_argument(
        "--architectures", type=pathlib.Path, metavar="FILE", help="instead of random"
    )
    plan.add_argument("--chains", type=int, metavar="N", default=100, help="random ones (100)")
    plan.add_argument(
        "--input_shape",
        type=int,
        nargs=3,
        metavar=("HEIGHT", "WIDTH", "CHANNELS"),
        help="of images of 10 classes; without it the config's data set is read",
    )
    of_studies = commands.add_parser("studies", description=studies.__doc__)
    of_studies.set_defaults(run=_studies)
    for command in (candidates, plan, of_studies):
        command.add_argument("--json", type=pathlib.Path, metavar="PATH", help="write all figures")
    return parser


def _plan(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Prints the cohorts of a config; yields them as plain data."""
    _check(arguments.chains >= 1, "--chains", arguments.chains, "1 or more")
    cache_dir = pathlib.Path(os.environ.get("NASJAX_CACHE_DIR", "~/.cache/nasjax")).expanduser()
    job = plan.read_config(arguments.config, arguments.input_shape, NUM_CLASSES, cache_dir)
    if arguments.architectures:
        layers = _read(arguments.architectures, job.space)
        architectures = [job.space.from_layers(of) for of in layers]
    else:
        architectures = list(cold.distinct_chains(job.space, arguments.chains))
    formed = plan.form(job, architectures)
    found = plan.summary(job, formed, machine.gemm_gflops())
    print(plan.table(found))
    yield found


def _studies(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Prints a line per method; yields all so far after each."""
    with contextlib.suppress(RuntimeError):  # where JAX has already begun, as in tests
        jax.config.update("jax_num_cpu_devices", os.cpu_count() or 1)
    print(studies.header())
    found: dict[str, Any] = {}
    for speed in studies.measure():
        print(studies.line(speed))
        found[speed.method] = {**speed._asdict(), "ratio": speed.ratio}
        yield found


def _candidates(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Prints tables and lines as they come; yields all figures so far after each."""
    largest, compiles = throughput.NUM_IMAGES, arguments.torch_compile
    for batch in arguments.batch:
        _check(1 <= batch <= largest, "--batch", batch, f"1 to {largest}")
    _check(compiles >= 0, "--torch_compile", compiles, "how many architectures, 0 or more")
    architectures = _read(arguments.architectures, SPACE)
    try:
        import torch
    except ModuleNotFoundError:
        raise UserError("launch.benchmark compares with PyTorch: pip install torch") from None
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
    for found in _steps(architectures, arguments.batch, limits, compiles):
        results.update(found)
        yield results
    for name in list(cold.TASKS) if arguments.sets is None else arguments.sets:
        figures = cold.measure(name)
        results.setdefault("cold", {}).update(cold.ratios(name, figures))
        results.setdefault("cold_figures", {})[name] = figures
        if name == "digits":
            results["programs"] = figures["programs"]
        print(cold.line(name, figures))
        yield results
    if not arguments.noscaling:
        results["scaling"] = _scaling()
        yield results


def _steps(
    architectures: list[throughput.Layers],
    batches: Sequence[int],
    limits: machine.Machine,
    torch_compiles: int,
) -> Iterator[dict[str, Any]]:
    """Prints a table per batch size; yields its figures, and `gemm_fraction` of all so far."""
    compute_bound: list[float] = []
    for batch in batches:
        measured = throughput.measure(architectures, SPACE, batch, limits, torch_compiles)
        steps = list(tqdm(measured, total=len(architectures), desc=f"batch {batch}", unit="net"))
        found = throughput.summary(steps)
        compute_bound += [step.gemm_fraction for step in steps if step.computes()]
        print(throughput.table(steps))
        print(throughput.closing(batch, found, steps) + "\n")
        yield {f"batch_{batch}": found, "gemm_fraction": min(compute_bound, default=None)}


def _scaling() -> dict[str, Any]:
    """Prints a table of lanes in one program and of lanes on one and two devices."""
    jobs = {"lanes": scaling.JOBS, "devices": scaling.SPREAD_JOBS}
    found: dict[str, Any] = {}
    for name, of in jobs.items():
        rows = tqdm(scaling.measure(of), total=len(of), desc=name, unit="process")
        found[name] = list(rows)
        print(f"{name}: {scaling.TEXT}, batch {scaling.BATCH}\n{scaling.table(found[name])}\n")
    return found


def _check(condition: bool, flag: str, value: int, allowed: str) -> None:
    if not condition:
        raise UserError(f"{flag}={value}; it must be {allowed}")


def _read(path: pathlib.Path, space: LayerChain) -> list[throughput.Layers]:
    try:
        architectures = json.loads(path.read_text())
    except json.JSONDecodeError as error:
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


if __name__ == "__main__":
    sys.exit(main())
