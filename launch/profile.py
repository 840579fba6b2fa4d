"""Measures what networks of a space cost on this machine: a new device for predictors.

    nasjax profile --space=nas_bench_201 --directory=measurements/my_laptop
    nasjax profile --space=nas_bench_macro --directory=measurements/macro
    nasjax profile --directory=measurements/my_laptop_1 --threads=1
    nasjax profile --directory=measurements/my_laptop --repeats=40

Let the machine do nothing else. Every round is kept: whatever stops it, the same command goes on,
and more --repeats add to what is there.
"""

import os
import pathlib

import jax
from absl import flags, logging

from nasjax import compile_cache
from nasjax.profiling import aggregate, energy, machine, report, rounds, sample
from nasjax.profiling.config import MAX_PROGRAMS, PRECISION_BITS, ProfileConfig
from nasjax.profiling.programs import Program
from nasjax.progress import Progress
from nasjax.reports import render
from nasjax.runs.workdir import Workdir

from . import command_line
from .flags import Command, Given


def define(own: flags.FlagValues) -> None:
    """Adds the flags of this command."""

    def whole(name: str, default: int, text: str, least: int, most: int | None = None) -> None:
        flags.DEFINE_integer(
            name, default, text, lower_bound=least, upper_bound=most, flag_values=own
        )

    def one_of(name: str, values: list[str], default: str, text: str) -> None:
        flags.DEFINE_enum(name, default, values, f"{text} {', '.join(values)}.", flag_values=own)

    one_of("space", sample.profiled_spaces(), "nas_bench_201", "Its networks are measured:")
    whole("networks", 200, "Networks of the sample.", 1, MAX_PROGRAMS)
    whole("layers", 40, "At most so many layers alone.", 0, MAX_PROGRAMS)
    whole("batch", 1, "Images at a time.", 1)
    whole("threads", 0, "Threads of the CPU; 0: all.", 0)
    one_of("precision", list(PRECISION_BITS), "float32", "The type of weights and images:")
    whole("repeats", 20, "Rounds in which every network is visited once.", 1)
    whole("seed", 0, "Seed of the sample.", 0, 2**32 - 1)
    whole("image_size", 32, "Side of the images.", 8)
    whole("classes", 10, "Classes of the images.", 2)
    flags.DEFINE_string(
        "device_description",
        None,
        'A file {"devices": {NAME: {"kind": "cpu", "bandwidth_gb_s": 50, ...}}} that adds to what '
        "the system tells of this machine, and names it.",
        flag_values=own,
    )


def run(given: Given) -> None:
    """Measures what is missing, sums up."""
    logging.set_verbosity(logging.WARNING)
    directory, own = given.directory, given.own
    # Before JAX starts: it takes as many threads as there are processors then. Handing a call to
    # another thread and back costs it 20 to 50 microseconds, or nothing, as it happens.
    processors = machine.bind(own.threads)
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    name, description = machine.name_and_description(
        directory, machine.describe(), own.device_description
    )
    config = ProfileConfig(
        device=name,
        space=own.space,
        image_size=own.image_size,
        classes=own.classes,
        networks=own.networks,
        layers=own.layers,
        batch=own.batch,
        precision=own.precision,
        threads=(len(processors) or os.cpu_count()) if description["kind"] == "cpu" else None,
        repeats=own.repeats,
        seed=own.seed,
    )
    # XLA splits loops for as many threads as there are; a kept program's key does not say how many.
    folder = "xla" if config.threads is None else f"xla_{config.threads}_threads"
    compile_cache.use(given.cache_dir / folder)
    programs = sample.draw(config)
    workdir = Workdir(directory, config.resolved(description), flag="directory")
    meter, line = energy.find_meter()
    try:
        if left := rounds.missing(directory, config.repeats):
            compiled = compile_all(directory, config, programs)
            with Progress(len(left) * len(compiled), "visits") as progress:
                for number in left:
                    progress.describe(f"round {number + 1} of {config.repeats}")
                    rounds.run(directory, number, compiled, processors, meter, progress.update)
                    aggregate.write(directory, config, description, programs)
    except command_line.Interrupted:
        if rounds.read(directory):
            aggregate.write(directory, config, description, programs)
        raise
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
    compiled = []
    with Progress(len(programs), "programs") as progress:
        progress.describe("compiling")
        for program in programs:
            compiled.append(rounds.compile_program(program, config.batch, arrays))
            progress.update()
    rounds.write_stats(directory, compiled)
    return compiled


COMMAND = Command(
    "profile",
    __doc__,
    run,
    define,
    directory="Where the measurements go; its last part names the device.",
    kept="whole rounds are",
)

if __name__ == "__main__":
    command_line.start(COMMAND)
