"""How every command starts and ends: flags, one line per error, exit codes."""

import os
import signal
import sys
import types
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags

from nasjax.errors import UserError

INTERRUPTED = 130


class Interrupted(BaseException):
    """SIGTERM or Ctrl-C; not an Exception, so that nothing on the way swallows it."""


def start(main: Callable[[], None]) -> NoReturn:
    """Parses flags, runs `main` and exits: 0, 2 after a user's error, 130 after an interruption."""

    def guarded(arguments: Sequence[str]) -> None:
        if len(arguments) > 1:
            end(f"error: {arguments[1]!r} is no flag; see --help", 2)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _interrupt)
        try:
            main()
        except UserError as error:
            end(f"error: {error}", 2)
        except Interrupted:
            end("interrupted", INTERRUPTED)

    app.run(guarded, flags_parser=_parse)
    raise AssertionError("app.run exits")


def end(message: str, code: int) -> NoReturn:
    """Says a last line and exits at once: candidates in training are given up, not waited for."""
    print(message, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(code)


def _interrupt(number: int, frame: types.FrameType | None) -> None:
    raise Interrupted


def _parse(arguments: list[str]) -> list[str]:
    try:
        return flags.FLAGS(arguments)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        end(f"error: {' '.join(lines[:2]) or type(error).__name__}", 2)
    except SyntaxError as error:
        end(f"error: {error.filename}:{error.lineno}: {error.msg}", 2)
