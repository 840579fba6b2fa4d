"""Section `predictors` of a config: the methods that an experiment fits, by label."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from nasjax import registry
from nasjax.config import check, check_label
from nasjax.errors import UserError
from nasjax.predictors.predictor import Predictor
from nasjax.spaces.slots import SlotSpace


class Method(NamedTuple):
    """A predictor that a config asks for."""

    name: str  # a key of `registry.PREDICTORS`
    settings: dict[str, Any]  # with every default filled in, plain data
    predictor: Predictor

    def resolved(self) -> dict[str, Any]:
        """Its section of the config with every default filled in."""
        return {"name": self.name, **self.settings}


def parse_method(values: Any, space: SlotSpace | None) -> Method:
    """Checks a section with the name and the settings of a predictor, for a space or for any."""
    member = registry.parse_member("predictor", values)
    predictor = member.entry.make(member.settings, space)
    return Method(member.name, dataclasses.asdict(member.settings), predictor)


def parse_methods(section: Mapping[str, Any], space: SlotSpace | None) -> dict[str, Method]:
    """Checks section `predictors`, see `parse_method`; labels name files."""
    check(bool(section), "predictors", {}, "one predictor or more")
    methods = {}
    for label, values in section.items():
        check_label("predictors", label)
        try:
            methods[label] = parse_method(values, space)
        except UserError as error:
            raise UserError(f"config.predictors.{label}: {error}") from None
    return methods


def resolved(methods: Mapping[str, Method]) -> dict[str, dict[str, Any]]:
    """Section `predictors` with every default filled in."""
    return {label: method.resolved() for label, method in methods.items()}
