"""The target of a reward under a soft constraint."""

import dataclasses
from typing import Any

from nasjax.config import check
from nasjax.types import Costs


def required_target(target: float | None) -> float:
    """The target of a reward's config.

    Raises:
      UserError: it is None.
    """
    check(target is not None, "reward.target", target, "a number, in the unit of the first cost")
    assert target is not None
    return target


def with_max_cost(config: Any, max_cost: float, costs: Costs) -> Any:
    """The reward's config; an open `target` becomes the search's `max_cost`."""
    del costs  # the target is always of the first one
    return dataclasses.replace(config, target=max_cost) if config.target is None else config
