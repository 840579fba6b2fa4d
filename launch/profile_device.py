"""Measures what networks of a space cost on this machine: a new device for predictors.

python -m launch.profile_device --space=nas_bench_201 --directory=measurements/my_laptop
python -m launch.profile_device --space=nas_bench_macro --directory=measurements/macro
python -m launch.profile_device --directory=measurements/my_laptop_1 --threads=1
python -m launch.profile_device --directory=measurements/my_laptop --repeats=40

Let the machine do nothing else. Every round is kept: whatever stops it, the same command goes on,
and more --repeats add to what is there.
"""

import os
import pathlib

import jax
from absl import flags, logging
from tqdm import tqdm

from launch import command_line
from nasjax import compile_cache
from nasjax.errors import UserError
from nasjax.profiling import aggregate, energy, machine, report, rounds, sample
from nasjax.profiling.config import MAX_PROGRAMS, PRECISION_BITS, ProfileConfig
from nasjax.profiling.programs import Program
from nasjax.reports import render
from nasjax.runs.workdir import Workdir

SPACE = flags.DEFINE_enum(
    "space", "nas_bench_201", list(sample.SPACES), "Whose networks are measured."
)
DIRECTORY = flags.DEFINE_string(
    "directory", None, "Where the measurements go; its last part names the device."
)
NETWORKS = flags.DEFINE_integer(
    "networks", 200, "Networks of the sample.", lower_bound=1, upper_bound=MAX_PROGRAMS
)
LAYERS = flags.DEFINE_integer(
    "layers", 40, "At most so many layers alone.", lower_bound=0, upper_bound=MAX_PROGRAMS
)
BATCH = flags.DEFINE_integer("batch", 1, "Images at a time.", lower_bound=1)
THREADS = flags.DEFINE_integer("threads", 0, "Of the CPU; 0: all.", lower_bound=0)
PRECISION = flags.DEFINE_enum(
    "precision", "float32", list(PRECISION_BITS), "Of weights and images."
)
REPEATS = flags.DEFINE_integer(
    "repeats", 20, "Rounds in which every network is visited once.", lower_bound=1
)
SEED = flags.DEFINE_integer("seed", 0, "Of the sample.", lower_bound=0, upper_bound=2**32 - 1)
IMAGE_SIZE = flags.DEFINE_integer("image_size", 32, "Side of the images.", lower_bound=8)
CLASSES = flags.DEFINE_integer("classes", 10, "Of the images.", lower_bound=2)
DESCRIPTION = flags.DEFINE_string(
    "device_description",
    None,
    'A file {"devices": {NAME: {"kind": "cpu", "bandwidth_gb_s": 50, ...}}} that adds to what the '
    "system tells of this machine, and names it.",
)
CACHE_DIR = flags.DEFINE_string(
    "cache_dir", os.environ.get("NASJAX_CACHE_DIR", "~/.cache/nasjax"), "Compiled programs."
)


def main() -> None:
    """Checks the flags, measures what is missing, sums up."""
    if not DIRECTORY.value or not CACHE_DIR.value:
        raise UserError("--directory=measurements/DEVICE is needed; see --help")
    logging.set_verbosity(logging.WARNING)
    # Before JAX starts: it takes as many threads as there are processors then. Handing a call to
    # another thread and back costs it 20 to 50 microseconds, or nothing, as it happens.
    processors = machine.bind(THREADS.value)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    directory = pathlib.Path(DIRECTORY.value)
    name, description = machine.name_and_description(
        directory, machine.describe(), DESCRIPTION.value
    )
    config = ProfileConfig(
        device=name,
        space=SPACE.value,
        image_size=IMAGE_SIZE.value,
        classes=CLASSES.value,
        networks=NETWORKS.value,
        layers=LAYERS.value,
        batch=BATCH.value,
        precision=PRECISION.value,
        threads=(len(processors) or os.cpu_count()) if description["kind"] == "cpu" else None,
        repeats=REPEATS.value,
        seed=SEED.value,
    )
    # XLA splits loops for as many threads as there are; a kept program's key does not say how many.
    folder = "xla" if config.threads is None else f"xla_{config.threads}_threads"
    compile_cache.use(pathlib.Path(CACHE_DIR.value).expanduser() / folder)
    programs = sample.draw(config)
    workdir = Workdir(directory, config.resolved(description), flag="directory")
    meter, line = energy.find_meter()
    try:
        if left := rounds.missing(directory, config.repeats):
            compiled = compile_all(directory, config, programs)
            with tqdm(total=len(left) * len(compiled), unit="visit", dynamic_ncols=True) as bar:
                for number in left:
                    bar.set_description(f"round {number + 1} of {config.repeats}")
                    rounds.run(directory, number, compiled, processors, meter, bar.update)
                    aggregate.write(directory, config, description, programs)
    except command_line.Interrupted:
        if rounds.read(directory):
            aggregate.write(directory, config, description, programs)
        command_line.end(
            f"stopped; whole rounds are kept in {directory}, the same command goes on",
            command_line.INTERRUPTED,
        )
    aggregate.write(directory, config, description, programs)
    written = report.write(directory, energy=line)
    print((directory / render.MARKDOWN).read_text(encoding="utf-8"))
    print("\n".join(f"wrote     {path}" for path in written))
    workdir.close()


def compile_all(
    directory: pathlib.Path, config: ProfileConfig, programs: list[Program]
) -> list[rounds.CompiledProgram]:
    """Compiles and warms up all programs."""
    arrays = rounds.SharedArrays(config)
    with tqdm(programs, desc="compiling", unit="program", dynamic_ncols=True) as bar:
        compiled = [rounds.compile_program(one, config.batch, arrays) for one in bar]
    rounds.write_stats(directory, compiled)
    return compiled


if __name__ == "__main__":
    command_line.start(main)
