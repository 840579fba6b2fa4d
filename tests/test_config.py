"""Sections of a config: what is accepted, and that every mistake is one helpful line."""

import dataclasses
from typing import Annotated, Any, Literal

import ml_collections
import pytest
from pydantic import Field

from nasjax.config import (
    Fraction,
    NonNegativeInt,
    PositiveFloat,
    PositiveFraction,
    PositiveInt,
    check,
    parse_section,
    settings,
    unknown,
)
from nasjax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Section:
    rows: int
    rate: float = 0.5
    shuffle: bool = False
    name: str = "digits"
    mode: Literal["fast", "slow"] = "fast"
    shape: tuple[int, int] = (8, 8)
    means: tuple[float, ...] = ()
    limit: float | None = 0.1
    after: int | None = None
    crop: tuple[int, int] | None = None
    order: Literal["up", "down"] | None = None

    def __post_init__(self) -> None:
        check(self.rows >= 1, "part.rows", self.rows, ">= 1")


def parse(**section: Any) -> Section:
    return parse_section(Section, section, "part")


def message(**section: Any) -> str:
    """The message about a mistake: always one line."""
    with pytest.raises(UserError) as error:
        parse(**section)
    text = str(error.value)
    assert text and "\n" not in text
    return text


def test_a_section_becomes_the_dataclass_with_its_defaults() -> None:
    assert parse(rows=3) == Section(rows=3)
    given = dict(rows=3, rate=0.25, shuffle=True, name="mnist", mode="slow", shape=(28, 14))
    assert parse(**given) == Section(3, 0.25, True, "mnist", "slow", (28, 14))


def test_plain_data_of_a_config_dict_is_accepted() -> None:
    section = ml_collections.ConfigDict(dict(rows=3, rate=1, shape=(4, 5), limit=None))
    assert parse_section(Section, section.to_dict(), "part") == Section(
        3, 1.0, shape=(4, 5), limit=None
    )


def test_an_unknown_key_is_named_with_the_closest_and_all_known_ones() -> None:
    text = message(rows=3, shufle=True)
    assert "config.part.shufle" in text
    assert "did you mean 'shuffle'?" in text
    for field in dataclasses.fields(Section):
        assert field.name in text.partition("known:")[2]


def test_an_unknown_key_unlike_any_other_gets_no_suggestion() -> None:
    text = message(rows=3, zzz=1)
    assert "config.part.zzz" in text and "did you mean" not in text


def test_a_missing_key_is_named_with_its_type() -> None:
    assert message(rate=0.5) == "config.part.rows is missing; it is a int"


@pytest.mark.parametrize("section", [None, 3, "rows=3", ["rows", 3]])
def test_what_is_no_section_is_refused(section: Any) -> None:
    with pytest.raises(UserError, match="config.part is .*; it must be a section") as error:
        parse_section(Section, section, "part")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("rows", "3", "int"),
        ("rows", 3.0, "int"),
        ("rows", None, "int"),
        ("rows", True, "int"),  # a bool is an int in Python, not in a config
        ("rate", "0.5", "float"),
        ("rate", True, "float"),
        ("rate", None, "float"),
        ("shuffle", 1, "bool"),
        ("shuffle", "yes", "bool"),
        ("name", 3, "str"),
        ("name", None, "str"),
        ("limit", "none", "float"),
        ("limit", False, "float"),
        ("after", 1.5, "int"),
        ("after", True, "int"),
        ("shape", 8, "tuple"),
        ("shape", (8, 8, 1), "tuple"),  # of another length
        ("shape", "88", "tuple"),
        ("crop", [1], "tuple"),
        ("means", 0.5, "tuple"),
    ],
)
def test_an_ill_typed_value_is_named_with_its_key_and_the_wanted_type(
    key: str, value: Any, named: str
) -> None:
    text = message(**{"rows": 3, key: value})
    assert text.startswith(f"config.part.{key}={value!r} is a {type(value).__name__}; it must be")
    assert named in text.partition("it must be")[2]


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [("shape", (8, 8.5), "shape[1]=8.5"), ("means", [0.5, "x"], "means[1]='x'")],
)
def test_an_ill_typed_element_is_named_with_its_place(key: str, value: Any, where: str) -> None:
    assert f"config.part.{where}" in message(**{"rows": 3, key: value})


def test_a_whole_number_where_a_float_is_wanted_becomes_one() -> None:
    section = parse(rows=3, rate=1, limit=2, means=[1, 0.5])
    assert (section.rate, section.limit, section.means) == (1.0, 2.0, (1.0, 0.5))
    assert all(type(v) is float for v in (section.rate, section.limit, *section.means))


def test_a_list_becomes_a_tuple() -> None:
    section = parse(rows=3, shape=[28, 14], crop=[4, 5], means=[])
    assert (section.shape, section.crop, section.means) == ((28, 14), (4, 5), ())


