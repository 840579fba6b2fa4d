"""The networks of NAS-Bench-Macro (Su et al., 2021): eight blocks, one after another.

A block is left out (identity) or an inverted residual of MobileNetV2: kernel 3 and expansion 3, or
kernel 5 and expansion 6. A block not chosen yet is left out.
"""

import dataclasses

from nasjax.spaces.slots import SlotSpace

OPERATIONS = ("identity", "mb3_k3", "mb6_k5")


@dataclasses.dataclass(frozen=True)
class NasBenchMacro(SlotSpace):
    """6,561 networks."""

    operations: tuple[str, ...] = OPERATIONS
    num_layers: int = 8
    filler: int = OPERATIONS.index("identity")
