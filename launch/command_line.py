"""Starts and ends every command: signals, one line per error, the exit codes 0, 2 and 130."""

import contextlib
import faulthandler
import io
import os
import signal
import sys
import types
from collections.abc import Sequence
from typing import Any, NoReturn

from nasjax.errors import UserError

from .flags import Command, parse

USER_ERROR, INTERRUPTED = 2, 130
# Schedulers send SIGUSR1 before they end a job, a terminal that is closed sends SIGHUP.
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


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
    directory = None
    try:
        given = parse(command, arguments)
        directory = given.directory
        command.run(given)
    except UserError as error:
        return _end(f"error: {' '.join(str(error).splitlines())}", USER_ERROR)
    except Interrupted:
        if directory is None or not command.kept or not (directory / "config.json").exists():
            return _end("interrupted", INTERRUPTED)
        kept = f"{command.kept} kept in {directory}, the same command goes on"
        return _end(f"stopped; {kept}", INTERRUPTED)
    return 0


def _end(message: str, code: int) -> int:
    print(message, file=sys.stderr, flush=True)
    return code


def _interrupt(number: int, frame: types.FrameType | None) -> None:
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
