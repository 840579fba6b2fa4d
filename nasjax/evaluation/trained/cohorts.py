"""Groups the candidates of an exchange into cohorts that train together, before any compilation.

Candidates of one plan (see network.py) form a cohort. A cohort is one program that trains several
lanes at a time on a device. Programs, padding, memory and time are known in advance.
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from nasjax.config import PositiveFloat, PositiveInt, check, settings
from nasjax.evaluation.trained import network
from nasjax.evaluation.trained.memory import lane_bytes
from nasjax.evaluation.trained.training import Recipe
from nasjax.spaces.layer_chain import LayerChain

# Multiplications that take as long as Adam takes to move one parameter through memory.
ADAM = 200
# Params of all lanes of a program; above it, two programs at a time only wait for memory.
SOLITARY = 4_500_000
# Seconds to compile a program on the CPU of docs/decisions/engine.md, and the share of its fastest
# matrix product that training reaches. They are for estimates that people read.
COMPILE_SECONDS, EFFICIENCY = 0.5, 0.3


@settings("evaluator")
class TrainedConfig(Recipe):
    """Section `evaluator` of a config: the recipe, and how candidates share programs."""

    # Candidates that a program trains at a time on one device. An unused lane costs as much as a
    # used one.
    lanes: PositiveInt = 4
    # Widths that filters and neurons are padded up to, so that more candidates share a program.
    # Empty: exact widths. They change results in the last bits.
    conv_widths: tuple[int, ...] = ()
    fc_widths: tuple[int, ...] = ()
    # A program gets fewer lanes to stay under it. A candidate that exceeds it with a single lane is
    # an outcome of its own (over_memory).
    memory_budget_gib: PositiveFloat = 8.0
    # Programs compiled and run at a time, at least one per device. Candidates with millions of
    # parameters (`SOLITARY`) run one per device; on several processes one runs in all.
    workers: PositiveInt = 2
    # "thorough" takes XLA's defaults. "quick" halves the time to compile on a CPU: for short
    # recipes, where compiling costs more than training.
    compilation: Literal["thorough", "quick"] = "thorough"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("conv_widths", "fc_widths"):
            widths = getattr(self, name)
            rising = all(a < b for a, b in zip((0, *widths), widths, strict=False))
            check(rising, f"evaluator.{name}", widths, "rising numbers above 0")

    def recipe(self) -> Recipe:
        """The part of the settings that a candidate's program depends on."""
        return Recipe(
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(Recipe)}
        )


class Cohort(NamedTuple):
    """Candidates that one program trains."""

    plan: network.Plan
    members: list[np.ndarray]  # architectures [L, 4]
    lanes: int  # on one device, whatever else is queued; 0: none fits into the memory budget
    lane_bytes: int  # estimated memory of one lane
    flops: int  # of all members' forward passes of one image, without padding
    padded_flops: int  # with padding
    params: int  # of all members, with padding

    @property
    def runs(self) -> int:
        """The number of times that the program runs on one device."""
        return -(-len(self.members) // self.lanes) if self.lanes else 0

    @property
    def idle(self) -> float:
        """The share of lanes that only repeat the work of another lane."""
        return 1 - len(self.members) / (self.runs * self.lanes) if self.lanes else 0.0

    @property
    def is_solitary(self) -> bool:
        """Whether the device should train nothing else at the same time."""
        return self.lanes * self.params / len(self.members) >= SOLITARY

    def multiplications(self, batch_size: int) -> float:
        """Multiplications of a training step of all lanes; Adam's memory traffic counts as some."""
        busy = 3 * batch_size * self.padded_flops / 2 + ADAM * self.params
        return busy / (1 - self.idle)

    def seconds(self, recipe: Recipe, images: int, gemm_gflops: float) -> float:
        """Estimated training time without compilation; gemm_gflops: the fastest matrix product."""
        steps = recipe.epochs * (images // recipe.batch_size)
        rate = EFFICIENCY * gemm_gflops * 1e9
        return steps * 2 * self.multiplications(recipe.batch_size) / rate


def form(
    architectures: Sequence[np.ndarray], space: LayerChain, config: TrainedConfig
) -> list[Cohort]:
    """The cohorts of distinct valid architectures, the one with the most work first."""
    members: dict[network.Plan, list[np.ndarray]] = {}
    for architecture in architectures:
        members.setdefault(make_plan(architecture, space, config)[0], []).append(architecture)
    cohorts = [_cohort(plan, found, space, config) for plan, found in members.items()]
    return sorted(cohorts, key=lambda c: c.multiplications(config.batch_size), reverse=True)


def make_plan(
    architecture: np.ndarray, space: LayerChain, config: TrainedConfig
) -> tuple[network.Plan, network.Traits]:
    """`network.make_plan` with the input channels of the space and the widths of the config."""
    channels = space.input_shape[2]
    return network.make_plan(architecture, channels, config.conv_widths, config.fc_widths)


def num_lanes(plan: network.Plan, space: LayerChain, config: TrainedConfig) -> int:
    """The number of lanes that fit on a device, at most `config.lanes`."""
    needed = _lane_bytes(plan, space, config)
    return min(config.lanes, int(config.memory_budget_gib * 2**30 // needed))


def _lane_bytes(plan: network.Plan, space: LayerChain, recipe: Recipe) -> int:
    shape, classes, by_epochs = space.input_shape, space.num_classes, bool(recipe.stop_below)
    return lane_bytes(plan, shape, classes, recipe.batch_size, by_epochs=by_epochs)


def _cohort(
    plan: network.Plan, members: list[np.ndarray], space: LayerChain, config: TrainedConfig
) -> Cohort:
    shape, classes = space.input_shape, space.num_classes
    products = network.num_products(plan, shape, classes)
    return Cohort(
        plan,
        members,
        lanes=num_lanes(plan, space, config),
        lane_bytes=_lane_bytes(plan, space, config),
        flops=sum(row.flops for member in members for row in space.layer_table(member)),
        padded_flops=2 * products * len(members),
        params=network.num_params(plan, shape, classes) * len(members),
    )
