"""The flags of all commands: --config=NAME --config.KEY=VALUE --directory=DIRECTORY.

They are absl's and ml_collections', in a set of each command's own: a process may load several
commands, also under both of their names (`launch.search`, `nasjax.launch.search`).
"""

import functools
import inspect
import os
import pathlib
import re
import textwrap
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from absl import flags
from ml_collections import config_flags

from nasjax import config_files
from nasjax.errors import UserError


class Given(NamedTuple):
    """The arguments of a command."""

    config: dict[str, Any]  # with its changes, plain data; empty where none was given
    directory: pathlib.Path  # `--directory`; the current one where a command takes none
    cache_dir: pathlib.Path  # decoded data sets, compiled programs, results of trained candidates
    own: Any  # values of the command's own flags, as attributes
    words: list[str]  # all that is no flag


class Command(NamedTuple):
    """A command of `nasjax`."""

    name: str  # `nasjax NAME` starts it
    text: str  # its help, the docstring of its module
    run: Callable[[Given], None]
    define: Callable[[flags.FlagValues], None] = lambda own: None  # adds its own flags to the set
    config: str = ""  # an example of the configs that it takes; empty: it takes none
    needs_config: bool = True  # it does nothing without one
    directory: str = ""  # the help of `--directory`, which it needs; empty: it takes none
    aliases: tuple[str, ...] = ()  # other names of `--directory`
    word: str = ""  # the one word that it takes beside flags, e.g. "DIR"; empty: it takes none
    kept: str = ""  # that which stays in the directory when it is interrupted, with its verb


def parse(command: Command, arguments: Sequence[str]) -> Given:
    """Reads the arguments of a command; `--help` prints what there is and ends the process.

    Raises:
      UserError: a flag, a key or a value is unknown, missing or not allowed.
    """
    own = _defined(command)
    if {"-h", "--help"} & set(arguments):
        print(help_text(command, own))
        raise SystemExit(0)
    rest, name = list(arguments), ""
    if command.config:
        rest, name = _without_config(rest)
    if command.needs_config and not name and any(word.startswith("--config.") for word in rest):
        raise UserError(_needed(command))
    # Of whatever type the config has a value: no parser of flags takes None for it.
    nones = [word for word in rest if word.startswith("--config.") and word.endswith("=None")]
    line = [command.name, *(word for word in rest if not name or word not in nones)]
    try:
        if name:
            config_flags.DEFINE_config_dict(
                "config",
                config_files.load(name),
                flag_values=own,
                lock_config=False,
                accept_new_attributes=True,
                sys_argv=line,
            )
        words = own(line)[1:]
        if name:
            _take_none(own.config, nones)
    except UserError:
        raise
    except Exception as error:  # absl and ml_collections raise many kinds
        raise UserError(_explain(error, rest, name)) from error
    if len(words) > bool(command.word):
        raise UserError(f"{words[-1]!r} is no flag; see --help")
    directory = own.directory if command.directory else "."
    if (command.word and not words) or (command.needs_config and command.config and not name):
        raise UserError(_needed(command))
    if not directory or not own.cache_dir:
        raise UserError(_needed(command) if not directory else "--cache_dir=DIRECTORY is empty")
    return Given(
        config=own.config.to_dict() if name else {},
        directory=_expanded(directory, "directory"),
        cache_dir=_expanded(own.cache_dir, "cache_dir"),
        own=own,
        words=words,
    )


def _expanded(path: str, flag: str) -> pathlib.Path:
    try:
        return pathlib.Path(path).expanduser()
    except RuntimeError as error:
        raise UserError(f"--{flag}={path}: there is no such user's home") from error


# What the help shows behind a flag's "=", by the flag's name or its type.
_VALUES = {
    **dict.fromkeys(("directory", "cache_dir"), "DIRECTORY"),
    **dict.fromkeys(("architectures", "device_description", "json", "output", "picture"), "FILE"),
    "int": "N",
    "comma separated list of strings": "A,B,...",
}


