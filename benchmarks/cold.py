"""A whole set of random chains from nothing to all accuracies: the engine's side and PyTorch's.

Each side runs in a process of its own, python -m benchmarks.cold SIDE TASK [--cache_dir DIR], and
prints one line of JSON. Seconds run from the images in memory to the last accuracy; importing the
libraries is left out on both sides.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax import compile_cache
from nasjax.data.datasets import DataConfig, SearchData, Split, load_search
from nasjax.evaluation.trained.cohorts import TrainedConfig
from nasjax.evaluation.trained.evaluator import TrainedEvaluator
from nasjax.evaluation.trained.training import batch_order
from nasjax.progress import Progress
from nasjax.spaces.layer_chain import LayerChain
from nasjax.types import PROPOSE, Proposal


class Task(NamedTuple):
    """A set of different random chains that are trained by one recipe."""

    chains: int  # how many
    config: TrainedConfig  # the recipe, and how the engine shares programs


TASKS = {
    "digits": Task(100, TrainedConfig(lanes=1, workers=3, compilation="quick")),
    "mnist": Task(20, TrainedConfig(lanes=1, epochs=1)),
}
SIDES = ("engine", "torch")


def data_of(task: str) -> SearchData:
    """scikit-learn's digits; for MNIST noise of its shape, since no figure depends on pixels."""
    if task == "digits":
        config = DataConfig("digits", 928, 512, mean=0.3049, std=0.3758)
        return load_search(config, pathlib.Path())
    rng = np.random.default_rng(0)

    def split(size: int) -> Split:
        images = rng.standard_normal((size, 28, 28, 1)).astype(np.float32)
        return Split(images, rng.integers(0, 10, size).astype(np.int32))

    return SearchData(split(20_000), split(10_000), 10, fingerprint="noise")


def distinct_chains(space: LayerChain, count: int) -> np.ndarray:
    """[count, L, 4]: different random chains of the space."""
    drawn = np.asarray(jax.vmap(space.sample)(jax.random.split(jax.random.key(0), 2 * count)))
    _, first = np.unique(drawn.reshape(len(drawn), -1), axis=0, return_index=True)
    return drawn[np.sort(first)][:count]


def run_engine(task: str) -> dict[str, Any]:
    """Trains and measures the task's chains as a search would."""
    count, config = TASKS[task]
    data = data_of(task)
    shape = data.train.images.shape[1:]
    space = LayerChain((shape[0], shape[1], shape[2]), data.num_classes)
    architectures = distinct_chains(space, count)
    with Progress(count, "nets") as progress:
        progress.describe(f"{task} engine")
        start = time.perf_counter()
        evaluator = TrainedEvaluator(config, space, data)
        evaluator.watch(progress.update)
        proposal = Proposal(
            jnp.asarray(architectures),
            mask=jnp.ones(count, bool),
            purpose=jnp.full(count, PROPOSE),
            baseline=jnp.zeros((count, 1)),
        )
        outcome = evaluator.evaluate(jax.random.key(0), proposal)
        seconds = time.perf_counter() - start
    compiled = [evaluator.provenance(a)["compiled"] for a in architectures]
    accuracy = np.asarray(outcome.accuracy).tolist()
    return {"seconds": seconds, "programs": sum(compiled), "accuracy": accuracy}


def run_torch(task: str) -> dict[str, Any]:
    """The same chains, the same batches, one after another."""
    import torch

    from . import torch_nets

    count, config = TASKS[task]
    data = data_of(task)
    shape = data.train.images.shape[1:]
    space = LayerChain((shape[0], shape[1], shape[2]), data.num_classes)
    order = batch_order(jax.random.key(0), config, len(data.train.labels))
    splits = [
        (torch.from_numpy(s.images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(s.labels).long())
        for s in (data.train, data.validation)
    ]
    architectures = [space.to_layers(chain) for chain in distinct_chains(space, count)]
    accuracy = []
    torch.manual_seed(0)
    start = time.perf_counter()
    with Progress(count, "nets") as progress:
        progress.describe(f"{task} torch")
        for layers in architectures:
            net = torch_nets.make_net(layers, space.input_shape, space.num_classes)
            trainer = torch_nets.Trainer(net)
            trainer.steps(*splits[0], order)
            accuracy.append(trainer.correct(*splits[1], batch=128) / len(splits[1][1]))
            progress.update()
    return {"seconds": time.perf_counter() - start, "accuracy": accuracy}


def measure(task: str) -> dict[str, float]:
    """Seconds of the engine, from an empty compile cache and from a filled one, and of PyTorch."""
    with tempfile.TemporaryDirectory() as directory:
        cold = _in_a_process("engine", task, directory)
        torch = _in_a_process("torch", task, directory)
        warm = _in_a_process("engine", task, directory)
    return {
        "seconds_cold": cold["seconds"],
        "seconds_warm": warm["seconds"],
        "seconds_torch": torch["seconds"],
        "programs": cold["programs"],
        "mean_accuracy": float(np.mean(cold["accuracy"])),
        "mean_accuracy_torch": float(np.mean(torch["accuracy"])),
    }


def ratios(task: str, figures: dict[str, float]) -> dict[str, float]:
    """PyTorch's seconds over the engine's."""
    theirs = figures["seconds_torch"]
    cold, warm = theirs / figures["seconds_cold"], theirs / figures["seconds_warm"]
    return {task: cold, f"{task}_warm": warm}


def line(task: str, figures: dict[str, float]) -> str:
    """The figures as text."""
    (_, cold), (_, warm) = ratios(task, figures).items()
    seconds = [figures[f"seconds_{of}"] for of in ("cold", "warm", "torch")]
    return (
        f"{TASKS[task].chains} nets on {task}: {cold:.2f} from an empty compile cache, {warm:.2f} "
        f"from a filled one (PyTorch / engine); engine {seconds[0]:.1f} s and {seconds[1]:.1f} s, "
        f"PyTorch {seconds[2]:.1f} s; {figures['programs']:.0f} programs; mean accuracy "
        f"{figures['mean_accuracy']:.3f} and {figures['mean_accuracy_torch']:.3f}"
    )


def _in_a_process(side: str, task: str, cache_dir: str) -> dict[str, Any]:
    command = [sys.executable, "-m", f"{__package__}.cold", side, task, "--cache_dir", cache_dir]
    found = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    result: dict[str, Any] = json.loads(found)
    return result


def main() -> None:
    """One side of one task; prints its figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cold", description=__doc__)
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("task", choices=list(TASKS))
    parser.add_argument("--cache_dir", type=pathlib.Path, help="of compiled programs")
    arguments = parser.parse_args()
    if arguments.cache_dir:
        compile_cache.use(arguments.cache_dir)
    run = run_engine if arguments.side == "engine" else run_torch
    print(json.dumps(run(arguments.task)))


if __name__ == "__main__":
    main()
