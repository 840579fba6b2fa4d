"""Milliseconds of a training step: our engine against PyTorch, net after net, in turn."""

import functools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.evaluation.trained import network, training
from nasjax.spaces.layer_chain import LayerChain

NUM_IMAGES = 2048
MIN_STEPS, MAX_STEPS, SECONDS = 30, 300, 0.25  # of one timing; a net's is repeated in turn
REPEATS = 3


class Step(NamedTuple):
    """One net's figures at one batch size.

    Attributes:
      ms, torch_ms: of a step, the median of REPEATS timings taken in turn.
      ratio: PyTorch's time over ours.
      compile_seconds: of our program.
      gflops: our arithmetic per second: three times the forward pass's, per image.
    """

    architecture: str
    ms: float
    torch_ms: float
    ratio: float
    compile_seconds: float
    gflops: float


def gemm_gflops() -> float:
    """The machine's matrix product of 2000 x 2000 float32, the best of ten."""
    size = 2000
    x = jnp.ones((size, size))
    product = jax.jit(jnp.matmul)
    seconds = [_seconds(lambda: jax.block_until_ready(product(x, x))) for _ in range(11)]
    return 2 * size**3 / min(seconds[1:]) / 1e9


def measure(
    architectures: Sequence[list[dict[str, Any]]], space: LayerChain, batch: int
) -> Iterator[Step]:
    """Every architecture's step, given as `LayerChain.to_layers` has it."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((NUM_IMAGES, *space.input_shape)).astype(np.float32)
    labels = rng.integers(0, space.num_classes, NUM_IMAGES).astype(np.int32)
    for layers in architectures:
        train = _torch_training(layers, space, images, labels)
        order = rng.integers(0, NUM_IMAGES, (MAX_STEPS, batch)).astype(np.int32)
        train(order[:2])
        per_step = _seconds(functools.partial(train, order[:3])) / 3
        order = order[: max(MIN_STEPS, int(SECONDS / per_step))]
        start = time.perf_counter()
        program = _program(layers, space, images, labels, order)
        compile_seconds = time.perf_counter() - start
        program()
        theirs = functools.partial(train, order)
        pairs = [(_seconds(program), _seconds(theirs)) for _ in range(REPEATS)]
        ms, torch_ms = (statistics.median(t) / len(order) * 1e3 for t in zip(*pairs, strict=True))
        chain = space.from_layers(layers)
        flops = 3 * batch * sum(row.flops for row in space.layer_table(chain))
        text = space.to_text(chain)
        yield Step(text, ms, torch_ms, torch_ms / ms, compile_seconds, flops / ms / 1e6)


def _torch_training(
    layers: list[dict[str, Any]], space: LayerChain, images: np.ndarray, labels: np.ndarray
) -> Callable[[np.ndarray], None]:
    """Trains the same net in PyTorch over the steps it is given."""
    import torch  # optional: the dev environment need not have it

    from benchmarks import torch_nets

    torch.manual_seed(0)
    net = torch_nets.make_net(layers, space.input_shape, space.num_classes)
    batches = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels).long()
    return functools.partial(torch_nets.Trainer(net).steps, *batches)


def _program(
    layers: list[dict[str, Any]],
    space: LayerChain,
    images: np.ndarray,
    labels: np.ndarray,
    order: np.ndarray,
) -> Callable[[], Any]:
    """Trains one lane over all steps of `order`, compiled."""
    shape, classes = space.input_shape, space.num_classes
    plan, traits = network.plan_of(space.from_layers(layers), shape[2])
    count = network.num_params(plan, shape, classes)
    draws = np.random.default_rng(1).uniform(-1, 1, count).astype(np.float32)
    params = network.init(draws, plan, traits, shape, classes)
    validation = (images[None, :1], labels[None, :1])
    data = training.DeviceData(*map(jnp.asarray, (images, labels, *validation, order)))
    lane = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], (params, traits))

    def fit(params: Any, traits: Any, data: training.DeviceData) -> Any:
        return training.fit(params, plan, traits, data, training.Recipe())

    program = jax.jit(fit).lower(*lane, data).compile()
    return lambda: jax.block_until_ready(program(*lane, data))


def summary(steps: Sequence[Step]) -> dict[str, Any]:
    """What `--json` keeps of a batch size."""
    ratios = [step.ratio for step in steps]
    return {
        "geometric_mean": statistics.geometric_mean(ratios),
        "worst": min(ratios),
        "per_architecture": [step._asdict() for step in steps],
    }


def table(steps: Sequence[Step]) -> str:
    """Net by net, the slowest against PyTorch first."""
    rows = [f"{'ratio':>6} {'ms':>8} {'torch':>8} {'GFLOP/s':>8}  architecture"]
    for step in sorted(steps, key=lambda step: step.ratio):
        figures = f"{step.ratio:6.2f} {step.ms:8.2f} {step.torch_ms:8.2f} {step.gflops:8.1f}"
        rows.append(f"{figures}  {step.architecture}")
    return "\n".join(rows)


def _seconds(function: Callable[[], Any]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
