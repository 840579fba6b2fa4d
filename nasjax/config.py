"""Sections of a config become frozen dataclasses; a typo stops the run with one line."""

import dataclasses
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

from nasjax.errors import UserError

T = TypeVar("T")


def parse_section(cls: type[T], section: Mapping[str, Any], path: str) -> T:
    """Builds the dataclass `cls` from plain data.

    Args:
      cls: a frozen dataclass with fields of type bool, int, float, str, a Literal, a tuple of
        these, or one of these `| None`. Fields with a default may be left out.
      section: the keys and values, plain data.
      path: the section's name, for messages, e.g. "controller".

    Raises:
      UserError: a key is unknown or missing, a value has another type or is not allowed.
    """
    if not isinstance(section, Mapping):
        raise UserError(f"config.{path} is {section!r}; it must be a section of keys and values")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in section:
        if key not in fields:
            raise UserError(unknown(f"key config.{path}.{key}", key, list(fields)))
    values = {}
    for name, field in fields.items():
        if name in section:
            values[name] = _checked(section[name], hints[name], f"config.{path}.{name}")
        elif field.default is dataclasses.MISSING:
            raise UserError(f"config.{path}.{name} is missing; it is a {_spell(hints[name])}")
    return cls(**values)


def check_sections(config: Mapping[str, Any], sections: Sequence[str], what: str) -> None:
    """Raises a UserError unless the config has these sections and no others."""
    for key in (*config, *sections):
        if key not in sections or key not in config:
            is_what = "is missing" if key in sections else "is unknown"
            raise UserError(f"config.{key} {is_what}; {what} has {', '.join(sections)}")


def check_label(path: str, label: str) -> None:
    """Raises a UserError unless the label may name a file."""
    plain = re.fullmatch(r"[\w.,=+-]+", label) is not None
    check(plain, path, label, "labels of letters, digits and _ . , = + -")


def unknown(what: str, name: str, known: list[str]) -> str:
    """One line that says a name is not known, with the closest known one and all of them."""
    close = get_close_matches(str(name), known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"unknown {what}{hint}; known: {', '.join(sorted(known))}"


def _checked(value: Any, hint: Any, path: str) -> Any:
    """The value, converted only where nothing is lost (int to float, list to tuple)."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in arguments:
            return None
        (inner,) = [argument for argument in arguments if argument is not type(None)]
        return _checked(value, inner, path)
    if origin is typing.Literal:
        if value not in arguments:
            raise UserError(f"{path}={value!r}; allowed: {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple and isinstance(value, (tuple, list)):
        if arguments[-1] is Ellipsis:
            arguments = (arguments[0],) * len(value)
        if len(arguments) == len(value):
            pairs = enumerate(zip(value, arguments, strict=True))
            return tuple(_checked(item, kind, f"{path}[{i}]") for i, (item, kind) in pairs)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is float and isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"{path}={value!r}; it must be a finite number")
    fits = isinstance(hint, type) and isinstance(value, hint)
    if fits and not (isinstance(value, bool) and hint is int):
        return value
    raise UserError(f"{path}={value!r} is a {type(value).__name__}; it must be a {_spell(hint)}")


def _spell(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def check(condition: bool, path: str, value: Any, allowed: str) -> None:
    """Raises a UserError unless the condition holds, e.g. check(x > 0, "data.std", x, "> 0")."""
    if not condition:
        raise UserError(f"config.{path}={value!r}; it must be {allowed}")
