"""How commands end, where the programs that search do not show it."""

import subprocess
import sys
from pathlib import Path

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
