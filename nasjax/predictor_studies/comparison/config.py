"""Section `comparison` of a config."""

import dataclasses

from nasjax import registry
from nasjax.config import check
from nasjax.data.tables import data_sets
from nasjax.spaces.nas_bench_201 import NasBench201

CELLS = "nas_bench_201"  # the space whose table is read where there is no folder
TABLED = [name for name, entry in registry.SPACES.items() if entry.tables is not None]


@dataclasses.dataclass(frozen=True)
class ComparisonConfig:
    """The measurements, and the fits to them.

    Attributes:
      data_set: of the table, "cifar10"; its images and classes are those that networks are for.
      costs: targets, one predictor each, e.g. "hw_nas_bench/edgegpu_latency_ms". With a folder its
        targets, e.g. "latency_ms".
      folder: measurements of networks of `space` on one device, from `launch/profile_device.py`,
        which are fitted instead of a table's.
      space: one of `TABLED`, the spaces with tables; None without a folder.
      train: architectures that a predictor is fitted on. At most four fifths of those that the
        device can run are fitted; all others test it.
      seeds: number of splits into fitted and tested architectures.
      curve: further numbers of architectures to fit on, for learning curves.
      curve_of: labels of the predictors that have a learning curve.
      curve_seeds: number of splits for the learning curves.
      executability: a cost that is infinite where the device cannot run a cell; trees learn what
        can run. None: left out.
      executability_train: numbers of cells that these trees are fitted on.
      in_jit: label of a predictor that is timed inside a program, on all architectures and costs.
        None: left out.
      save: label of a predictor that is saved for searches, one for each cost. None: none is.
      save_train: architectures that saved predictors are fitted on, those that the device cannot
        run among them; all, where fewer were measured.
    """

    data_set: str
    costs: tuple[str, ...]
    folder: str | None = None
    space: str | None = None
    train: int = 900
    seeds: int = 5
    curve: tuple[int, ...] = ()
    curve_of: tuple[str, ...] = ()
    curve_seeds: int = 2
    executability: str | None = None
    executability_train: tuple[int, ...] = (3_000, 12_500)
    in_jit: str | None = None
    save: str | None = None
    save_train: int = 12_500

    def __post_init__(self) -> None:
        check(bool(self.costs), "comparison.costs", self.costs, "one cost or more")
        for name in ("train", "seeds", "curve_seeds"):
            check(getattr(self, name) >= 1, f"comparison.{name}", getattr(self, name), ">= 1")
        most = NasBench201().size - 1
        counts = self.executability_train
        good = bool(counts) and all(1 <= count <= most for count in counts)
        allowed = f"one number or more, each from 1 to {most}"
        check(good, "comparison.executability_train", counts, allowed)
        good = 1 <= self.save_train <= most
        check(good, "comparison.save_train", self.save_train, f"from 1 to {most}")
        good = not self.curve or min(self.curve) >= 1
        check(good, "comparison.curve", self.curve, "numbers >= 1")
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
