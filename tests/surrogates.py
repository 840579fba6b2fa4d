"""A space beyond 2^31 whose networks are sums, and predictors of it without a fit."""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from nasjax.entries import SpaceEntry
from nasjax.predictors import saved
from nasjax.predictors.saved import Saved
from nasjax.predictors.trees import Trees
from nasjax.spaces.slots import SlotSpace


@dataclasses.dataclass(frozen=True)
class Sums(SlotSpace):
    """20 slots of 3 operations: 3^20 = 3,486,784,401 architectures. Features: the digits."""

    operations: tuple[str, ...] = ("a", "b", "c")
    num_layers: int = 20
    filler: int = 0

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(f"slot{slot}" for slot in range(self.num_layers))

    def features(self, architecture: jax.Array, **task: int) -> jax.Array:
        return self.ops(architecture).astype(jnp.float32)


SUMS = SpaceEntry("sums", lambda settings, images: Sums(), evaluator="surrogate")


def weights(seed: int) -> np.ndarray:
    """[20] float32: what a step in each slot adds."""
    return np.random.default_rng(seed).uniform(0, 0.02, 20).astype(np.float32)


def step(seed: int) -> float:
    """The addition of a last slot of 1 or 2."""
    return 0.01 * (1 + seed)


def keep(directory: Path, name: str, seed: int, offset: float, slope: float = 1.0) -> None:
    """A bag of one member: weights of the digits, and a tree of one split of the last one."""
    trees = Trees(
        feature=np.array([19], np.int32),
        threshold=np.array([0.5], np.float32),
        missing_left=np.array([False]),
        split=np.zeros((1, 1, 1), np.int32),
        leaf=np.array([[[0, slope * step(seed)]]], np.float32),
        base=np.zeros(1, np.float32),
    )
    params = {
        "trees": trees._asdict(),
        "weights": slope * weights(seed)[None],
        "offset": np.array([offset], np.float32),
        "is_product": np.array([False]),
        "center": np.zeros(20, np.float32),
        "scale": np.ones(20, np.float32),
        "smallest": np.float32(0),
        "is_absolute": np.bool_(False),
        "noise": np.float32(0),
    }
    page = {"data_set": "sums"}
    names = Sums().feature_names
    saved.save(directory / name, Saved("bag_of_boosted_trees", {}, name, names, params, page))


def keep_all(directory: Path) -> None:
    """The defaults of a config, and two costs."""
    keep(directory, "top1_search", 1, 0.1)
    keep(directory, "top1_reported", 2, 0.1)
    keep(directory, "latency_ms", 3, 1.0)
    keep(directory, "size_m", 4, 2.0)


def by_hand(seed: int, offset: float, digits: np.ndarray) -> np.ndarray:
    """The predictions of `keep` for [N, 20], in float64."""
    return offset + digits @ weights(seed).astype(float) + step(seed) * (digits[:, -1] >= 1)
