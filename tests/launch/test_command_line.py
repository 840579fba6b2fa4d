"""How commands end, where the programs that search do not show it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launch import command_line
from launch.flags import Command, parse
from nasjax.errors import UserError

ROOT = Path(__file__).parents[2]

# Stops itself while the collector's callbacks run, where Python swallows every exception.
STOPPED_IN_A_CALLBACK = """
import gc, os, pathlib, signal, sys, time
from launch import command_line
from launch.flags import Command

def run(given):
    stopped = []

    def callback(phase, info):
        if not stopped:
            stopped.append(True)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    gc.callbacks.append(callback)
    gc.collect()
    while True:
        time.sleep(0.01)

command_line.start(Command("wait", "Waits.", run), [])
"""


def test_a_stop_that_meets_the_collector_is_not_lost():
    done = subprocess.run(
        [sys.executable, "-c", STOPPED_IN_A_CALLBACK],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


WAITS = """
import os, signal, sys, time
from launch import command_line
from launch.flags import Command

if "ignored" in sys.argv:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

def run(given):
    os.kill(os.getpid(), getattr(signal, sys.argv[1]))
    time.sleep(0.2)
    print("still here", flush=True)
    sys.exit(7)

command_line.start(Command("wait", "Waits.", run), [])
"""


def ended_by(*words):
    done = subprocess.run(
        [sys.executable, "-c", WAITS, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1"])
def test_signals_of_users_terminals_and_schedulers_stop_a_command(name):
    assert ended_by(name) == (130, "", "interrupted\n")


def test_a_closed_terminal_does_not_stop_a_command_under_nohup():
    assert ended_by("SIGHUP", "ignored") == (7, "still here\n", "")


# Its main thread is inside a compiled program that never ends.
DEEP_IN_XLA = """
import threading, os, signal, time
import jax
from launch import command_line
from launch.flags import Command

def run(given):
    def forever(x):
        return jax.lax.while_loop(lambda i: i >= 0, lambda i: (i + 1) % 7, x)

    program = jax.jit(forever).lower(0).compile()
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    jax.block_until_ready(program(0))

command_line.GRACE = 0.5
command_line.start(Command("wait", "Waits.", run), [])
"""


def test_a_signal_ends_a_command_inside_a_program_that_does_not():
    done = subprocess.run(
        [sys.executable, "-c", DEEP_IN_XLA],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MemoryError("Unable to allocate 8 EiB"), "error: out of memory; lower"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "error: out of memory; lower"),
        (
            RuntimeError("Unable to initialize backend 'cuda': no device\nand more"),
            "error: set JAX_PLATFORMS to a device that is there, e.g. cpu (Unable to initialize",
        ),
    ],
)
def test_missing_memory_or_device_is_one_line(error, told, capsys):
    def run(given):
        raise error

    assert command_line.run(Command("wait", "Waits.", run), []) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(told)


def test_other_errors_of_the_program_keep_their_traceback():
    def run(given):
        raise RuntimeError("a mistake of nasjax")

    with pytest.raises(RuntimeError, match="a mistake of nasjax"):
        command_line.run(Command("wait", "Waits.", run), [])


PREDICTOR = Command(
    "predictor", "Fits.", lambda given: None, config="predictors/table2", directory="It."
)


def test_none_is_none_also_where_the_config_has_a_text_and_home_is_expanded():
    words = ["--config=predictors/table2", "--config.comparison.executability=None"]
    given = parse(PREDICTOR, [*words, "--directory=~/study", "--cache_dir=~/kept"])
    assert given.config["comparison"]["executability"] is None
    assert (given.directory, given.cache_dir) == (Path.home() / "study", Path.home() / "kept")


def test_none_is_none_also_where_the_config_has_a_number():
    words = ["--config=trl_hpo/digits", "--config.data.mean=None", "--directory=run"]
    assert parse(PREDICTOR, words).config["data"]["mean"] is None


def test_the_home_of_nobody_is_refused():
    with pytest.raises(UserError, match="--directory=~nobody-here/x: there is no such user"):
        parse(PREDICTOR, ["--config=predictors/table2", "--directory=~nobody-here/x"])
