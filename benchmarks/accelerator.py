"""Measures what one accelerator does with candidates, beside PyTorch on the same card.

Every job runs in a process of its own, `python -m benchmarks.accelerator JOB`, which prints one
line of JSON a figure. A job that fails or runs out of its time costs no other job's figures.
"""

import argparse
import contextlib
import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nasjax import build, config_files
from nasjax.evaluation.trained import network, training
from nasjax.spaces.layer_chain import LayerChain
from nasjax.studies import simulate

from . import scaling
from .draw_architectures import INPUT_SHAPE, NUM_CLASSES, PATH
from .machine import at_once, seconds

SPACE = LayerChain(INPUT_SHAPE, NUM_CLASSES)
NETS = (8, 11, 17, 20, 29, 35, 37, 46)  # of architectures.json: one to five layers of every kind
BATCH, STEPS, REPEATS = 16, 400, 3
LIGHT_FILTERS = 64  # at most so many in the first layer of nets that train side by side
LAYERS = ("gathered", "library")  # the engine's layers, the vendor's
METHODS = {"random_search": 500, "regularized_evolution": 500, "trl_hpo": 64}  # seeds
BUDGET = 300  # queries of a search on a table

Figures = dict[str, Any]


def limits(nets: int, steps: int) -> Iterator[Figures]:
    """The device, its matrix product and its memory traffic."""
    device = jax.devices()[0]
    on_card = device.platform != "cpu"
    size = 8192 if on_card else 1024
    yield {"device": device.device_kind, "jax": jax.__version__, "cores": os.cpu_count()}
    x = jax.random.normal(jax.random.key(0), (size, size))
    for precision in ("default", "highest"):
        product = jax.jit(functools.partial(jnp.matmul, precision=precision))
        taken = _seconds(functools.partial(product, x, x))
        yield {"precision": precision, "product_tflops": 2 * size**3 / taken / 1e12}
    values = jnp.ones(1 << 28 if on_card else 1 << 22)
    taken = _seconds(functools.partial(jax.jit(lambda x: x * 0.999), values))
    yield {"gbytes_per_second": 2 * values.nbytes / taken / 1e9}


def alone(nets: int, steps: int) -> Iterator[Figures]:
    """A training step of one candidate, with the engine's layers and with the vendor's."""
    for net, layers in itertools.product(NETS[:nets], LAYERS):
        yield {"net": net, "layers": layers, **_step(net, 1, layers, steps)}


def lanes(nets: int, steps: int) -> Iterator[Figures]:
    """A step of 8 and of 64 candidates of one plan."""
    for net, count, layers in itertools.product(NETS[:nets][:3], (8, 64), LAYERS):
        yield {"net": net, "lanes": count, "layers": layers, **_step(net, count, layers, steps)}


def side_by_side(nets: int, steps: int) -> Iterator[Figures]:
    """Different candidates in one program, a step of each in every turn of its loop."""
    drawn = json.loads(PATH.read_text())
    light = [chain for chain in drawn if chain[0]["filters"] <= LIGHT_FILTERS]
    for count in (1, 4, 16)[:nets]:
        fit, arguments = _side_by_side(light[:count], steps)
        yield {"chains": count, **_timed(fit, arguments, steps)}


def bits(nets: int, steps: int) -> Iterator[Figures]:
    """Compares a candidate's weights with those of a second run and of another lane."""
    for net, layers in itertools.product(NETS[:nets], LAYERS):
        with _layers(layers):
            fit, (params, *rest) = _lane_training(net, 8, steps)
            program = fit.lower(params, *rest).compile()
        moved = jax.tree.map(lambda leaf: jnp.roll(leaf, 3, 0), params)
        first, again, elsewhere = (
            jax.device_get(program(start, *rest)[0]) for start in (params, params, moved)
        )
        yield {
            "net": net,
            "layers": layers,
            "same_again": _equal(first, again, 0),
            "same_in_another_lane": _equal(first, elsewhere, 3),
        }


def compiling(nets: int, steps: int) -> Iterator[Figures]:
    """Seconds to compile the nets in 1 and in 8 threads."""
    for threads in (1, 8):
        tasks = []
        for net in NETS[:nets]:
            fit, arguments = _lane_training(net, 1, steps + threads)  # no program twice
            tasks.append(fit.lower(*arguments).compile)
        start = time.perf_counter()
        for i in range(0, len(tasks), threads):
            at_once(tasks[i : i + threads])
        yield {"threads": threads, "programs": nets, "wall": time.perf_counter() - start}


