"""How every command starts and ends: flags, one line per error, exit codes."""

import os
import re
import signal
import sys
import traceback
import types
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

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
        signal.signal(signal.SIGALRM, _interrupt)
        sys.unraisablehook = _again_if_lost
        try:
            main()
        except UserError as error:
            end(f"error: {' '.join(str(error).splitlines())}", 2)
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
    for again in (signal.SIGTERM, signal.SIGINT):  # an impatient second one waits for nothing
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


def _parse(arguments: list[str]) -> list[str]:
    try:
        rest = flags.FLAGS(["--help" if word == "-h" else word for word in arguments])
        config = flags.FLAGS["config"].value if "config" in flags.FLAGS else None
        # ml_collections keeps the failure to find a file until the config is used: here.
        if config is not None and not hasattr(config, "to_dict"):
            end(f"error: {_named(arguments)}: get_config() must return a ConfigDict", 2)
        return rest
    except SystemExit:  # absl ends --help with 1
        sys.exit(0)
    except Exception as error:  # a config file is code: it may raise anything
        end(f"error: {_explain(error, arguments)}", 2)


# What Python says of a value -> what it means.
_MEANINGS = {
    r"invalid literal for int\(\) .*": "it must be a whole number",
    r"could not convert string to float: .*": "it must be a number",
    r"\('Non-boolean argument .*": "it must be true or false",
}


def _explain(error: Exception, arguments: list[str]) -> str:
    """One line about flags or a config file that could not be taken."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}: {error.msg}"
    if isinstance(error, OSError):  # a list of attempts; what went wrong stands last
        why = lines[-1].rpartition("failure to load: ")[2]
        return f"{_named(arguments)} cannot be loaded: {why}; see the folder configs"
    if isinstance(error, flags.Error):
        if "Error whilst parsing config file" in lines[0]:  # and its traceback
            return f"{_named(arguments)}: {lines[-1]}"
        line = " ".join(lines[:2])
        for pattern, meaning in _MEANINGS.items():
            line = re.sub(pattern, meaning, line)
        return line
    if "has no attribute 'get_config'" in str(error):
        return f"{_named(arguments)} has no function get_config"
    if isinstance(error, KeyError | AttributeError) and "ml_collections" in last.filename:
        return _unknown_key(str(error), arguments)
    where = f"{last.filename}:{last.lineno}"
    return f"{_named(arguments)}: {type(error).__name__}: {' '.join(lines)} ({where})"


def _unknown_key(text: str, arguments: list[str]) -> str:
    """What ml_collections says of a key that the config does not have, in the user's words."""
    found = re.search(r"lookup: ([\w.]+)", text) or re.search(r"(\w+)", text)
    key = found[1] if found else ""
    given = [word for word in arguments if word.startswith("--config.") and key in word]
    close = re.search(r'Did you mean "(\w+)"', text)
    hint = f"; did you mean {close[1]!r}?" if close else f"; {_named(arguments)} shows which it has"
    return f"{(given or ['--config'])[0]}: the config has no key {key!r}{hint}"


def _named(arguments: list[str]) -> str:
    """The argument that names the config file; of several, the last one counts."""
    return next((word for word in reversed(arguments) if word.startswith("--config=")), "--config")
