"""Searches get disjoint, stratified, normalised images; wrong settings get one clear line."""

import dataclasses
import hashlib
import pathlib
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from nasjax.data import datasets
from nasjax.data.datasets import SOURCES, DataConfig, SearchData, load_search, load_test
from nasjax.data.digits import open_digits
from nasjax.data.splits import stratified_split
from nasjax.errors import UserError

DIGITS = DataConfig(
    name="digits", train_size=928, validation_size=512, mean=0.3053, std=0.3760, split_seed=0
)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> SearchData:
    return load_search(DIGITS, tmp_path_factory.mktemp("cache"))


def raw_pixels(images: np.ndarray, config: DataConfig = DIGITS) -> np.ndarray:
    """Undo the normalisation of digits: back to 0 .. 16."""
    return np.rint((images * config.std + config.mean) * 16).astype(np.uint8)


def write_idx_set(folder: pathlib.Path, num_training: int = 60) -> None:
    """Images whose pixels name them: image i of the training files is filled with i."""
    folder.mkdir()
    for prefix, count, first in (("train", num_training, 0), ("t10k", 20, 200)):
        pixels = np.repeat(np.arange(first, first + count, dtype=np.uint8), 4)
        labels = np.arange(count, dtype=np.uint8) % 3
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(
            struct.pack(">4I", 0x803, count, 2, 2) + pixels.tobytes()
        )
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(
            struct.pack(">2I", 0x801, count) + labels.tobytes()
        )


def idx_config(folder: pathlib.Path, **changes: Any) -> DataConfig:
    config = DataConfig(name=f"idx:{folder}", train_size=30, validation_size=15, mean=0.0, std=0.1)
    return dataclasses.replace(config, **changes)


def index_of(images: np.ndarray) -> np.ndarray:
    """The numbers that `write_idx_set` filled images with, as `idx_config` scales them."""
    return np.rint(images[:, 0, 0, 0] * 0.1 * 255).astype(int)


def test_digits_have_the_promised_shapes_types_and_classes(digits: SearchData) -> None:
    for split, size in ((digits.train, 928), (digits.validation, 512)):
        assert split.images.shape == (size, 8, 8, 1)
        assert split.labels.shape == (size,)
        assert [array.dtype.name for array in split] == ["float32", "int32"]
    assert digits.num_classes == 10


def test_digits_fingerprint_is_the_golden_one(digits: SearchData) -> None:
    # Origin: the first run of this code (scikit-learn 1.9.0, NumPy 2.4.6); a change here means
    # that searches from before and after saw different images or another scaling.
    assert digits.fingerprint == (
        "54cfb8d89149f19201f71c6f8e1755ac12e63ccc08935b624e307eea53ea54e5"
    )


def test_every_digit_is_in_exactly_one_of_the_three_splits(
    digits: SearchData, tmp_path: pathlib.Path
) -> None:
    # All 1,797 digits of scikit-learn are different images, so pixels identify them.
    from sklearn.datasets import load_digits

    bunch = load_digits()
    everything = {
        bytes(image.astype(np.uint8)): int(t)
        for image, t in zip(bunch.images, bunch.target, strict=True)
    }
    assert len(everything) == 1797
    seen: dict[bytes, int] = {}
    for split in (digits.train, digits.validation, load_test(DIGITS, tmp_path)):
        for image, label in zip(raw_pixels(split.images), split.labels, strict=True):
            assert bytes(image) not in seen
            seen[bytes(image)] = int(label)
    assert seen == everything


def test_digit_classes_differ_by_a_few_images_only(digits: SearchData) -> None:
    # scikit-learn has 174 to 183 images per class: 928 of 1797 are 89.9 to 94.5 of each.
    assert set(np.bincount(digits.train.labels)) <= set(range(89, 96))
    assert set(np.bincount(digits.validation.labels)) <= set(range(48, 54))


def test_digits_test_split_ignores_seed_and_sizes(tmp_path: pathlib.Path) -> None:
    other = dataclasses.replace(DIGITS, split_seed=9, train_size=50, validation_size=20)
    first, second = load_test(DIGITS, tmp_path), load_test(other, tmp_path)
    assert first.images.shape == (357, 8, 8, 1)
    assert_array_equal(first.images, second.images)
    assert_array_equal(first.labels, second.labels)


