"""Milliseconds of a training step: our engine against PyTorch, net after net, in turn.

As a search does, the engine trains IN_FLIGHT candidates at a time, but those of millions of params
one by one (`cohorts.SOLITARY`): `ms` is of that many copies of a net (other initial weights, the
same program) in threads, wall time over the steps of all. `ms_alone` is of one net that has the
machine to itself. PyTorch trains one net after another, with
all its threads. Timings hold the copies of the params into and out of a program, which a whole
training pays once: some 100 ms for 28 million params.
"""

import functools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.evaluation.trained import network, training
from nasjax.evaluation.trained.cohorts import SOLITARY, TrainedConfig
from nasjax.spaces.layer_chain import LayerChain

from .machine import Machine, at_once, seconds

NUM_IMAGES = 2048
IN_FLIGHT = TrainedConfig().workers
REPEATS = 3
MAX_STEPS, SECONDS = 300, 0.25  # of one timing; a net's is repeated in turn
FEW_STEPS, FEW_SECONDS = 60, 5.0  # SECONDS or not, so many; but not for longer than that,
MIN_STEPS = 10  # except for these
CONV_SHARE, MFLOP = 0.8, 20.0  # from which on a net should be near the matrix product's peak

Layers = list[dict[str, Any]]  # as `LayerChain.to_layers` has it


class Step(NamedTuple):
    """One net's figures at one batch size.

    Attributes:
      ms, ms_alone, torch_ms: of a step, medians of REPEATS timings taken in turn; ms: as many at a
        time as a search trains.
      ratio, ratio_alone: PyTorch's time over ours.
      mflop, conv_share: of an image's forward pass; how much of it convolutions do.
      gflops: our arithmetic per second, in flight or alone, what is faster; a step is three times
        the forward passes.
      gemm_fraction: gflops over the machine's matrix product.
      adam_ms_bound: no step is faster for its params' traffic, see `Machine.adam_ms`.
      compile_seconds: of our program.
      torch_compile_ms, torch_compile_seconds: of a step under torch.compile, and of the first one,
        that compiles; None where it was not asked for.
    """

    architecture: str
    ms: float
    ms_alone: float
    torch_ms: float
    ratio: float
    ratio_alone: float
    mflop: float
    conv_share: float
    gflops: float
    gemm_fraction: float
    adam_ms_bound: float
    compile_seconds: float = 0.0
    torch_compile_ms: float | None = None
    torch_compile_seconds: float | None = None

    def computes(self) -> bool:
        """A net that convolutions dominate and that is large enough to keep them busy."""
        return self.conv_share >= CONV_SHARE and self.mflop >= MFLOP

    def moves_memory(self) -> bool:
        """Adam's traffic alone takes more than half of the step."""
        return self.adam_ms_bound > self.ms / 2


def measure(
    architectures: Sequence[Layers],
    space: LayerChain,
    batch: int,
    machine: Machine,
    torch_compiles: int = 0,
) -> Iterator[Step]:
    """Every architecture's step; the first `torch_compiles` also under torch.compile."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((NUM_IMAGES, *space.input_shape)).astype(np.float32)
    labels = rng.integers(0, space.num_classes, NUM_IMAGES).astype(np.int32)
    for i, layers in enumerate(architectures):
        train = _torch_training(layers, space, images, labels, compiled=False)
        order = rng.integers(0, NUM_IMAGES, (MAX_STEPS, batch)).astype(np.int32)
        train(order[:2])
        order = order[: num_steps(seconds(functools.partial(train, order[:3])) / 3)]
        start = time.perf_counter()
        programs = _programs(layers, space, images, labels, order)[: in_flight(layers, space)]
        compile_seconds = time.perf_counter() - start
        at_once(programs)
        sides: list[Callable[[], Any]] = [
            functools.partial(at_once, programs),
            programs[0],
            functools.partial(train, order),
        ]
        first_seconds = None
        if i < torch_compiles:
            train = _torch_training(layers, space, images, labels, compiled=True)
            first_seconds = seconds(functools.partial(train, order[:1]))
            sides.append(functools.partial(train, order))
        timings = [[seconds(side) for side in sides] for _ in range(REPEATS)]
        times = [statistics.median(t) / len(order) * 1e3 for t in zip(*timings, strict=True)]
        times[0] /= len(programs)
        figures = step(layers, space, batch, machine, *times)
        yield figures._replace(compile_seconds=compile_seconds, torch_compile_seconds=first_seconds)


def in_flight(layers: Layers, space: LayerChain) -> int:
    """The number of candidates like that which a search trains at a time."""
    rows = space.layer_table(space.from_layers(layers))
    return 1 if sum(row.params for row in rows) >= SOLITARY else IN_FLIGHT


def num_steps(torch_seconds: float) -> int:
    """The number of steps of a net's timings, given PyTorch's time of a step."""
    few = min(FEW_STEPS, int(FEW_SECONDS / torch_seconds))
    return min(MAX_STEPS, max(MIN_STEPS, few, int(SECONDS / torch_seconds)))


def step(
    layers: Layers,
    space: LayerChain,
    batch: int,
    machine: Machine,
    ms: float,
    ms_alone: float,
    torch_ms: float,
    torch_compile_ms: float | None = None,
) -> Step:
    """A net's figures from its times."""
    chain = space.from_layers(layers)
    rows = space.layer_table(chain)
    kinds = [layer["kind"] for layer in layers] + ["linear"]
    flops = sum(row.flops for row in rows)
    convs = sum(row.flops for kind, row in zip(kinds, rows, strict=True) if kind == "conv")
    gflops = 3 * batch * flops / min(ms, ms_alone) / 1e6
    return Step(
        architecture=space.to_text(chain),
        ms=ms,
        ms_alone=ms_alone,
        torch_ms=torch_ms,
        ratio=torch_ms / ms,
        ratio_alone=torch_ms / ms_alone,
        mflop=flops / 1e6,
        conv_share=convs / flops,
        gflops=gflops,
        gemm_fraction=gflops / machine.gemm_gflops,
        adam_ms_bound=machine.adam_ms(sum(row.params for row in rows)),
        torch_compile_ms=torch_compile_ms,
    )


