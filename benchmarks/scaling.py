"""One small chain as 1 to 256 lanes of a program, and its lanes spread over two devices.

Every figure is of a process of its own, python -m benchmarks.scaling --devices D --lanes N, which
prints one line of JSON. Two CPU devices share the machine's cores: they show that lanes spread,
not a gain.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nasjax.evaluation.trained import network, training
from nasjax.spaces.layer_chain import LayerChain

from .machine import peak_bytes, seconds

SPACE = LayerChain((28, 28, 1), 10)
CHAIN = (
    {"kind": "conv", "filters": 16, "kernel": 3, "stride": 2},
    {"kind": "fc", "neurons": 64, "activation": "relu", "bias": True},
)
TEXT = SPACE.to_text(SPACE.from_layers(list(CHAIN)))
BATCH, NUM_IMAGES, REPEATS = 16, 2048, 3
LANES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
DEVICES, LANES_PER_DEVICE = (1, 2), (1, 16)
MIN_STEPS, LANE_STEPS = 10, 1000  # of a timing

JOBS = [(1, lanes) for lanes in LANES]
SPREAD_JOBS = [(devices, devices * lanes) for lanes in LANES_PER_DEVICE for devices in DEVICES]


def run(devices: int, lanes: int) -> dict[str, Any]:
    """Trains the lanes of one program, spread over the devices if there are several.

    Returns:
      lane_steps_per_second; temp_bytes, the program's temporary memory on a device; peak_bytes,
      this process's, libraries and compiler included.
    """
    steps = max(MIN_STEPS, LANE_STEPS // lanes)
    fit, arguments = lane_training(devices, lanes, steps)
    program = fit.lower(*arguments).compile()
    memory: Any = program.memory_analysis()

    def train() -> None:
        jax.block_until_ready(program(*arguments))

    train()
    taken = statistics.median(seconds(train) for _ in range(REPEATS))
    return {
        "devices": devices,
        "lanes": lanes,
        "lane_steps_per_second": lanes * steps / taken,
        "temp_bytes": memory.temp_size_in_bytes,
        "peak_bytes": peak_bytes(),
    }


def lane_training(
    devices: int, lanes: int, steps: int, chain: Sequence[dict[str, Any]] = CHAIN
) -> tuple[Any, tuple[Any, ...]]:
    """The jitted training of so many differently initialised lanes, and its arguments."""
    shape, classes = SPACE.input_shape, SPACE.num_classes
    plan, traits = network.make_plan(SPACE.from_layers(list(chain)), shape[2])
    count = network.num_params(plan, shape, classes)
    rng = np.random.default_rng(0)
    images = rng.standard_normal((NUM_IMAGES, *shape)).astype(np.float32)
    labels = rng.integers(0, classes, NUM_IMAGES).astype(np.int32)
    order = rng.integers(0, NUM_IMAGES, (steps, BATCH)).astype(np.int32)
    nets = [
        (network.init(draws, plan, traits, shape, classes), traits)
        for draws in rng.uniform(-1, 1, (lanes, count)).astype(np.float32)
    ]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *nets)
    validation = (images[None, :1], labels[None, :1])
    data = training.DeviceData(*map(jnp.asarray, (images, labels, *validation, order)))

    def fit(params: Any, traits: Any, data: training.DeviceData) -> Any:
        return training.fit(params, plan, traits, data, training.Recipe())

    mesh = Mesh(np.array(jax.devices()[:devices]), ("lanes",))
    spread, everywhere = PartitionSpec("lanes"), PartitionSpec()
    if devices > 1:
        fit = jax.shard_map(
            fit,
            mesh=mesh,
            in_specs=(spread, spread, everywhere),
            out_specs=spread,
            check_vma=False,  # Adam's zeros, made inside, are not yet known to differ over lanes
        )
    return jax.jit(fit), (
        *jax.device_put(stacked, NamedSharding(mesh, spread)),
        jax.device_put(data, NamedSharding(mesh, everywhere)),
    )


def measure(jobs: list[tuple[int, int]]) -> Iterator[dict[str, Any]]:
    """The figures of (devices, lanes), each from a process of its own."""
    for devices, lanes in jobs:
        command = [sys.executable, "-m", f"{__package__}.scaling"]
        command += ["--devices", str(devices), "--lanes", str(lanes)]
        flags = os.environ.get("XLA_FLAGS", "")
        flags += f" --xla_force_host_platform_device_count={devices}"
        found = subprocess.run(
            command,
            env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags.strip()},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        ).stdout
        yield json.loads(found)


def table(rows: list[dict[str, Any]]) -> str:
    """One line a process."""
    lines = [f"{'devices':>7} {'lanes':>6} {'lane-steps/s':>13} {'temp MB':>8} {'peak MB':>8}"]
    for row in rows:
        lines.append(
            f"{row['devices']:7d} {row['lanes']:6d} {row['lane_steps_per_second']:13.0f} "
            f"{row['temp_bytes'] / 1e6:8.1f} {row['peak_bytes'] / 1e6:8.0f}"
        )
    return "\n".join(lines)


def main() -> None:
    """One process's figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--devices", type=int, default=1)
    parser.add_argument("--lanes", type=int, default=1, help="of all devices together")
    arguments = parser.parse_args()
    found = len(jax.devices())
    if not 1 <= arguments.devices <= found:
        parser.error(f"--devices={arguments.devices}: 1 to the {found} that JAX sees")
    if arguments.lanes < 1 or arguments.lanes % arguments.devices:
        parser.error(f"--lanes={arguments.lanes}: a multiple of --devices={arguments.devices}")
    print(json.dumps(run(arguments.devices, arguments.lanes)))


if __name__ == "__main__":
    main()
