"""What a profile measures: the flags of `launch/profile_device.py`, checked."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

PRECISION_BITS = {"float32": 32, "bfloat16": 16}
# Networks, and layers: every program maps up to 70 regions of memory, of which Linux allows 65,530,
# unless its space says less.
MOST_PROGRAMS = 400


@dataclasses.dataclass(frozen=True)
class ProfileConfig:
    """What decides the measurements.

    Attributes:
      device: its name among the descriptions.
      space: a key of `sample.SPACES`; image_size, classes: of the task.
      networks: of the sample; layers: at most so many single ones.
      batch: images at a time; precision: of weights and images.
      threads: of a CPU, None on other devices.
      repeats: rounds in which everything is visited once.
      seed: of the sample.
    """

    device: str
    space: str
    image_size: int
    classes: int
    networks: int
    layers: int
    batch: int
    precision: str
    threads: int | None
    repeats: int
    seed: int

    def resolved(self, description: Mapping[str, Any]) -> dict[str, Any]:
        """All that the measurements depend on: what goes on in a directory must not differ."""
        return {
            "profile": dataclasses.asdict(self),
            "machine": {key: description.get(key) for key in ("kind", "title", "cores")},
            "jax": jax.__version__,
        }
