"""The target that a reward needs of a cost."""

from nasjax.config import check


def the_target(target: float | None) -> float:
    """The target.

    Raises:
      UserError: there is none.
    """
    check(target is not None, "reward.target", target, "a number, in the unit of the first cost")
    assert target is not None
    return target
