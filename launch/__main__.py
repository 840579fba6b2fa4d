"""The command `nasjax`: starts the others, `nasjax COMMAND [FLAGS]`."""

import difflib
import importlib
import os
import sys
from typing import NoReturn

import nasjax

from . import command_line

COMMANDS = {
    "search": "Runs a search, or goes on with one.",
    "study": "Runs many seeds of several controllers and compares them.",
    "predictor": "Fits predictors of device costs and compares them.",
    "profile": "Measures what architectures cost on this machine.",
    "report": "Writes the report of a directory again, also while it is being filled.",
    "benchmark": "Measures the engine's speed.",
}
HELP = """nasjax: searches for neural architectures with reinforcement learning, on JAX.

Usage: nasjax COMMAND [--config=NAME] [--config.KEY=VALUE] [--directory=DIRECTORY] [FLAGS]

{commands}

nasjax COMMAND --help shows a command's flags, nasjax --version the version."""


def main() -> NoReturn:
    """Starts the command that the first word names."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help", "help"):
        listed = "\n".join(f"  {each:11}{text}" for each, text in COMMANDS.items())
        print(HELP.format(commands=listed))
        sys.exit(0)
    if name == "--version":
        print(f"nasjax {nasjax.__version__}")
        sys.exit(0)
    if name not in COMMANDS:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        print(f"error: {name!r} is no command; {hint}known: {', '.join(COMMANDS)}", file=sys.stderr)
        sys.exit(command_line.USER_ERROR)
    sys.path.append(os.getcwd())  # as `python -m` does: own members may lie in the current folder
    command = importlib.import_module(f"{__package__}.{name}").COMMAND
    command_line.start(command, sys.argv[2:])


if __name__ == "__main__":
    main()
