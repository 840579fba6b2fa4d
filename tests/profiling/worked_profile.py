"""A profile of two networks and a layer whose figures can be worked out by hand."""

from nasjax import files
from nasjax.profiling import rounds
from nasjax.profiling.config import ProfileConfig
from nasjax.profiling.programs import LATENCY, LAYER_LATENCY, ForwardPass, Program

CONFIG = ProfileConfig(
    device="here",
    space="nas_bench_201",
    image_size=32,
    classes=10,
    networks=2,
    layers=1,
    batch=8,
    precision="bfloat16",
    threads=2,
    repeats=5,
    seed=0,
)
DESCRIPTION = {"kind": "cpu", "cores": 2}


def program(name, target, macs, **features):
    return Program(
        name, target, {**features, "macs": macs}, ForwardPass(lambda weights, x: x, (4,))
    )


PROGRAMS = [
    program("small", LATENCY, 10.0, live=1.0),
    program("large", LATENCY, 20.0, live=0.0),
    program("layer", LAYER_LATENCY, 5.0),
]


def make_round(small, large, layer, energy=()):
    latency = {
        LATENCY: {"small": [10, small], "large": [5, large]},
        LAYER_LATENCY: {"layer": [20, layer]},
    }
    about = {"started": "2026-11-25 10:00:00", "seconds": 1.0, "processors": [0, 1]}
    memory = {"peak_mib": 300.0}
    return {
        **about,
        "clock_mhz": [1, 2],
        "memory": memory,
        "latency": latency,
        "energy": dict(energy),
    }


ROUNDS = [
    make_round(1.0, 10.0, 0.5, {"small": 3.0}),
    make_round(2.0, 10.0, 0.5, {"small": 5.0}),
    make_round(3.0, 10.0, 0.5),
    make_round(4.0, 10.0, 0.5),
    make_round(100.0, 10.0, 0.5),
]
MEMORY = {"arguments_mib": 2.0, "outputs_mib": 0.25, "temporary_mib": 1.0}
STATS = {"small": MEMORY, "large": {"compile_seconds": 1.0}, "layer": {}}


def keep(directory, visited):
    """Writes what measuring these rounds would have kept."""
    (directory / rounds.ROUNDS).mkdir()
    for number, one in enumerate(visited):
        files.write_json(directory / rounds.ROUNDS / f"{number:04d}.json", one)
    files.write_json(directory / rounds.PROGRAMS, STATS)
    write_config(directory)


def write_config(directory):
    """Writes what the command keeps about itself."""
    files.write_json(directory / "config.json", CONFIG.resolved(DESCRIPTION))
    files.write_json(directory / "versions.json", {"commit": "0123456789ab", "jax": "0.1"})
