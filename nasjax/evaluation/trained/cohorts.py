"""Which candidates train together: the plan of an exchange, before anything is compiled.

Candidates of one plan (see network.py) form a cohort: one program, so many lanes at a time on a
device. All of it can be read in advance: programs, padding, memory, time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nasjax.evaluation.trained import network
from nasjax.evaluation.trained.memory import lane_bytes
from nasjax.evaluation.trained.training import Recipe
from nasjax.spaces.layer_chain import LayerChain

# A parameter's way through Adam moves as much memory as so many multiplications take time.
ADAM = 200
# Params of a program's lanes from which on two programs at a time only wait for memory.
SOLITARY = 4_500_000
# What a CPU of the WORKSPACE's measurements needs to compile a program, and the share of its
# fastest matrix product that steps reach: for estimates that people read, nothing else.
COMPILE_SECONDS, EFFICIENCY = 0.5, 0.3


class Sharing(NamedTuple):
    """How candidates may share programs; the fields of the same names of `TrainedConfig`."""

    lanes: int
    conv_widths: tuple[int, ...]
    fc_widths: tuple[int, ...]
    memory_budget_gib: float


class Cohort(NamedTuple):
    """Candidates that one program trains.

    Attributes:
      members: architectures [L, 4].
      lanes: of one device; a property of the plan alone, so that no queue can change a bit. 0: not
        even one fits into the memory budget.
      lane_bytes: of one lane, estimated.
      flops, padded_flops: of the members' forward passes of one image, without and with padding.
      params: of the members, padded.
    """

    plan: network.Plan
    members: list[np.ndarray]
    lanes: int
    lane_bytes: int
    flops: int
    padded_flops: int
    params: int

    @property
    def runs(self) -> int:
        """How often the program runs on one device."""
        return -(-len(self.members) // self.lanes) if self.lanes else 0

    @property
    def idle(self) -> float:
        """The share of lanes that repeat another one's work."""
        return 1 - len(self.members) / (self.runs * self.lanes) if self.lanes else 0.0

    @property
    def is_solitary(self) -> bool:
        """Whether its device had better train nothing else at the same time."""
        return self.lanes * self.params / len(self.members) >= SOLITARY

    def multiplications(self, batch_size: int) -> float:
        """Of a training step of all members, idle lanes included, Adam's memory as such."""
        busy = 3 * batch_size * self.padded_flops / 2 + ADAM * self.params
        return busy / (1 - self.idle)

    def seconds(self, recipe: Recipe, images: int, gemm_gflops: float) -> float:
        """Estimated, compiling left out; `gemm_gflops` of the fastest matrix product."""
        steps = recipe.epochs * (images // recipe.batch_size)
        rate = EFFICIENCY * gemm_gflops * 1e9
        return steps * 2 * self.multiplications(recipe.batch_size) / rate


def form(
    architectures: Sequence[np.ndarray], space: LayerChain, sharing: Sharing, recipe: Recipe
) -> list[Cohort]:
    """The cohorts of different valid architectures, the one with most work first."""
    members: dict[network.Plan, list[np.ndarray]] = {}
    for architecture in architectures:
        members.setdefault(plan_of(architecture, space, sharing)[0], []).append(architecture)
    cohorts = [_cohort(*item, space, sharing, recipe) for item in members.items()]
    return sorted(cohorts, key=lambda c: c.multiplications(recipe.batch_size), reverse=True)


def plan_of(
    architecture: np.ndarray, space: LayerChain, sharing: Sharing
) -> tuple[network.Plan, network.Traits]:
    """`network.plan_of` for that space."""
    channels = space.input_shape[2]
    return network.plan_of(architecture, channels, sharing.conv_widths, sharing.fc_widths)


def lanes_of(plan: network.Plan, space: LayerChain, sharing: Sharing, recipe: Recipe) -> int:
    """How many lanes fit on a device, `sharing.lanes` at most."""
    needed = _lane_bytes(plan, space, recipe)
    return min(sharing.lanes, int(sharing.memory_budget_gib * 2**30 // needed))


def _lane_bytes(plan: network.Plan, space: LayerChain, recipe: Recipe) -> int:
    shape, classes, by_epochs = space.input_shape, space.num_classes, bool(recipe.stop_below)
    return lane_bytes(plan, shape, classes, recipe.batch_size, by_epochs=by_epochs)


def _cohort(
    plan: network.Plan,
    members: list[np.ndarray],
    space: LayerChain,
    sharing: Sharing,
    recipe: Recipe,
) -> Cohort:
    shape, classes = space.input_shape, space.num_classes
    shapes = network.weight_shapes(plan, shape, classes)
    padded = sum(
        2 * rows * columns * pixels
        for (rows, columns), pixels in zip(
            filter(None, shapes), network.product_pixels(plan, shape), strict=True
        )
    )
    flops = sum(row.flops for member in members for row in space.layer_table(member))
    return Cohort(
        plan,
        members,
        lanes_of(plan, space, sharing, recipe),
        _lane_bytes(plan, space, recipe),
        flops,
        padded * len(members),
        network.num_params(plan, shape, classes) * len(members),
    )