def studies(nets: int, steps: int) -> Iterator[Figures]:
    """Searches on a table, all seeds in one program."""
    known = config_files.load("studies/controllers").to_dict()["controllers"]
    parts = {"space": {"name": "nas_bench_201"}, "evaluator": {"data_set": "cifar10"}}
    for method, seeds in list(METHODS.items())[:nets]:
        rewarded = {"reward": {"name": "accuracy"}, **parts, **known[method]}
        made = build.assemble_table(rewarded, BUDGET)
        found = simulate.run_seeds(made, np.arange(seeds), BUDGET)
        yield {
            "method": method,
            "seeds": seeds,
            "budget": BUDGET,
            "updates": int(found.updates.mean()),
            "compile_seconds": found.compile_seconds,
            "queries_per_second": seeds * BUDGET / found.run_seconds,
            "best": float(made.rows.search_accuracy[found.queries].max(1).mean()),
        }


def pytorch(nets: int, steps: int) -> Iterator[Figures]:
    """The same nets in PyTorch: eager, with fused Adam, and each step as one CUDA graph."""
    import torch

    yield {"torch": torch.__version__}
    ways = ("eager", "fused", "graph") if torch.cuda.is_available() else ("eager",)
    for way, net in itertools.product(ways, NETS[:nets]):
        train = _torch_training(_chain(net), way, max(1, steps // 4))
        yield {"net": net, "way": way, "ms": _seconds(train) / max(1, steps // 4) * 1e3}


# Seconds that a job may take.
JOBS: dict[Callable[[int, int], Iterator[Figures]], float] = {
    limits: 40,
    alone: 70,
    pytorch: 60,
    studies: 90,
    bits: 90,
    side_by_side: 60,
    lanes: 90,
    compiling: 90,
}
NAMES = {job.__name__: job for job in JOBS}


def measure(names: Sequence[str], nets: int, steps: int) -> Iterator[Figures]:
    """The figures of the jobs, each with its job's name; where one broke off, how."""
    for name in names:
        command = [sys.executable, "-m", __name__, name, f"--nets={nets}", f"--steps={steps}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                out, err = process.communicate(timeout=JOBS[NAMES[name]])
                code = process.returncode
                why = [f"code {code}", *err.decode().splitlines()][-1:] if code else []
            except subprocess.TimeoutExpired:
                process.kill()
                out, _ = process.communicate()
                why = [f"stopped after its {JOBS[NAMES[name]]:.0f} s"]
        for line in out.splitlines():
            yield {"job": name, **json.loads(line)}
        for text in why:
            yield {"job": name, "broke_off": text}


def line(figures: Figures) -> str:
    """The figures as text."""
    shown = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in figures.values()]
    return "  ".join(f"{k} {v}" for k, v in zip(figures, shown, strict=True))


def _chain(net: int) -> list[dict[str, Any]]:
    chain: list[dict[str, Any]] = json.loads(PATH.read_text())[net]
    return chain


def _lane_training(net: int, count: int, steps: int) -> tuple[Any, tuple[Any, ...]]:
    return scaling.lane_training(1, count, steps, _chain(net))


def _step(net: int, count: int, layers: str, steps: int) -> Figures:
    with _layers(layers):
        return _timed(*_lane_training(net, count, steps), steps)


def _timed(fit: Any, arguments: tuple[Any, ...], steps: int) -> Figures:
    """Milliseconds of a step of all candidates, and seconds to trace and compile."""
    start = time.perf_counter()
    program = fit.lower(*arguments).compile()
    compiled = time.perf_counter() - start
    taken = _seconds(functools.partial(program, *arguments))
    return {"ms": taken / steps * 1e3, "compile_seconds": compiled}


def _seconds(function: Callable[[], Any]) -> float:
    """The median of some calls, after a first one."""
    timings = [seconds(lambda: jax.block_until_ready(function())) for _ in range(1 + REPEATS)]
    return statistics.median(timings[1:])


def _equal(a: Any, b: Any, place: int) -> bool:
    """Whether lane 0 of the one is, bit for bit, lane `place` of the other."""
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x[0], y[place]) for x, y in pairs)


@contextlib.contextmanager
def _layers(name: str) -> Iterator[None]:
    """Traces nets with the vendor's layers instead of the engine's, where that is the name."""
    if name == "library":
        with (
            mock.patch.object(network, "conv2d", _library_conv),
            mock.patch.object(network, "max_pool", _library_pool),
        ):
            yield
    else:
        yield


def _library_conv(
    x: jax.Array, w: jax.Array, b: jax.Array, kernel: int, stride: int, constant: bool = False
) -> jax.Array:
    filters = w.reshape(kernel, kernel, x.shape[-1], -1)
    strides, layout = (stride, stride), ("NHWC", "HWIO", "NHWC")
    y = jax.lax.conv_general_dilated(x, filters, strides, "VALID", dimension_numbers=layout)
    return y + b[None, None, None]


def _library_pool(x: jax.Array, kernel: int, stride: int, padding: int) -> jax.Array:
    pads = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    window, strides = (1, kernel, kernel, 1), (1, stride, stride, 1)
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, strides, pads)


def _side_by_side(chains: list[Any], steps: int) -> tuple[Any, tuple[Any, ...]]:
    """The jitted training of one lane of each chain, and its arguments."""
    recipe = training.Recipe()
    made = [scaling.lane_training(1, 1, steps, chain)[1] for chain in chains]
    plans = [network.make_plan(SPACE.from_layers(chain), INPUT_SHAPE[2])[0] for chain in chains]
    lane = functools.partial(jax.tree.map, lambda leaf: leaf[0])
    begun = [(lane(params), lane(traits)) for params, traits, _ in made]

    def fit(begun: Any, data: training.DeviceData) -> Any:
        def step(lanes: Any, batch: jax.Array) -> tuple[Any, None]:
            one = functools.partial(
                training.train_steps, order=batch[None], data=data, recipe=recipe, in_place=True
            )
            return [
                one(progress, plan=plan, traits=traits, num_classes=NUM_CLASSES)
                for progress, plan, (_, traits) in zip(lanes, plans, begun, strict=True)
            ], None

        optimizer = optax.adam(recipe.learning_rate)
        packed = [network.pack(params) for params, _ in begun]
        start = [training.Progress(p, optimizer.init(p), jnp.asarray(True)) for p in packed]
        return jax.lax.scan(step, start, data.order)[0]

    return jax.jit(fit), (begun, made[0][2])


def _torch_training(chain: list[Any], way: str, steps: int) -> Callable[[], None]:
    """Trains the chain for so many steps; "graph": a step is one replayed CUDA graph."""
    import torch

    from . import torch_nets

    on = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net = torch_nets.make_net(chain, INPUT_SHAPE, NUM_CLASSES).to(on)
    images = torch.randn(scaling.NUM_IMAGES, INPUT_SHAPE[2], *INPUT_SHAPE[:2], device=on)
    labels = torch.randint(0, NUM_CLASSES, (len(images),), device=on)
    order = torch.randint(0, len(images), (steps, BATCH), device=on)
    adam = functools.partial(torch.optim.Adam, net.parameters(), 1e-3)
    optimizer = adam(capturable=way == "graph", fused=True if way == "fused" else None)

    def step(rows: torch.Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        torch.nn.functional.cross_entropy(net(images[rows]), labels[rows]).backward()
        optimizer.step()

    def train(one: Callable[[torch.Tensor], None]) -> None:
        for rows in order:
            one(rows)
        if on.type == "cuda":
            torch.cuda.synchronize()

    if way != "graph":
        return functools.partial(train, step)
    rows = order[0].clone()
    aside = torch.cuda.Stream()
    with torch.cuda.stream(aside):
        for _ in range(3):  # a graph may be captured once everything is set up
            step(rows)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(rows)

    def replay(chosen: torch.Tensor) -> None:
        rows.copy_(chosen)
        graph.replay()

    return functools.partial(train, replay)


def main() -> None:
    """One job's figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accelerator", description=__doc__)
    parser.add_argument("job", choices=list(NAMES))
    parser.add_argument("--nets", type=int, default=len(NETS))
    parser.add_argument("--steps", type=int, default=STEPS)
    given = parser.parse_args()
    for figures in NAMES[given.job](given.nets, given.steps):
        print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