def help_text(command: Command, own: flags.FlagValues) -> str:
    """The command's docstring, and what every flag does."""
    listed: list[tuple[str, str]] = []
    if command.config:
        text = f"A file, or the short name of one that comes with nasjax, e.g. {command.config}."
        listed += [("--config=NAME", text), ("--config.KEY=VALUE", "Changes a key of the config.")]
    for name in own:
        flag = own[name]
        if name in command.aliases:
            continue
        value = _VALUES.get(name) or _VALUES.get(flag.flag_type(), "VALUE")
        text = flag.help or ""
        if name == "directory" and command.aliases:
            text += f" Also --{', --'.join(command.aliases)}."
        if flag.default is not None:
            text += f" Default: {(flag.default_as_str or '').strip(chr(39))}."
        listed.append((f"--[no]{name}" if flag.boolean else f"--{name}={value}", text))
    listed.append(("-h, --help", "Shows this."))
    width = max(len(form) for form, _ in listed) + 4
    lines = [
        textwrap.fill(
            text,
            width=100,
            initial_indent=f"  {form}".ljust(width),
            subsequent_indent=" " * width,
            break_on_hyphens=False,
        )
        for form, text in listed
    ]
    usage = f"nasjax {command.name}{f' {command.word}' if command.word else ''} [FLAGS]"
    return "\n".join([inspect.cleandoc(command.text), "", f"Usage: {usage}", "", *lines])


def _defined(command: Command) -> flags.FlagValues:
    own = flags.FlagValues()
    own.set_gnu_getopt()  # words may stand before flags
    if command.directory:
        flags.DEFINE_string("directory", None, command.directory, flag_values=own)
        for alias in command.aliases:
            flags.DEFINE_alias(alias, "directory", flag_values=own)
    command.define(own)
    flags.DEFINE_string(
        "cache_dir",
        os.environ.get("NASJAX_CACHE_DIR", "~/.cache/nasjax"),
        "Compiled programs, decoded data sets and results of trained candidates.",
        flag_values=own,
    )
    return own


def _without_config(arguments: list[str]) -> tuple[list[str], str]:
    """The other arguments, and what the last `--config` names."""
    rest, name, is_next = [], "", False
    for word in arguments:
        if is_next or word.startswith("--config="):
            name, is_next = word.removeprefix("--config="), False
        elif word == "--config":
            is_next = True
        else:
            rest.append(word)
    return rest, name


def _take_none(config: Any, arguments: Sequence[str]) -> None:
    """Sets the keys of words `--config.KEY=None`."""
    for word in arguments:
        *path, last = word.removeprefix("--config.").removesuffix("=None").split(".")
        section = functools.reduce(lambda inner, part: inner[part], path, config)
        with section.ignore_type():
            section[last] = None


def _needed(command: Command) -> str:
    needed = [command.word] if command.word else []
    needed += ["--config=NAME"] if command.config and command.needs_config else []
    needed += ["--directory=DIRECTORY"] if command.directory else []
    example = f", e.g. --config={command.config}" if command.config else ""
    are = "is" if len(needed) == 1 else "are"
    return f"{' and '.join(needed)} {are} needed{example}; see nasjax {command.name} --help"


# What Python says of a value -> what it means.
_MEANINGS = {
    r"invalid literal for int\(\) .*": "it must be a whole number",
    r"could not convert string to float: .*": "it must be a number",
    r"\('Non-boolean argument .*": "it must be true or false",
}


def _explain(error: Exception, arguments: Sequence[str], name: str) -> str:
    """One line about flags that could not be taken."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = traceback.extract_tb(error.__traceback__)[-1]
    if isinstance(error, KeyError | AttributeError) and "ml_collections" in last.filename:
        return _unknown_key(str(error), arguments, name)
    line = " ".join(lines[:2]) or type(error).__name__
    for pattern, meaning in _MEANINGS.items():
        line = re.sub(pattern, meaning, line)
    return line


def _unknown_key(text: str, arguments: Sequence[str], name: str) -> str:
    """ml_collections' words about a key that the config does not have, in the user's."""
    found = re.search(r"lookup: ([\w.]+)", text) or re.search(r"(\w+)", text)
    key = found[1] if found else ""
    given = [word for word in arguments if word.startswith("--config.") and key in word]
    close = re.search(r'Did you mean "(\w+)"', text)
    hint = f"did you mean {close[1]!r}?" if close else f"--config={name} shows which it has"
    return f"{(given or ['--config'])[0]}: the config has no key {key!r}; {hint}"