def test_inputs_are_pixel_over_largest_minus_mean_over_std(
    digits: SearchData, tmp_path: pathlib.Path
) -> None:
    # Largest pixel of digits is 16, of idx files 255: (16/16 - .3053) / .3760 = 1.847606
    assert_allclose(digits.train.images.max(), 1.847606, atol=1e-6)
    assert_allclose(digits.train.images.min(), -0.3053 / 0.3760, atol=1e-6)
    write_idx_set(tmp_path / "set")
    config = idx_config(tmp_path / "set", mean=0.1307, std=0.3081)
    split = load_test(config, tmp_path)
    assert_allclose(split.images[0], np.full((2, 2, 1), (200 / 255 - 0.1307) / 0.3081), rtol=1e-6)


def test_recommended_digits_scaling_is_that_of_search_train(digits: SearchData) -> None:
    pixels = raw_pixels(digits.train.images) / 16
    assert_allclose([pixels.mean(), pixels.std()], [0.3049, 0.3758], atol=5e-5)


def test_search_splits_are_the_documented_indices_of_the_training_files(
    tmp_path: pathlib.Path,
) -> None:
    write_idx_set(tmp_path / "set")
    data = load_search(idx_config(tmp_path / "set"), tmp_path)
    train, validation = (index_of(split.images) for split in (data.train, data.validation))
    want_validation, want_train = stratified_split(np.arange(60) % 3, (15, 30), 0)
    assert_array_equal(validation, want_validation)
    assert_array_equal(train, want_train)
    assert set(train.tolist()).isdisjoint(validation.tolist())
    assert max(train.max(), validation.max()) < 60  # test images are 200 and up
    assert_array_equal(data.train.labels, train % 3)
    assert_array_equal(np.bincount(data.validation.labels), [5, 5, 5])


def test_validation_images_do_not_depend_on_train_size(tmp_path: pathlib.Path) -> None:
    write_idx_set(tmp_path / "set")
    small, large = (
        load_search(idx_config(tmp_path / "set", train_size=size), tmp_path) for size in (3, 45)
    )
    assert_array_equal(small.validation.images, large.validation.images)


def test_fingerprint_changes_with_whatever_a_network_would_notice(tmp_path: pathlib.Path) -> None:
    write_idx_set(tmp_path / "set")
    config = idx_config(tmp_path / "set")
    variants = [config] + [
        dataclasses.replace(config, **change)
        for change in (
            {"split_seed": 1},
            {"train_size": 29},
            {"validation_size": 14},
            {"mean": 0.1},
            {"std": 0.5},
        )
    ]
    prints = {load_search(variant, tmp_path).fingerprint for variant in variants}
    assert len(prints) == len(variants)
    assert all(len(bytes.fromhex(text)) == hashlib.sha256().digest_size for text in prints)


def test_fingerprint_does_not_depend_on_where_the_files_lie(tmp_path: pathlib.Path) -> None:
    write_idx_set(tmp_path / "a")
    write_idx_set(tmp_path / "b")
    first, second = (load_search(idx_config(tmp_path / name), tmp_path / "c") for name in "ab")
    assert first.fingerprint == second.fingerprint


