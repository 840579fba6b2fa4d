"""Section `comparison` of a config."""

from typing import Annotated

from pydantic import Field

from nasjax import registry
from nasjax.config import PositiveInt, check, settings
from nasjax.data.tables import data_sets
from nasjax.spaces.nas_bench_201 import NasBench201

CELLS = "nas_bench_201"  # the space whose table is read where there is no folder
TABLED = [name for name, entry in registry.SPACES.items() if entry.tables is not None]
_MOST = NasBench201().size - 1  # cells to fit, so that one is left to test


@settings("comparison")
class ComparisonConfig:
    """Section `comparison` of a config: the measurements, and the fits to them."""

    data_set: str  # the table's, "cifar10"; networks are for its images and classes
    # Targets, one predictor each, e.g. "hw_nas_bench/edgegpu_latency_ms"; a folder's: "latency_ms".
    costs: tuple[str, ...]
    # Measurements of networks of `space` on one device, from `nasjax profile`, which are fitted
    # instead of a table's.
    folder: str | None = None
    space: str | None = None  # one of `TABLED`, the spaces with tables; None without a folder
    # Architectures that a predictor is fitted on, at most four fifths of those that the device can
    # run; all others test it.
    train: PositiveInt = 900
    seeds: PositiveInt = 5  # splits into fitted and tested architectures
    curve: tuple[int, ...] = ()  # numbers of architectures to fit on as well, for learning curves
    curve_of: tuple[str, ...] = ()  # labels of the predictors that have a learning curve
    curve_seeds: PositiveInt = 2  # splits for the learning curves
    # A cost that is infinite where the device cannot run a cell, and the numbers of cells that
    # trees are fitted on to learn what can run. None: left out.
    executability: str | None = None
    executability_train: tuple[int, ...] = (3_000, 12_500)
    in_jit: str | None = None  # label of a predictor that is timed inside a program, if any
    save: str | None = None  # label of a predictor that is saved for searches for each cost, if any
    # Architectures that saved predictors are fitted on, also those that the device cannot run; all,
    # where fewer were measured.
    save_train: Annotated[int, Field(ge=1, le=_MOST)] = 12_500

    def __post_init__(self) -> None:
        check(bool(self.costs), "comparison.costs", self.costs, "one cost or more")
        counts = self.executability_train
        good = bool(counts) and all(1 <= count <= _MOST for count in counts)
        allowed = f"one number or more, each from 1 to {_MOST}"
        check(good, "comparison.executability_train", counts, allowed)
        check(min(self.curve, default=1) >= 1, "comparison.curve", self.curve, "numbers >= 1")
        if self.folder is None:
            check(self.space is None, "comparison.space", self.space, "None: there is no folder")
            return
        allowed = f"one of {', '.join(TABLED)}, whose networks the folder has"
        check(self.space in TABLED, "comparison.space", self.space, allowed)
        sets = data_sets(self.space or "")
        check(self.data_set in sets, "comparison.data_set", self.data_set, f"of {', '.join(sets)}")
        for name in ("executability", "in_jit"):
            asked = getattr(self, name)
            check(asked is None, f"comparison.{name}", asked, "None: there is a folder")
