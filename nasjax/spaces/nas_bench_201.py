"""The cells of NAS-Bench-201 (Dong and Yang, 2020): six edges between four nodes.

The slots are the edges in the benchmark's order: 0>1, 0>2, 1>2, 0>3, 1>3, 2>3. An edge not chosen
yet is a skip connection.
"""

import dataclasses
from typing import Any

import numpy as np

from nasjax.spaces.slots import SlotSpace

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


@dataclasses.dataclass(frozen=True)
class NasBench201(SlotSpace):
    """15,625 cells."""

    operations: tuple[str, ...] = OPERATIONS
    num_layers: int = 6
    filler: int = OPERATIONS.index("skip_connect")

    def to_text(self, architecture: Any) -> str:
        """The benchmark's own notation, e.g. "|none~0|+|none~0|none~1|+|...|"."""
        codes = np.asarray(architecture)[:, 0]
        names = [self.operations[code - 1 if code else self.filler] for code in codes]
        nodes = [names[:1], names[1:3], names[3:]]
        edges = [[f"{name}~{source}" for source, name in enumerate(node)] for node in nodes]
        return "+".join(f"|{'|'.join(node)}|" for node in edges)
