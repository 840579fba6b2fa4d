"""Loads the images of a search: its train and validation splits, and at the end the test split.

A search uses the source's training images only. The test split is checked before it begins, and
returned by `load_test` alone, which `runs/final_test` calls once, when the search is over.
"""

import difflib
import logging
import pathlib
import struct
from collections.abc import Callable
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from nasjax.config import NonNegativeInt, PositiveFloat, PositiveInt, settings
from nasjax.data import cache
from nasjax.data.digits import open_digits
from nasjax.data.idx import open_idx
from nasjax.data.pixels import Pixels, Source
from nasjax.data.splits import stratified_split
from nasjax.data.tfds_source import open_tfds
from nasjax.errors import UserError
from nasjax.files import digest

MAJORITY = 0.5  # a larger share of one class is told; of two classes, one of 3 / 4
# Configured mean and std may leave images with a mean of at most so many stds, and a std of 1 / FAR
# to FAR: those of another data set of the kind pass, those of pixels from 0 to 255 do not.
FAR = 10.0


@settings("data")
class DataConfig:
    """Section `data` of a config: which images, how many of them, and how they are scaled."""

    name: str  # digits | idx:DIR | tfds:NAME
    train_size: PositiveInt  # images of search-train
    validation_size: PositiveInt  # images of search-validation, disjoint from search-train
    # Inputs are (pixel / largest pixel - mean) / std, a number for all channels or one for each.
    # None: those of search-train. (MNIST: .1307, .3081.)
    mean: float | tuple[float, ...] | None = None
    std: PositiveFloat | tuple[PositiveFloat, ...] | None = None
    split_seed: NonNegativeInt = 0  # chooses the split, not the search
    data_dir: str = ""  # where tfds keeps prepared data; "": its default, ~/tensorflow_datasets
    manual_dir: str = ""  # folder with the data set's own files, fetched by hand
    download: bool = False  # may tfds use the network
    # The share of the training images that is held out as the test split, the same whatever
    # split_seed; None: the data set has a test split of its own.
    test_share: Annotated[float, Field(gt=0, lt=1)] | None = None

    def __post_init__(self) -> None:
        _kind_and_address(self)


class Split(NamedTuple):
    """Images ready for a network, on the host."""

    images: np.ndarray  # [N, H, W, C] float32, (pixel / largest pixel - mean) / std
    labels: np.ndarray  # [N] int32


class Scaling(NamedTuple):
    """Inputs are (pixel / pixel_max - mean) / std."""

    pixel_max: int
    mean: tuple[float, ...]  # of every channel, or one for all; so is std
    std: tuple[float, ...]


class SearchData(NamedTuple):
    """The part of a data set that a search may see."""

    train: Split
    validation: Split
    num_classes: int
    fingerprint: str  # sha256 (hex) of both splits' pixels, labels, scaling: equal means same data
    scaling: Scaling | None = None  # of both splits, and of the test split
    available: int = 0  # images that the data set has for both splits


# A kind of data set is one entry: its form in data.name -> the function that opens it.
SOURCES: dict[str, Callable[[str, DataConfig, pathlib.Path], Source]] = {
    "digits": lambda address, config, cache_dir: open_digits(),
    "idx:DIR": lambda address, config, cache_dir: open_idx(address, cache_dir),
    "tfds:NAME": lambda address, config, cache_dir: open_tfds(
        address,
        cache_dir,
        data_dir=config.data_dir,
        manual_dir=config.manual_dir,
        download=config.download,
    ),
}


def load_search(config: DataConfig, cache_dir: pathlib.Path) -> SearchData:
    """Loads the search's train and validation splits, never a test image.

    Both are drawn from the source's training images: disjoint, stratified by class, shuffled, and
    the same on every machine for the same (data set, split_seed, sizes). The validation images
    and their order do not depend on `train_size`. Decoded images are kept in `cache_dir`/data.

    Raises:
        UserError: the data cannot be loaded as configured, or the test split could not be at the
            end; one line says what to change or type.
    """
    source = _open(config, cache_dir)
    pixels = source.read_training()
    source.check_test()
    available, wanted = len(pixels.labels), config.train_size + config.validation_size
    if wanted > available:
        raise UserError(
            f"config.data.train_size={config.train_size} and config.data.validation_size="
            f"{config.validation_size} need {wanted} images; {config.name!r} has {available} "
            f"for training and validation"
        )
    sizes = (config.validation_size, config.train_size)
    validation, train = (
        pixels._replace(images=pixels.images[index], labels=pixels.labels[index])
        for index in stratified_split(pixels.labels, sizes, config.split_seed)
    )
    check_classes(train, validation, config.name)
    scaling = find_scaling(train.images, source.pixel_max, config)
    return SearchData(
        train=_normalise(train, scaling),
        validation=_normalise(validation, scaling),
        num_classes=pixels.num_classes,
        fingerprint=_fingerprint(train, validation, scaling),
        scaling=scaling,
        available=available,
    )


def load_test(config: DataConfig, cache_dir: pathlib.Path, scaling: Scaling | None = None) -> Split:
    """Loads the whole test split. Called by `runs/final_test` only, once, after the search.

    Args:
        scaling: of the search's splits, `SearchData.scaling`; None: they are read for it.

    Raises:
        UserError: as `load_search`, or the data set has no test split.
    """
    scaling = scaling or load_search(config, cache_dir).scaling
    assert scaling is not None
    return _normalise(_open(config, cache_dir).read_test(), scaling)


