"""Settings of a profile: the flags of the command, checked."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

PRECISION_BITS = {"float32": 32, "bfloat16": 16}
# Networks, and layers. A compiled program maps up to 70 regions of memory, of which Linux allows a
# process 65,530. A space whose programs map more has a lower limit (`ProfiledSpace.max_networks`).
MAX_PROGRAMS = 400


@dataclasses.dataclass(frozen=True)
class ProfileConfig:
    """Everything that decides what is measured and how.

    Attributes:
      device: name of the device in the measurements.
      space: a name of `sample.profiled_spaces`.
      image_size: side of the square input images, in pixels; classes: outputs of a network.
      networks: number of networks in the sample; layers: limit on the layers timed alone.
      batch: images per call; precision: a key of PRECISION_BITS, for weights and images.
      threads: processors that a CPU's programs run on; None on other devices.
      repeats: rounds; every program is timed once in each.
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
        """Settings, machine and JAX; a profile is resumed only where all but `repeats` agree."""
        return {
            "profile": dataclasses.asdict(self),
            "machine": {key: description.get(key) for key in ("kind", "title", "cores")},
            "jax": jax.__version__,
        }
