"""Starts and ends every command: signals, one line per error, the exit codes 0, 2 and 130."""

import contextlib
import faulthandler
import io
import os
import pathlib
import select
import signal
import sys
import threading
import time
import types
from collections.abc import Sequence
from typing import Any, NoReturn

from nasjax.errors import UserError

from .flags import Command, parse

USER_ERROR, INTERRUPTED = 2, 130
# Schedulers send SIGUSR1 before they end a job, a terminal that is closed sends SIGHUP.
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
GRACE = 4.0  # seconds from a signal to the end, however deep in a program the main thread is
# What JAX says where memory or a device is missing, and what to do about it.
FAILURES = {
    "RESOURCE_EXHAUSTED": "out of memory; lower what the config makes large",
    "Unable to initialize backend": "set JAX_PLATFORMS to a device that is there, e.g. cpu",
}


class Interrupted(BaseException):
    """SIGTERM, Ctrl-C and their like; not an Exception, so that nothing on the way swallows it."""


def start(command: Command, arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs a command as this process and ends it.

    After an error or an interruption it ends at once: candidates in training are given up, not
    waited for.
    """
    for number in (*STOPPING, signal.SIGALRM):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # under nohup
            signal.signal(number, _interrupt)
    sys.unraisablehook = _again_if_lost
    _watch()
    with contextlib.suppress(io.UnsupportedOperation):  # stderr is no file, as in some notebooks
        faulthandler.enable()
    code = run(command, sys.argv[1:] if arguments is None else arguments)
    sys.stdout.flush()
    if code:
        os._exit(code)
    sys.exit(0)


def run(command: Command, arguments: Sequence[str]) -> int:
    """Runs a command; returns 0, 2 after a user's error, or 130 after an interruption."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without block characters
    try:
        given = parse(command, arguments)
        _Running.command, _Running.directory = command, given.directory
        command.run(given)
    except UserError as error:
        return _end(f"error: {' '.join(str(error).splitlines())}", USER_ERROR)
    except Interrupted:
        return _end(_stopped_text(), INTERRUPTED)
    except MemoryError as error:
        return _end(f"error: {FAILURES['RESOURCE_EXHAUSTED']} ({error})", USER_ERROR)
    except RuntimeError as error:
        known = [remedy for words, remedy in FAILURES.items() if words in str(error)]
        if not known:
            raise
        return _end(f"error: {known[0]} ({str(error).splitlines()[0]})", USER_ERROR)
    finally:
        _Running.command = None
    return 0


class _Running:
    """The command under way, None before its arguments are known."""

    command: Command | None = None
    directory = pathlib.Path()


def _stopped_text() -> str:
    """The line that a stopped command ends with."""
    command, directory = _Running.command, _Running.directory
    if command is None or not command.kept or not (directory / "config.json").exists():
        return "interrupted"
    return f"stopped; {command.kept} kept in {directory}, the same command goes on"


def _watch() -> None:
    """Ends the process GRACE seconds after a signal, or at a second one, if nothing else does.

    Python's handlers wait for the main thread, which may be inside a compiled program. In the pipe
    a signal's number arrives at once.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def watch() -> None:
        deadline = None
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = select.select([reading], [], [], left)[0]
            is_stop = bool(ready) and os.read(reading, 1)[0] in STOPPING
            if not ready or (is_stop and deadline):
                os._exit(_end(_stopped_text(), INTERRUPTED))
            if is_stop:
                deadline = time.monotonic() + GRACE

    threading.Thread(target=watch, daemon=True).start()


def _end(message: str, code: int) -> int:
    print(message, file=sys.stderr, flush=True)
    return code


def _interrupt(number: int, frame: types.FrameType | None) -> None:
    threading.excepthook = lambda lost: None  # what other threads fail with now is of no interest
    for again in STOPPING:  # an impatient second one waits for nothing
        signal.signal(again, lambda number, frame: os._exit(INTERRUPTED))
    raise Interrupted


def _again_if_lost(lost: Any) -> None:
    """Raises Interrupted again, a little later: JAX's callback of the collector had swallowed it.

    So does every destructor. `lost` is what Python tells of an exception that nobody can catch.
    """
    if lost.exc_type is Interrupted:
        signal.setitimer(signal.ITIMER_REAL, 0.001)
    else:
        sys.__unraisablehook__(lost)
