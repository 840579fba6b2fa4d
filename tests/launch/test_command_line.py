"""How commands end, where the programs that search do not show it."""

import subprocess
import sys
from pathlib import Path

import pytest

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


PREDICTOR = Command(
    "predictor", "Fits.", lambda given: None, config="predictors/table2", directory="It."
)


def test_none_is_none_also_where_the_config_has_a_text_and_home_is_expanded():
    words = ["--config=predictors/table2", "--config.comparison.executability=None"]
    given = parse(PREDICTOR, [*words, "--directory=~/study", "--cache_dir=~/kept"])
    assert given.config["comparison"]["executability"] is None
    assert (given.directory, given.cache_dir) == (Path.home() / "study", Path.home() / "kept")


def test_the_home_of_nobody_is_refused():
    with pytest.raises(UserError, match="--directory=~nobody-here/x: there is no such user"):
        parse(PREDICTOR, ["--config=predictors/table2", "--directory=~nobody-here/x"])
