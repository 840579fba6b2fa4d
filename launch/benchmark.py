"""Measure the engine: python -m launch.benchmark candidates [--json PATH].

candidates trains random CNNs of the space layer_chain with the engine and with PyTorch and prints
PyTorch's time over the engine's: of a step, net after net (28x28x1, 10 classes); and of whole sets
of CNNs, 100 on scikit-learn's digits and 20 on images of MNIST's size, from an empty compile cache
and from a filled one. It needs torch (pip install torch) and a machine that does nothing else.
"""

import argparse
import json
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from tqdm import tqdm

from benchmarks import cold, throughput
from benchmarks.draw_architectures import INPUT_SHAPE, NUM_CLASSES, PATH
from nasjax.config import check
from nasjax.errors import UserError
from nasjax.spaces.layer_chain import LayerChain

SPACE = LayerChain(INPUT_SHAPE, NUM_CLASSES)
BATCHES = (16, 128)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, or 2 for what the user can mend."""
    parser = argparse.ArgumentParser(
        prog="python -m launch.benchmark",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["candidates"])
    parser.add_argument("--architectures", type=pathlib.Path, metavar="FILE", default=PATH)
    parser.add_argument("--batch", type=int, nargs="*", default=BATCHES, help="sizes (16 128)")
    parser.add_argument("--sets", nargs="*", choices=list(cold.TASKS), help="(digits mnist)")
    parser.add_argument("--json", type=pathlib.Path, metavar="PATH", help="also write all figures")
    arguments = parser.parse_args(argv)
    try:
        largest = throughput.NUM_IMAGES
        for batch in arguments.batch:
            check(1 <= batch <= largest, "--batch", batch, f"1 to {largest}")
        architectures = _read(arguments.architectures)
        if arguments.json:  # refused now, not after the work
            arguments.json.write_text("{}\n")
        sets = list(cold.TASKS) if arguments.sets is None else arguments.sets
        for results in _candidates(architectures, arguments.batch, sets):
            if arguments.json:
                arguments.json.write_text(json.dumps(results, indent=1) + "\n")
    except (UserError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _candidates(
    architectures: list[list[dict[str, Any]]], batches: Sequence[int], sets: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Prints a table per batch size, a line per set; yields all figures so far after each."""
    try:
        import torch
    except ModuleNotFoundError:
        raise UserError("launch.benchmark compares with PyTorch: pip install torch") from None
    peak = throughput.gemm_gflops()
    print(f"GEMM {peak:.0f} GFLOP/s, torch {torch.__version__}, {torch.get_num_threads()} threads")
    results: dict[str, Any] = {"gemm_gflops": peak, "jax": jax.__version__}
    for batch in batches:
        measured = throughput.measure(architectures, SPACE, batch)
        steps = list(tqdm(measured, total=len(architectures), desc=f"batch {batch}", unit="net"))
        found = throughput.summary(steps)
        results[f"batch_{batch}"] = found
        print(throughput.table(steps))
        mean, worst = found["geometric_mean"], found["worst"]
        print(f"batch {batch}: geometric mean {mean:.2f}, worst {worst:.2f} (PyTorch / engine)\n")
        yield results
    for name in sets:
        figures = cold.measure(name)
        results.setdefault("cold", {}).update(cold.ratios(name, figures))
        results.setdefault("cold_figures", {})[name] = figures
        print(cold.line(name, figures))
        yield results


def _read(path: pathlib.Path) -> list[list[dict[str, Any]]]:
    try:
        architectures = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise UserError(f"--architectures={path}: {error}") from None
    if not isinstance(architectures, list) or not architectures:
        raise UserError(f"--architectures={path}: expected a JSON list of architectures")
    for i, layers in enumerate(architectures):
        try:
            valid = bool(SPACE.is_valid(jnp.asarray(SPACE.from_layers(layers))))
        except UserError as error:
            raise UserError(f"--architectures={path}: [{i}] {error}") from None
        except (TypeError, KeyError, AttributeError, ValueError, OverflowError):
            raise UserError(f"--architectures={path}: [{i}] is no list of layers") from None
        if not valid:
            raise UserError(f"--architectures={path}: [{i}] does not fit 28x28 images")
    return architectures


if __name__ == "__main__":
    sys.exit(main())
