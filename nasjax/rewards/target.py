"""The target of a reward under a soft constraint."""

from nasjax.config import check


def required_target(target: float | None) -> float:
    """The target of a reward's config.

    Raises:
      UserError: it is None.
    """
    check(target is not None, "reward.target", target, "a number, in the unit of the first cost")
    assert target is not None
    return target