def _torch_training(
    layers: Layers, space: LayerChain, images: np.ndarray, labels: np.ndarray, *, compiled: bool
) -> Callable[[np.ndarray], None]:
    """Trains the same net in PyTorch over the steps it is given."""
    import torch  # optional: the dev environment need not have it

    from . import torch_nets

    torch.manual_seed(0)
    net = torch_nets.make_net(layers, space.input_shape, space.num_classes)
    trained = torch_nets.compiled(net) if compiled else net
    batches = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()), torch.from_numpy(labels).long()
    return functools.partial(torch_nets.Trainer(trained).steps, *batches)


def _programs(
    layers: Layers, space: LayerChain, images: np.ndarray, labels: np.ndarray, order: np.ndarray
) -> list[Callable[[], Any]]:
    """One program that trains a lane over all steps of `order`, for IN_FLIGHT candidates."""
    shape, classes = space.input_shape, space.num_classes
    plan, traits = network.make_plan(space.from_layers(layers), shape[2])
    count = network.num_params(plan, shape, classes)
    validation = (images[None, :1], labels[None, :1])
    data = training.DeviceData(*map(jnp.asarray, (images, labels, *validation, order)))

    def lane(seed: int) -> Any:
        draws = np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)
        params = network.init(draws, plan, traits, shape, classes)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], (params, traits))

    def fit(params: Any, traits: Any, data: training.DeviceData) -> Any:
        return training.fit(params, plan, traits, data, training.Recipe())

    lanes = [lane(seed) for seed in range(1, 1 + IN_FLIGHT)]
    program = jax.jit(fit).lower(*lanes[0], data).compile()
    return [functools.partial(_run, program, *lane, data) for lane in lanes]


def _run(program: Callable[..., Any], *arguments: Any) -> Any:
    return jax.block_until_ready(program(*arguments))


def summary(steps: Sequence[Step]) -> dict[str, Any]:
    """The figures of a batch size that `--json` keeps."""
    alone = [step.ratio_alone for step in steps]  # one net on either side
    in_flight = [step.ratio for step in steps]
    compiled = [step.torch_compile_ms / step.ms for step in steps if step.torch_compile_ms]
    return {
        "geometric_mean": statistics.geometric_mean(alone),
        "worst": min(alone),
        "geometric_mean_in_flight": statistics.geometric_mean(in_flight),
        "worst_in_flight": min(in_flight),
        "geometric_mean_torch_compile": statistics.geometric_mean(compiled) if compiled else None,
        "per_architecture": [step._asdict() for step in steps],
    }


def table(steps: Sequence[Step]) -> str:
    """Net by net, the slowest against PyTorch first.

    Its marks: "compute" for `Step.computes`, "memory" for `Step.moves_memory`.
    """
    title = f"engine: {IN_FLIGHT} candidates at a time, and alone; PyTorch: one after another"
    names = ("ratio", "alone", "ms", "alone", "torch", "compiled", "GFLOP/s", "of GEMM", "mark")
    header = "{:>6} {:>6} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}  architecture".format(*names)
    rows = [title, header]
    for step in sorted(steps, key=lambda step: step.ratio):
        compiled = "" if step.torch_compile_ms is None else f"{step.torch_compile_ms:.2f}"
        mark = "compute" if step.computes() else "memory" if step.moves_memory() else ""
        rows.append(
            f"{step.ratio:6.2f} {step.ratio_alone:6.2f} {step.ms:8.2f} {step.ms_alone:8.2f} "
            f"{step.torch_ms:8.2f} {compiled:>8} {step.gflops:8.1f} {step.gemm_fraction:8.0%} "
            f"{mark:>8}  {step.architecture}"
        )
    return "\n".join(rows)


def closing(batch: int, found: dict[str, Any], steps: Sequence[Step]) -> str:
    """The lines below a table: its `summary`, and the nets that its GEMM fraction is about."""
    lines = [
        f"batch {batch}, PyTorch / engine, net against net: geometric mean "
        f"{found['geometric_mean']:.2f}, worst {found['worst']:.2f}; {IN_FLIGHT} at a time: "
        f"{found['geometric_mean_in_flight']:.2f}, {found['worst_in_flight']:.2f}"
    ]
    compiled = [step for step in steps if step.torch_compile_ms]
    if compiled:
        taken = [step.torch_compile_seconds or 0.0 for step in compiled]
        lines.append(
            f"the first {len(compiled)} architectures under torch.compile: geometric mean "
            f"{found['geometric_mean_torch_compile']:.2f} (torch.compile / engine); first steps "
            f"{min(taken):.1f} to {max(taken):.1f} s"
        )
    bound = sorted((step.gemm_fraction, step.architecture) for step in steps if step.computes())
    of = f"{CONV_SHARE:.0%} convolutions and {MFLOP:.0f} MFLOP an image"
    lines.append(f"at least {of}: " + ("" if bound else "no net"))
    lines += [f"  {fraction:.0%} of GEMM: {text}" for fraction, text in bound]
    return "\n".join(lines)
