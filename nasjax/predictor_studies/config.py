"""The config of a study of predictors."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from nasjax import registry
from nasjax.config import check, check_label, check_sections, parse_section
from nasjax.data.tables import data_sets
from nasjax.devices import measurements
from nasjax.errors import UserError
from nasjax.predictors.predictor import Predictor
from nasjax.spaces.nas_bench_201 import NasBench201
from nasjax.spaces.slots import SlotSpace

SECTIONS = ("comparison", "predictors")


@dataclasses.dataclass(frozen=True)
class ComparisonConfig:
    """Section `comparison` of a config.

    Attributes:
      data_set: whose networks were measured, of NAS-Bench-201 or, where there is a folder, `space`.
      costs: targets, e.g. "hw_nas_bench/edgegpu_latency_ms"; one predictor each.
      folder: of measurements of a space's networks on one device, to be fitted on instead of a
        table (see `launch/profile_device.py`); costs are its targets, e.g. "latency_ms".
      space: of its networks, a space with tables; None without a folder.
      train: architectures that a predictor is fitted on, of those that the device can run, and at
        most four fifths of them; all others test it.
      seeds: splits, and fits on them.
      curve: more numbers of architectures to fit on; curve_of: labels of the predictors that are;
        curve_seeds: splits of these.
      executability: a cost that is infinite where the device cannot run a cell; None: left out.
      executability_train: numbers of cells that what can run is learned from.
      in_jit: label of a predictor to time on all architectures and targets; None: left out.
      save: label of a predictor to keep for searches, one for each cost; None: none.
      save_train: architectures that these are fitted on, those included that the device cannot run;
        all, where fewer were measured.
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
        seen = self.executability_train
        good = bool(seen) and all(1 <= count < NasBench201().size for count in seen)
        allowed = f"one number or more, each from 1 to {NasBench201().size - 1}"
        check(good, "comparison.executability_train", seen, allowed)
        most = NasBench201().size - 1
        kept = self.save_train
        check(1 <= kept <= most, "comparison.save_train", kept, f"from 1 to {most}")
        good = not self.curve or min(self.curve) >= 1
        check(good, "comparison.curve", self.curve, "numbers >= 1")
        if self.folder is None:
            check(self.space is None, "comparison.space", self.space, "None: there is no folder")
            return
        tabled = [name for name, entry in registry.SPACES.items() if entry.tables]
        known = f"one of {', '.join(tabled)}, whose networks the folder has"
        check(self.space in tabled, "comparison.space", self.space, known)
        sets = data_sets(self.space or "")
        check(self.data_set in sets, "comparison.data_set", self.data_set, f"of {', '.join(sets)}")
        for name in ("executability", "in_jit"):
            asked = getattr(self, name)
            check(asked is None, f"comparison.{name}", asked, "None: there is a folder")


class PredictorStudy(NamedTuple):
    """A checked config.

    Attributes:
      comparison: its section; space: whose architectures are measured.
      predictors: by label; settings: of each, its name and every default filled in.
      resolved: the whole config, plain data.
    """

    comparison: ComparisonConfig
    space: SlotSpace
    predictors: dict[str, Predictor]
    settings: dict[str, dict[str, Any]]
    resolved: dict[str, Any]


def parse(config: Mapping[str, Any]) -> PredictorStudy:
    """Checks a study's config.

    Raises:
      UserError: a section, key, name or value is unknown, missing or not allowed.
    """
    check_sections(config, SECTIONS, "a study of predictors")
    comparison = parse_section(ComparisonConfig, config["comparison"], "comparison")
    labels = config["predictors"]
    known = f"among {', '.join(labels)}"
    for key in ("in_jit", "save"):
        label = getattr(comparison, key)
        check(label is None or label in labels, f"comparison.{key}", label, f"None or {known}")
    strange = [label for label in comparison.curve_of if label not in labels]
    check(not strange, "comparison.curve_of", strange, known)
    space = registry.slot_space(comparison.space or "nas_bench_201")
    predictors, settings = parse_predictors(labels, space)
    plain = dataclasses.asdict(comparison)
    if comparison.folder is not None:  # measured anew, it is another study
        plain["sha256"] = measurements.digest(pathlib.Path(comparison.folder))
    resolved = {"comparison": plain, "predictors": settings}
    return PredictorStudy(comparison, space, predictors, settings, resolved)


def parse_predictors(
    section: Mapping[str, Any], space: Any
) -> tuple[dict[str, Predictor], dict[str, dict[str, Any]]]:
    """Section `predictors`: by label, what each is, and its settings with every default filled in.

    Raises:
      UserError: there is none; a label, name, key or value is unknown or not allowed.
    """
    check(bool(section), "predictors", {}, "one predictor or more")
    predictors, settings = {}, {}
    for label, values in section.items():
        check_label("predictors", label)
        try:
            member = registry.parse_member("predictor", values)
            predictors[label] = member.entry.make(member.settings, space)
        except UserError as error:
            raise UserError(f"config.predictors.{label}: {error}") from None
        settings[label] = {"name": member.name, **dataclasses.asdict(member.settings)}
    return predictors, settings