def test_none_is_accepted_where_the_type_says_so() -> None:
    section = parse(rows=3, limit=None, after=None, crop=None, order=None)
    assert (section.limit, section.after, section.crop, section.order) == (None,) * 4
    assert parse(rows=3, after=7, order="up").after == 7


@pytest.mark.parametrize("value", ["Fast", "", 1, None, ["fast"]])
def test_a_value_that_is_not_among_the_allowed_is_refused_with_them(value: Any) -> None:
    assert message(rows=3, mode=value) == f"config.part.mode={value!r}; allowed: 'fast', 'slow'"


def test_a_value_out_of_range_is_refused_by_the_section_itself() -> None:
    assert message(rows=0) == "config.part.rows=0; it must be >= 1"


def test_known_names_are_listed_in_order() -> None:
    assert unknown("controller 'ddgp'", "ddgp", ["trl_hpo", "ddpg"]) == (
        "unknown controller 'ddgp' (did you mean 'ddpg'?); known: ddpg, trl_hpo"
    )


@settings("net")
class Net:
    width: PositiveInt
    skips: NonNegativeInt = 0
    rate: PositiveFloat = 0.1
    limit: PositiveFloat | None = None
    share: Fraction = 0.5
    sample: PositiveFraction = 1.0
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    within: Annotated[float, Field(gt=0, lt=1)] = 0.5
    exponent: Annotated[float, Field(le=0)] = 0.0
    grid: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = (1.0,)
    decay: tuple[Fraction, Fraction] | None = None

    def __post_init__(self) -> None:
        check(self.skips < self.width, "net.skips", self.skips, f"below net.width={self.width}")


@settings("net")
class WiderNet(Net):
    lanes: PositiveInt = 4


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("width", 0, ">= 1"),
        ("skips", -1, ">= 0"),
        ("rate", 0.0, "> 0"),
        ("limit", 0, "> 0 or None"),
        ("share", 1.5, "from 0 to 1"),
        ("share", -0.5, "from 0 to 1"),
        ("sample", 0.0, "above 0, at most 1"),
        ("sample", 2, "above 0, at most 1"),
        ("dropout", 1.0, "from 0 to below 1"),
        ("within", 1.0, "above 0, below 1"),
        ("exponent", 0.5, "<= 0"),
        ("grid", (), "one or more"),
        ("rate", float("nan"), "a finite number"),
        ("limit", float("inf"), "a finite number"),
        ("skips", 4, "below net.width=4"),
    ],
)
@pytest.mark.parametrize("cls", [Net, WiderNet])
def test_a_value_out_of_bounds_is_named_with_all_that_is_allowed(
    cls: type, key: str, value: Any, allowed: str
) -> None:
    with pytest.raises(UserError) as error:
        cls(**{"width": 4, key: value})
    assert str(error.value) == f"config.net.{key}={value!r}; it must be {allowed}"


@pytest.mark.parametrize(
    ("key", "value", "where"),
    [("grid", [1, 0], "grid[1]=0"), ("decay", (0.5, -1.0), "decay[1]=-1.0")],
)
def test_an_element_out_of_bounds_is_named_with_its_place(key: str, value: Any, where: str) -> None:
    with pytest.raises(UserError, match="it must be") as error:
        Net(**{"width": 4, key: value})
    assert str(error.value).startswith(f"config.net.{where}; it must be")


def test_types_are_spelled_without_their_bounds() -> None:
    with pytest.raises(UserError, match=r"it must be a tuple\[float, \.\.\.\]$"):
        parse_section(Net, {"width": 4, "grid": 1.0}, "net")


def test_settings_are_checked_however_they_are_constructed() -> None:
    net = Net(4, grid=[1, 2])  # type: ignore[arg-type]
    assert net == Net(width=4, grid=(1.0, 2.0)) and hash(net) == hash(Net(4, grid=(1.0, 2.0)))
    assert parse_section(Net, dataclasses.asdict(net), "net") == net
    assert dataclasses.replace(net, width=5).width == 5
    with pytest.raises(UserError, match="config.net.width=0; it must be >= 1"):
        dataclasses.replace(net, width=0)
    with pytest.raises(dataclasses.FrozenInstanceError):
        net.width = 5  # type: ignore[misc]


def test_an_unknown_key_is_reported_before_the_missing_key_it_was_meant_for() -> None:
    with pytest.raises(UserError, match="unknown key config.net.widht .did you mean 'width'"):
        parse_section(Net, {"widht": 4}, "net")


@pytest.mark.parametrize("value", [2**31, -(2**31), 10**20])
def test_whole_numbers_end_where_arrays_count_no_further(value: int) -> None:
    assert message(rows=value) == f"config.part.rows={value}; it must be at most 2147483647"
    assert parse(rows=2**31 - 1).rows == 2**31 - 1
    assert "config.part.shape" in message(shape=(1, value))


def test_keys_are_names() -> None:
    with pytest.raises(UserError, match=r"config.part=1; it must be a name"):
        parse_section(Section, {1: 2}, "part")  # type: ignore[dict-item]
