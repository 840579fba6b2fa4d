"""Settings that check themselves: a section of a config becomes a frozen dataclass.

pydantic checks types and bounds; every mistake is one line that names key, value and what is
allowed. A settings class states both in one place:

    @settings("search")
    class SearchConfig:
        rounds: PositiveInt
        max_cost: PositiveFloat | None = None  # in the first cost's unit; None: no constraint
"""

import dataclasses
import functools
import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar

import pydantic
from pydantic import Field

from nasjax.errors import UserError

T = TypeVar("T")

PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
PositiveFraction = Annotated[float, Field(gt=0, le=1)]

MOST = 2**31 - 1  # of whole numbers: arrays count in int32

_STRICT = pydantic.ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@typing.dataclass_transform(frozen_default=True)
def settings(section: str) -> Callable[[type[T]], type[T]]:
    """Makes a class a frozen dataclass whose values are checked when it is constructed.

    Fields are of type bool, int, float, str, a Literal, a tuple of these, or one of these `| None`.
    A list is accepted for a tuple and an int for a float; a bool is no int. Conditions on several
    fields go into `__post_init__`, with `check`.

    Args:
      section: the section of a config that it is, for messages.

    Raises (the class, when constructed):
      UserError: a key is unknown or missing, a value has another type or is not allowed.
    """

    def decorate(cls: type[T]) -> type[T]:
        checked: Any = pydantic.dataclasses.dataclass(frozen=True, config=_STRICT)(cls)
        construct = checked.__init__
        names = [field.name for field in dataclasses.fields(checked)]

        @functools.wraps(construct)
        def __init__(self: Any, *args: Any, **given: Any) -> None:
            given |= zip(names, args, strict=False)
            for name, value in given.items():
                for number in value if isinstance(value, list | tuple) else (value,):
                    huge = isinstance(number, int) and abs(number) > MOST
                    check(not huge, f"{section}.{name}", value, f"at most {MOST}")
            try:
                construct(self, **{name: _with_tuples(value) for name, value in given.items()})
            except pydantic.ValidationError as error:
                raise _user_error(error, checked, given, f"config.{section}") from None

        checked.__init__ = __init__
        return checked

    return decorate


def parse_section(cls: type[T], section: Mapping[str, Any], path: str) -> T:
    """Builds a settings class, or a plain frozen dataclass, from plain data; errors as `settings`.

    `path` is the section's name in messages, e.g. "controller".
    """
    if not isinstance(section, Mapping):
        raise UserError(f"config.{path} is {section!r}; it must be a section of keys and values")
    for key in section:
        check(isinstance(key, str), path, key, "a name")
    if hasattr(cls, "__pydantic_validator__"):
        return cls(**section)
    return cls(**vars(settings(path)(cls)(**section)))


def check_sections(config: Mapping[str, Any], sections: Sequence[str], what: str) -> None:
    """Raises a UserError unless the config has these sections and no others."""
    for key in (*config, *sections):
        if key not in sections or key not in config:
            is_what = "is missing" if key in sections else "is unknown"
            raise UserError(f"config.{key} {is_what}; {what} has {', '.join(sections)}")


def check_label(path: str, label: str) -> None:
    """Raises a UserError unless the label may name a file."""
    plain = isinstance(label, str) and re.fullmatch(r"[\w.,=+-]+", label) is not None
    check(plain, path, label, "labels of letters, digits and _ . , = + -")


def check(condition: bool, path: str, value: Any, allowed: str) -> None:
    """Raises a UserError unless the condition holds, e.g. check(x > 0, "data.std", x, "> 0")."""
    if not condition:
        raise UserError(f"config.{path}={value!r}; it must be {allowed}")


def unknown(what: str, name: str, known: list[str]) -> str:
    """One line that says a name is not known, with the closest known one and all of them."""
    close = get_close_matches(str(name), known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return f"unknown {what}{hint}; known: {', '.join(sorted(known))}"


def _with_tuples(value: Any) -> Any:
    return tuple(map(_with_tuples, value)) if isinstance(value, list) else value


def _user_error(
    error: pydantic.ValidationError, cls: type, given: Mapping[str, Any], path: str
) -> UserError:
    """The first mistake in one line; an unknown key explains a missing one, so it comes first."""
    mistake = min(error.errors(), key=lambda found: found["type"] != "unexpected_keyword_argument")
    kind = mistake["type"]
    if kind == "value_error":  # of a `__post_init__`
        return UserError(str(mistake["ctx"]["error"]))
    name = str(mistake["loc"][0])
    hints, key = typing.get_type_hints(cls), f"{path}.{name}"
    if kind == "unexpected_keyword_argument":
        return UserError(unknown(f"key {key}", name, list(hints)))
    hint = hints[name]
    if name not in given:
        return UserError(f"{key} is missing; it is a {_spell(hint)}")
    value = given[name]
    if isinstance(place := mistake["loc"][-1], int) and kind != "missing":  # missing: one too few
        value, hint, key = value[place], typing.get_args(_inner(hint))[0], f"{key}[{place}]"
    if kind == "literal_error":
        allowed = ", ".join(map(repr, typing.get_args(_inner(hint))))
        return UserError(f"{key}={value!r}; allowed: {allowed}")
    if kind == "finite_number":
        return UserError(f"{key}={value!r}; it must be a finite number")
    if kind == "too_short" and not value:
        return UserError(f"{key}={value!r}; it must be one or more")
    if kind in ("greater_than", "greater_than_equal", "less_than", "less_than_equal"):
        or_none = " or None" if type(None) in typing.get_args(hint) else ""
        allowed = _range(typing.get_type_hints(cls, include_extras=True)[name])
        return UserError(f"{key}={value!r}; it must be {allowed}{or_none}")
    wanted = _spell(_inner(hint))
    return UserError(f"{key}={value!r} is a {type(value).__name__}; it must be a {wanted}")


def _inner(hint: Any) -> Any:
    """The type in `type | None`."""
    if typing.get_origin(hint) not in (types.UnionType, typing.Union):
        return hint
    return next(kind for kind in typing.get_args(hint) if kind is not type(None))


def _spell(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def _bounds(hint: Any) -> dict[str, float]:
    """The bounds in the annotations of a type and of its parts, e.g. {"ge": 0, "lt": 1}."""
    found: dict[str, float] = {}
    for part in typing.get_args(hint):
        for constraint in getattr(part, "metadata", ()):
            names = [name for name in ("ge", "gt", "le", "lt") if hasattr(constraint, name)]
            found |= {name: getattr(constraint, name) for name in names}
        found |= _bounds(part)
    return found


def _range(hint: Any) -> str:
    """The numbers that a type allows, e.g. ">= 1" or "above 0, at most 1"."""
    bounds = _bounds(hint)
    if len(bounds) == 1:
        ((name, bound),) = bounds.items()
        return f"{dict(ge='>=', gt='>', le='<=', lt='<')[name]} {bound}"
    lower = f"from {bounds['ge']} to" if "ge" in bounds else f"above {bounds['gt']},"
    if "lt" in bounds:
        return f"{lower} below {bounds['lt']}"
    return f"{lower} {bounds['le']}" if "ge" in bounds else f"{lower} at most {bounds['le']}"