def error_of(**changes: Any) -> str:
    """The one line that a config with these values ends in."""
    values: dict[str, Any] = dataclasses.asdict(DIGITS) | changes
    with pytest.raises(UserError) as caught:
        load_search(DataConfig(**values), pathlib.Path("unused"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["minst", "", "digits:8", "digits:", "idx", "tfds", "Digits", "/x"]
)
def test_unknown_names_list_the_known_ones(name: str) -> None:
    assert error_of(name=name).startswith(
        f"config.data.name={name!r}; known: digits, idx:DIR, tfds:NAME"
    )


def test_a_near_miss_is_suggested() -> None:
    assert error_of(name="digit").endswith("; did you mean digits?")
    assert error_of(name="tdfs:mnist").endswith("; did you mean tfds:NAME?")


@pytest.mark.parametrize("key", ["train_size", "validation_size"])
@pytest.mark.parametrize("value", [0, -3])
def test_sizes_must_be_one_or_more(key: str, value: object) -> None:
    assert error_of(**{key: value}) == f"config.data.{key}={value!r}; it must be >= 1"


@pytest.mark.parametrize("key", ["train_size", "validation_size"])
@pytest.mark.parametrize("value", [2.5, "many", True, None])
def test_sizes_must_be_whole_numbers(key: str, value: object) -> None:
    kind = type(value).__name__
    assert error_of(**{key: value}) == f"config.data.{key}={value!r} is a {kind}; it must be a int"


def test_split_seed_must_not_be_negative() -> None:
    assert error_of(split_seed=-1) == "config.data.split_seed=-1; it must be >= 0"


def test_sizes_too_large_name_both_and_what_there_is() -> None:
    assert error_of(train_size=929) == (
        "config.data.train_size=929 and config.data.validation_size=512 need 1441 images; "
        "'digits' has 1440 for training and validation"
    )


@pytest.mark.parametrize("std", [0, 0.0, -1.0])
def test_std_must_be_above_zero(std: float) -> None:
    assert error_of(std=std) == f"config.data.std={std!r}; it must be > 0 or None"


@pytest.mark.parametrize("key", ["mean", "std"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_scaling_must_be_finite_numbers(key: str, value: object) -> None:
    assert error_of(**{key: value}) == f"config.data.{key}={value!r}; it must be a finite number"


@pytest.mark.parametrize("key", ["mean", "std"])
@pytest.mark.parametrize("value", ["0.13", True])
def test_scaling_must_be_numbers(key: str, value: object) -> None:
    text = error_of(**{key: value})
    assert text.startswith(f"config.data.{key}={value!r} is a ") and "a float" in text


def write_colours(folder: pathlib.Path, labels: list[int], dark: int = 1) -> DataConfig:
    """A set of one-pixel images, gray or of `dark` a part, and a config that takes 20 of it."""
    folder.mkdir()
    for prefix in ("train", "t10k"):
        pixels = (np.arange(len(labels)) * 5 % 250 // dark).astype(np.uint8)
        head = struct.pack(">4I", 0x803, len(labels), 1, 1)
        (folder / f"{prefix}-images-idx3-ubyte").write_bytes(head + pixels.tobytes())
        head = struct.pack(">2I", 0x801, len(labels))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(head + bytes(labels))
    return DataConfig(name=f"idx:{folder}", train_size=20, validation_size=10)


def test_scaling_is_that_of_the_training_images_where_none_is_given(tmp_path: pathlib.Path) -> None:
    data = load_search(write_colours(tmp_path / "set", [0, 1] * 20), tmp_path)
    assert_allclose([data.train.images.mean(), data.train.images.std()], [0, 1], atol=1e-6)
    test = load_test(write_colours(tmp_path / "again", [0, 1] * 20), tmp_path)
    assert data.scaling is not None
    mean, std = data.scaling.mean[0], data.scaling.std[0]
    # The test images' first pixel is 0, as above.
    assert_allclose(test.images.min(), (0 - mean) / std, rtol=1e-6)


def test_every_channel_has_its_own_scaling() -> None:
    images = np.zeros((4, 1, 1, 3), np.uint8)
    images[:, 0, 0, 0] = [0, 2, 4, 6]  # mean 3, variance (9 + 1 + 1 + 9) / 4 = 5
    images[:, 0, 0, 1] = [10, 10, 20, 20]  # mean 15, variance 25
    images[:, 0, 0, 2] = 7  # one value: std 0 is taken as 1
    config = DataConfig(name="digits", train_size=4, validation_size=4)
    found = datasets.find_scaling(images, 10, config)
    assert_allclose(found.mean, [0.3, 1.5, 0.7])
    assert_allclose(
        found.std,
        [0.05**0.5, 0.5, 1.0],  # 5 / 10^2 = 0.05
    )
    given = dataclasses.replace(config, mean=(0.3, 1.5, 0.7), std=(0.2, 0.5, 1.0))
    assert datasets.find_scaling(images, 10, given).std == (0.2, 0.5, 1.0)
    with pytest.raises(
        UserError, match=r"config.data.mean=\(0.3, 1.5\); the images have 3 channels"
    ):
        datasets.find_scaling(images, 10, dataclasses.replace(config, mean=(0.3, 1.5)))


@pytest.mark.parametrize(
    ("mean", "std"),
    [(33.3, 78.6), (0.1307, 78.6), (120.0, None), (None, 0.001)],
    ids=["both in 255ths", "std in 255ths", "mean only", "std far too small"],
)
def test_a_scaling_far_from_the_images_own_is_refused_with_the_right_one(
    tmp_path: pathlib.Path, mean: float | None, std: float | None
) -> None:
    config = write_colours(tmp_path / "set", [0, 1] * 20)
    own = load_search(config, tmp_path).scaling
    assert own is not None
    with pytest.raises(UserError, match=f"are far from those of .*mean .{own.mean[0]:.4f}"):
        load_search(dataclasses.replace(config, mean=mean, std=std), tmp_path)


def test_one_class_is_refused(tmp_path: pathlib.Path) -> None:
    with pytest.raises(UserError, match="all 20 images to train on are of class 0"):
        load_search(write_colours(tmp_path / "set", [0] * 40), tmp_path)


def test_absent_classes_and_a_large_majority_are_told(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    load_search(write_colours(tmp_path / "even", [0, 1] * 20), tmp_path)
    assert not caplog.messages
    load_search(write_colours(tmp_path / "set", [0] * 36 + [1, 1, 1, 2]), tmp_path)
    told = " ".join(caplog.messages)
    assert "1 of 3 classes have no image in the validation split: 2" in told
    assert "% of the images are of class 0" in told


@pytest.mark.parametrize(
    ("first", "second", "is_told"), [(20, 20, False), (29, 11, False), (36, 4, True)]
)
def test_of_two_classes_one_with_three_quarters_is_told(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, first: int, second: int, is_told: bool
) -> None:
    load_search(write_colours(tmp_path / "set", [0] * first + [1] * second), tmp_path)
    assert ("of the images are of class 0" in " ".join(caplog.messages)) == is_told


def test_a_new_kind_is_one_entry(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    monkeypatch.setitem(SOURCES, "copies:N", lambda address, config, cache_dir: open_digits())
    data = load_search(dataclasses.replace(DIGITS, name="copies:1"), tmp_path)
    assert len(data.train.labels) == 928
    assert "known: digits, idx:DIR, tfds:NAME, copies:N" in error_of(name="minst")


def test_importing_data_imports_no_optional_package() -> None:
    code = (
        "import sys, nasjax.data.datasets\n"
        "print({'sklearn', 'tensorflow_datasets', 'tensorflow', 'etils'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_test_split_that_could_not_be_used_is_found_before_the_search(
    tmp_path: pathlib.Path,
) -> None:
    write_idx_set(tmp_path / "set")
    labels = tmp_path / "set" / "t10k-labels-idx1-ubyte"
    labels.unlink()
    with pytest.raises(UserError, match="has no t10k-labels-idx1-ubyte"):
        load_search(idx_config(tmp_path / "set"), tmp_path)
    labels.write_bytes(struct.pack(">2I", 0x801, 20) + bytes([7] * 20))
    with pytest.raises(UserError, match="test label 7, but the training labels go from 0 to 2"):
        load_search(idx_config(tmp_path / "set"), tmp_path)


def test_a_share_of_the_training_images_can_be_the_test_split(tmp_path: pathlib.Path) -> None:
    write_idx_set(tmp_path / "set")
    for path in (tmp_path / "set").glob("t10k*"):
        path.unlink()
    config = idx_config(tmp_path / "set", test_share=0.2)
    data, test = load_search(config, tmp_path), load_test(config, tmp_path)
    assert len(test.labels) == 12  # a fifth of 60
    np.testing.assert_array_equal(np.bincount(test.labels), [4, 4, 4])
    names = [set(index_of(split.images)) for split in (*data[:2], test)]
    assert sum(map(len, names)) == len(set.union(*names)) == 30 + 15 + 12  # none is in two
    assert names[2] != set(range(12))  # drawn, not the first ones
    other = dataclasses.replace(config, split_seed=5)
    np.testing.assert_array_equal(load_test(other, tmp_path).images, test.images)


def test_a_share_of_no_image_is_refused(tmp_path: pathlib.Path) -> None:
    write_idx_set(tmp_path / "set")
    with pytest.raises(UserError, match=r"config.data.test_share=0.001 .* 60 images"):
        load_search(idx_config(tmp_path / "set", test_share=0.001), tmp_path)