def check_classes(train: Pixels, validation: Pixels, name: str) -> None:
    """Refuses images of one class; warns of classes that a split lacks and of a large majority."""
    counts = np.bincount(train.labels, minlength=train.num_classes)
    if (counts > 0).sum() < 2:
        raise UserError(
            f"config.data.name={name!r}: all {len(train.labels)} images to train on are of class "
            f"{counts.argmax()}; a search needs two classes at least"
        )
    for split, labels in (("train", train.labels), ("validation", validation.labels)):
        absent = np.setdiff1d(np.arange(train.num_classes), labels).tolist()
        if absent:
            shown = ", ".join(map(str, absent[:5])) + (", ..." if len(absent) > 5 else "")
            logging.warning(
                "%s: %d of %d classes have no image in the %s split: %s",
                *(name, len(absent), train.num_classes, split, shown),
            )
    share = counts.max() / counts.sum()
    if share > max(MAJORITY, 1.5 / train.num_classes):
        logging.warning(
            "%s: %.0f %% of the images are of class %d; compare accuracies with that share",
            *(name, 100 * share, counts.argmax()),
        )


def find_scaling(images: np.ndarray, pixel_max: int, config: DataConfig) -> Scaling:
    """The configured mean and std, or those of the images [N, H, W, C], per channel.

    Raises:
        UserError: the configured ones leave these images far from mean 0 and std 1.
    """
    channels = images.shape[-1]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(images), 256):  # it makes every pixel 8 bytes
        for channel in range(channels):
            some = images[start : start + 256, ..., channel].ravel()
            counts[channel] += np.bincount(some, minlength=256)
    values = np.arange(256) / pixel_max
    means = counts @ values / counts.sum(1)
    stds = np.sqrt(counts @ values**2 / counts.sum(1) - means**2)
    own = {
        "mean": tuple(means.tolist()),
        "std": tuple(np.where(stds > 0, stds, 1.0).tolist()),  # a channel of one value
    }
    found = {}
    for key, values_of_images in own.items():
        given = getattr(config, key)
        found[key] = values_of_images if given is None else tuple(np.atleast_1d(given).tolist())
        if len(found[key]) not in (1, channels):
            raise UserError(f"config.data.{key}={given}; the images have {channels} channels")
    shift = np.abs(means - found["mean"]) / found["std"]
    spread = np.where(stds > 0, stds, 1.0) / found["std"]
    if shift.max() > FAR or not 1 / FAR <= spread.min() <= spread.max() <= FAR:
        right = {key: tuple(round(v, 4) for v in values) for key, values in own.items()}
        raise UserError(
            f"config.data.mean={config.mean}, config.data.std={config.std} are far from those of "
            f"{config.name!r}: mean {right['mean']}, std {right['std']} of (pixel / {pixel_max}); "
            "give these, or None for them"
        )
    return Scaling(pixel_max, found["mean"], found["std"])


def _kind_and_address(config: DataConfig) -> tuple[str, str]:
    """The key of SOURCES that `name` matches, and the address after its colon."""
    kinds = {pattern.partition(":")[0]: pattern for pattern in SOURCES}
    kind, colon, address = config.name.partition(":")
    pattern = kinds.get(kind)
    if pattern is None or bool(colon) != (":" in pattern):
        near = difflib.get_close_matches(kind, kinds, n=1)
        hint = f"; did you mean {kinds[near[0]]}?" if near else ""
        raise UserError(f"config.data.name={config.name!r}; known: {', '.join(SOURCES)}{hint}")
    return pattern, address


def _open(config: DataConfig, cache_dir: pathlib.Path) -> Source:
    pattern, address = _kind_and_address(config)
    source = SOURCES[pattern](address, config, pathlib.Path(cache_dir))
    return source if config.test_share is None else _with_test_share(source, config.test_share)


def _with_test_share(source: Source, share: float) -> Source:
    """The source, its test split a stratified share of its training images."""

    def read(is_test: bool) -> Pixels:
        pixels = source.read_training()
        count = round(share * len(pixels.labels))
        if not count:
            raise UserError(
                f"config.data.test_share={share} of {len(pixels.labels)} images is none; take more"
            )
        (test,) = stratified_split(pixels.labels, (count,), seed=0)
        chosen = np.isin(np.arange(len(pixels.labels)), test) == is_test
        return pixels._replace(images=pixels.images[chosen], labels=pixels.labels[chosen])

    return Source(
        pixel_max=source.pixel_max,
        read_training=lambda: read(is_test=False),
        read_test=lambda: read(is_test=True),
    )


def _normalise(pixels: Pixels, scaling: Scaling) -> Split:
    """Scales pixels as `scaling` says, rounded once from float64 to float32."""
    scaled = (np.arange(256)[:, None] / scaling.pixel_max - scaling.mean) / scaling.std
    table = scaled.astype(np.float32)
    if table.shape[1] == 1:
        return Split(table[:, 0][pixels.images], pixels.labels)
    return Split(table[pixels.images, np.arange(table.shape[1])], pixels.labels)


def _fingerprint(train: Pixels, validation: Pixels, scaling: Scaling) -> str:
    """The digest of everything that reaches a network: both splits in order, and the scaling."""
    numbers = (*scaling.mean, *scaling.std, scaling.pixel_max)
    packed = struct.pack(f"<{len(numbers) - 1}dI", *numbers)
    return digest(packed, *(cache.checksum(pixels).encode() for pixels in (train, validation)))
