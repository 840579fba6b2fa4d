"""Commands as a user starts them, but for the imports, which take longer than most tests.

One process imports what they share; every command is a fork of it that goes on as a started module
does (`python -m launch.NAME`): a process of its own, which can be stopped and killed.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, NamedTuple

ROOT = pathlib.Path(__file__).parents[1]
# The older loop emitters of XLA, which JAX 0.12 no longer has, and programs in one piece: half the
# time to compile.
_OLDER = () if version("jaxlib") >= "0.12" else ("--xla_cpu_use_fusion_emitters=false",)
QUICK_FLAGS = ("--xla_cpu_parallel_codegen_split_count=1", *_OLDER)
# Unoptimised programs: for what compiles much and computes little.
UNOPTIMISED = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", "XLA_FLAGS": " ".join(QUICK_FLAGS)}
# Reads lines of JSON: ["start", [name, arguments, environment, folder]] is answered by the process
# id, ["poll", id] and ["wait", id] by the exit code, null while it runs.
_SERVER = """
import json, os, runpy, sys, traceback
import orbax.checkpoint, sklearn.datasets
import nasjax.studies.run, nasjax.studies.report

def run(name, arguments, environment, folder):
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, file in enumerate(("stdout", "stderr"), 1):
        os.dup2(os.open(os.path.join(folder, file), os.O_WRONLY | os.O_CREAT), number)
    os.environ.update(environment)
    sys.argv = [name, *arguments]
    code = 0
    try:
        runpy.run_module(f"launch.{name}", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)

for line in sys.stdin:
    what, given = json.loads(line)
    if what == "start":
        answer = os.fork()
        if not answer:
            run(*given)
    else:
        ended, status = os.waitpid(given, os.WNOHANG if what == "poll" else 0)
        answer = os.waitstatus_to_exitcode(status) if ended else None
    print(json.dumps(answer), flush=True)
"""


class Ended(NamedTuple):
    """What `subprocess.CompletedProcess` says: the code is negative after a signal."""

    returncode: int
    stdout: str
    stderr: str


class Running:
    """A command under way; see `subprocess.Popen`."""

    def __init__(self, commands: "Commands", pid: int, folder: pathlib.Path):
        self._commands, self.pid, self._folder = commands, pid, folder
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        if self.returncode is None:
            self.returncode = self._commands.ask("poll", self.pid)
        return self.returncode

    def wait(self) -> Ended:
        """Its end."""
        if self.returncode is None:
            self.returncode = self._commands.ask("wait", self.pid)
        out, err = ((self._folder / name).read_text() for name in ("stdout", "stderr"))
        return Ended(self.returncode or 0, out, err)

    def send_signal(self, number: signal.Signals) -> None:
        """As long as nobody has heard of its end, its id is no other process's."""
        if self.poll() is None:
            os.kill(self.pid, number)


class Commands:
    """Starts commands; `folder` takes what they print."""

    def __init__(self, folder: pathlib.Path):
        self._folder, self._count = folder, 0
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, name: str, *arguments: object, env: Mapping[str, str] | None = None) -> Running:
        """`python -m launch.NAME *arguments`, with `env` on top of this process's."""
        folder = self._folder / str(self._count)
        folder.mkdir()
        self._count += 1
        pid = self.ask(
            "start", [name, [str(word) for word in arguments], dict(env or {}), str(folder)]
        )
        return Running(self, pid, folder)

    def run(self, name: str, *arguments: object, env: Mapping[str, str] | None = None) -> Ended:
        """The same, to its end."""
        return self.start(name, *arguments, env=env).wait()

    def ask(self, what: str, given: Any) -> Any:
        """A line to the process that forks, and its answer."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps([what, given]) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        """Ends the process that forks."""
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
