"""Settings of a profile: the flags of the command, checked."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from nasjax.config import settings

PRECISION_BITS = {"float32": 32, "bfloat16": 16}
# Networks, and layers. A compiled program maps up to 70 regions of memory, of which Linux allows a
# process 65,530. A space whose programs map more has a lower limit (`ProfiledSpace.max_networks`).
MAX_PROGRAMS = 400


@settings("profile")
class ProfileConfig:
    """The networks that are measured, and how they are."""

    device: str  # its name in the measurements
    space: str  # one of `sample.profiled_spaces`
    image_size: int  # side of the square input images, pixels
    classes: int  # outputs of a network
    networks: int  # in the sample
    layers: int  # limit on the layers timed alone
    batch: int  # images per call
    precision: str  # of weights and images, a key of PRECISION_BITS
    threads: int | None  # processors that a CPU's programs run on; None on other devices
    repeats: int  # rounds; every program is timed once in each
    seed: int  # of the sample

    def resolved(self, description: Mapping[str, Any]) -> dict[str, Any]:
        """Settings, machine and JAX; a profile is resumed only where all but `repeats` agree."""
        return {
            "profile": dataclasses.asdict(self),
            "machine": {key: description.get(key) for key in ("kind", "title", "cores")},
            "jax": jax.__version__,
        }
