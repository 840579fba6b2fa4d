"""Loads the images of a search: its train and validation splits, and at the end the test split.

A search uses the source's training images only. The test split is checked before it begins, and
returned by `load_test` alone, which `runs/final_test` calls once, when the search is over.
"""

import difflib
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


@settings("data")
class DataConfig:
    """Section `data` of a config: which images, how many of them, and how they are scaled."""

    name: str  # digits | idx:DIR | tfds:NAME
    train_size: PositiveInt  # images of search-train
    validation_size: PositiveInt  # images of search-validation, disjoint from search-train
    mean: float  # inputs are (pixel / largest pixel - mean) / std; MNIST .1307, .3081
    std: PositiveFloat
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


class SearchData(NamedTuple):
    """The part of a data set that a search may see."""

    train: Split
    validation: Split
    num_classes: int
    fingerprint: str  # sha256 (hex) of both splits' pixels, labels, scaling: equal means same data


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
    return SearchData(
        train=_normalise(train, source.pixel_max, config),
        validation=_normalise(validation, source.pixel_max, config),
        num_classes=pixels.num_classes,
        fingerprint=_fingerprint(train, validation, source.pixel_max, config),
    )


def load_test(config: DataConfig, cache_dir: pathlib.Path) -> Split:
    """Loads the whole test split. Called by `runs/final_test` only, once, after the search.

    Raises:
        UserError: as `load_search`, or the data set has no test split.
    """
    source = _open(config, cache_dir)
    return _normalise(source.read_test(), source.pixel_max, config)


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


def _normalise(pixels: Pixels, pixel_max: int, config: DataConfig) -> Split:
    """Scales pixels to (pixel / pixel_max - mean) / std, rounded once from float64 to float32."""
    scaled = (np.arange(256) / pixel_max - config.mean) / config.std
    return Split(scaled.astype(np.float32)[pixels.images], pixels.labels)


def _fingerprint(train: Pixels, validation: Pixels, pixel_max: int, config: DataConfig) -> str:
    """The digest of everything that reaches a network: both splits in order, and the scaling."""
    scaling = struct.pack("<ddI", config.mean, config.std, pixel_max)
    return digest(scaling, *(cache.checksum(pixels).encode() for pixels in (train, validation)))
