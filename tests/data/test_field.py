"""Data sets as users bring them: each is read, or refused by naming what was found.

The kinds are of public reports on such software; the images are synthetic and small.
"""

import gzip
import pathlib
import struct
from typing import Any

import numpy as np
import pytest

from nasjax.data.datasets import DataConfig, load_search, load_test
from nasjax.errors import UserError

TYPES = {8: "u1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4"}  # of an idx file, by its code


def images(labels: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A bright bar whose place tells the class, on noise."""
    rng = np.random.default_rng(len(labels))
    found = rng.integers(0, 80, (len(labels), *shape))
    for i, label in enumerate(labels.tolist()):
        found[i, label * 3 % shape[0], : 1 + label * 5 % shape[1]] += 160
    return found.astype(np.uint8)


def idx(path: pathlib.Path, array: np.ndarray, code: int, packed: bool) -> None:
    head = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    content = head + array.astype(TYPES[code]).tobytes()
    path.write_bytes(gzip.compress(content) if packed else content)


def write(
    folder: pathlib.Path,
    train: np.ndarray,
    shape: tuple[int, ...] = (12, 12),
    image_code: int = 8,
    label_code: int = 8,
    end: str = "",
    packed: bool = False,
) -> DataConfig:
    """A set with these training labels and a fifth of them to test; takes 40 + 20 of it."""
    folder.mkdir()
    for part, labels in (("train", train), ("t10k", train[::5])):
        dims = len(shape) + 1
        idx(
            folder / f"{part}-images-idx{dims}-ubyte{end}",
            images(labels, shape),
            image_code,
            packed,
        )
        idx(folder / f"{part}-labels-idx1-ubyte{end}", labels, label_code, packed)
    return DataConfig(name=f"idx:{folder}", train_size=40, validation_size=20)


def of(classes: int, count: int = 120) -> np.ndarray:
    return np.random.default_rng(5).permutation(np.arange(count) % classes)


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"packed": True},  # whatever the name says
        {"packed": True, "end": ".gz"},
        {"packed": False, "end": ".gz"},
        {"shape": (4, 90)},
        {"shape": (64, 64)},
    ],
    ids=["plain", "gzip without a name", "gzip", "named gzip", "long strip", "large"],
)
def test_these_are_read(tmp_path: pathlib.Path, how: dict[str, Any]) -> None:
    config = write(tmp_path / "set", of(4), **how)
    data = load_search(config, tmp_path)
    shape = how.get("shape", (12, 12))
    assert data.train.images.shape == (40, *shape, 1) and data.num_classes == 4
    assert data.available == 120
    np.testing.assert_allclose(
        [data.train.images.mean(), data.train.images.std()], [0, 1], atol=1e-3
    )
    assert load_test(config, tmp_path).images.shape == (24, *shape, 1)


@pytest.mark.parametrize(
    ("labels", "how", "named"),
    [
        (of(4), {"shape": (12, 12, 3)}, "has no train-images-idx3-ubyte"),
        (of(4), {"image_code": 0x0B}, "16-bit integers"),
        (of(4), {"image_code": 0x0D}, "32-bit floats"),
        (of(300, 1200), {"label_code": 0x0C}, "32-bit integers"),
        (of(2) * 255, {}, "the largest is 255, but no image has label 1"),
        (of(1), {}, "all 40 images to train on are of class 0"),
        (of(3, 59), {}, "need 60 images; .* has 59"),
    ],
    ids=["colour", "16 bits", "floats", "300 classes", "labels 0 and 255", "one class", "too few"],
)
def test_these_are_refused_by_naming_what_was_found(
    tmp_path: pathlib.Path, labels: np.ndarray, how: dict[str, Any], named: str
) -> None:
    config = write(tmp_path / "set", labels, **how)
    with pytest.raises(UserError, match=named) as caught:
        load_search(config, tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (np.r_[np.zeros(108, int), of(3, 12) + 1], "% of the images are of class 0"),
        (np.r_[of(3, 117), [3, 3, 3]], "1 of 4 classes have no image in the validation split: 3"),
    ],
    ids=["nine in ten of one class", "three of a class"],
)
def test_classes_that_an_accuracy_hides_are_told(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, labels: np.ndarray, told: str
) -> None:
    load_search(write(tmp_path / "set", labels), tmp_path)
    assert told in " ".join(caplog.messages)


def test_a_folder_of_pictures_is_refused_in_a_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "set" / "train" / "cat").mkdir(parents=True)
    (tmp_path / "set" / "train" / "cat" / "0001.png").write_bytes(b"\x89PNG")
    config = DataConfig(name=f"idx:{tmp_path / 'set'}", train_size=40, validation_size=20)
    with pytest.raises(UserError, match="train-images-idx3-ubyte"):
        load_search(config, tmp_path)
