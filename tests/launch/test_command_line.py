"""How commands end, where the programs that search do not show it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# Stops itself while the collector's callbacks run, where Python swallows every exception.
STOPPED_IN_A_CALLBACK = """
import gc, os, signal, time
from launch import command_line

def main():
    stopped = []

    def callback(phase, info):
        if not stopped:
            stopped.append(True)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    gc.callbacks.append(callback)
    gc.collect()
    try:
        while True:
            time.sleep(0.01)
    except command_line.Interrupted:
        command_line.end("stopped", command_line.INTERRUPTED)

command_line.start(main)
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
    assert (done.returncode, done.stderr) == (130, "stopped\n")
