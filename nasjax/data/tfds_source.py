"""Reads classification data sets of TensorFlow Datasets without TensorFlow (format array_record).

A prepared data set is read as it is. Otherwise it is prepared, if TensorFlow is installed: from the
files in `manual_dir`, checked against the checksums that tfds ships, and from the network only with
`download=True`.
"""

import difflib
import importlib.util
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from nasjax.data import cache
from nasjax.data.pixels import Pixels, Source
from nasjax.errors import UserError

_TRAINING_SPLIT = "train"
_TEST_SPLITS = ("test", "validation")  # the first that exists is the test split
_FILE_FORMAT = "array_record"
_ROWS_AT_ONCE = 512  # array_record reads rows of one request in parallel: 1.6 times faster


def open_tfds(
    name: str, cache_dir: pathlib.Path, *, data_dir: str, manual_dir: str, download: bool
) -> Source:
    """Opens `tfds:NAME`; prepares it first if necessary.

    Args:
        name: as tfds writes it, `mnist` or `emnist/letters` or `mnist:3.0.1`.
        data_dir, manual_dir, download: see `DataConfig`.

    Raises:
        UserError: the name is unknown, the data set is not prepared and cannot be, or it holds
            something else than uint8 images of one size with one class label each.
    """
    key = f"config.data.name={'tfds:' + name!r}"
    builder = _make_builder(name, key, data_dir)
    if not builder.data_path.exists():
        _prepare(builder, key, manual_dir=manual_dir, download=download)
    _check_features(builder, key)

    def read(split: str) -> Pixels:
        files = sorted(pathlib.Path(builder.data_path).iterdir())
        stamp = [str(builder.version), *cache.file_stamps(files)]
        label = f"tfds-{name}-{split}"
        return cache.load(cache_dir, label, stamp, lambda: _decode(builder, split, key))

    return Source(
        pixel_max=255,
        read_training=lambda: read(_find_split(builder, (_TRAINING_SPLIT,), key)),
        read_test=lambda: read(_find_split(builder, _TEST_SPLITS, key)),
        check_test=lambda: _find_split(builder, _TEST_SPLITS, key),
    )


def _make_builder(name: str, key: str, data_dir: str) -> Any:
    """tfds's builder of that name; touches neither the data nor the network."""
    namespace = re.match(r"\s*([^:/]+):(?!\d)", name)
    if namespace:
        raise UserError(f"{key}: tfds's community data sets ({namespace[1]}:...) are not supported")
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(
            f"{key} needs tensorflow-datasets ({error}); "
            f"type: pip install tensorflow-datasets array_record importlib_resources"
        ) from error
    try:
        return tfds.builder(name, data_dir=os.path.expanduser(data_dir) or None)
    except tfds.core.DatasetNotFoundError as error:
        near = _close_names(name, tfds.list_builders(with_community_datasets=False))
        raise UserError(f"{key}: tfds has no such data set{near}") from error
    except (ValueError, AssertionError, ImportError, OSError) as error:
        raise UserError(f"{key}: {_one_line(error)}") from error


def _close_names(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name.partition("/")[0].partition(":")[0], known, n=3)
    return f"; did you mean {' or '.join('tfds:' + other for other in near)}?" if near else ""


def _one_line(error: BaseException) -> str:
    """The first line of a foreign error's text."""
    lines = (line.strip() for line in str(error).splitlines())
    return next((line.rstrip(":") for line in lines if line), repr(error))


def _prepare(builder: Any, key: str, *, manual_dir: str, download: bool) -> None:
    """Lets tfds write the data set as array_record, offline unless `download`."""
    missing = f"{key} is not prepared in {str(builder.data_path)!r}"
    if manual_dir and not os.path.isdir(os.path.expanduser(manual_dir)):
        raise UserError(f"{missing}, and data.manual_dir={manual_dir!r} is no directory")
    if importlib.util.find_spec("tensorflow") is None:
        again = "" if manual_dir or download else f" with {_how_to_supply(builder)}"
        raise UserError(
            f"{missing}; preparing it needs TensorFlow once (reading does not); type: "
            f"pip install '.[prepare]' and run the same command again{again}"
        )

    import tensorflow_datasets as tfds

    config = tfds.download.DownloadConfig(
        manual_dir=os.path.expanduser(manual_dir) or None, try_download_gcs=False
    )
    if not download:
        _keep_offline(builder, missing)
    try:
        builder.download_and_prepare(file_format=_FILE_FORMAT, download_config=config)
    except UserError:
        raise
    except Exception as error:  # whatever one of a thousand foreign builders raises
        raise UserError(f"{missing} and cannot be: {_one_line(error)}") from error


def _how_to_supply(builder: Any) -> str:
    """The two ways to hand tfds a data set's own files, naming the first few of them."""
    names = [info.filename for info in (builder.url_infos or {}).values() if info.filename]
    listed = ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
    holding = f" (a folder holding {listed})" if names else ""
    return f"data.manual_dir=FOLDER{holding} or data.download=True"


def _keep_offline(builder: Any, missing: str) -> None:
    """Makes the builder refuse to fetch anything that `manual_dir` or its cache does not hold."""
    make_manager = builder._make_download_manager

    def make_offline_manager(**kwargs: Any) -> Any:
        manager = make_manager(**kwargs)

        def refuse(resource: Any) -> Any:
            wanted = getattr(resource, "url", resource)
            file_name = str(wanted).rpartition("/")[2]
            raise UserError(
                f"{missing}, and {file_name} (from {wanted}) is not at hand; "
                f"set {_how_to_supply(builder)}"
            )

        for fetch in ("_download", "download_kaggle_data"):
            if not hasattr(manager, fetch):
                raise UserError(
                    f"{missing}: this version of tensorflow-datasets cannot be kept offline "
                    f"(no {fetch}); set data.download=True or install version 4.9.10"
                )
            setattr(manager, fetch, refuse)
        return manager

    builder._make_download_manager = make_offline_manager


def _check_features(builder: Any, key: str) -> None:
    """Refuses data other than images with one class label each in the format array_record."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    for name, kind in (("image", tfds.features.Image), ("label", tfds.features.ClassLabel)):
        found = features[name] if name in (features or ()) else None
        if not isinstance(found, kind):
            raise UserError(
                f"{key} has no feature {name!r} of kind {kind.__name__} "
                f"(it has: {', '.join(sorted(features or ()))}); "
                f"only image classification data sets can be searched"
            )
    dtype = np.dtype(features["image"].np_dtype)
    if dtype != np.uint8:
        raise UserError(f"{key} has images of {dtype}; only uint8 images are supported")
    formats = {str(form.value) for form in builder.info.available_file_formats()}
    if _FILE_FORMAT not in formats:
        raise UserError(
            f"{key} is prepared in {str(builder.data_path)!r} as {', '.join(sorted(formats))}, "
            f"but only {_FILE_FORMAT} is read without TensorFlow; delete that folder or set "
            f"another data.data_dir"
        )


def _find_split(builder: Any, wanted: Sequence[str], key: str) -> str:
    """The first wanted split that the data set has."""
    for split in wanted:
        if split in builder.info.splits:
            return split
    raise UserError(
        f"{key} has no split {' or '.join(map(repr, wanted))}; "
        f"it has: {', '.join(builder.info.splits) or 'none'}"
    )


def _decode(builder: Any, split: str, key: str) -> Pixels:
    """Reads and decodes every image of a split, in tfds's order."""
    num_classes = builder.info.features["label"].num_classes
    try:
        rows = builder.as_data_source(split=split, file_format=_FILE_FORMAT)
        if not len(rows):
            raise UserError(f"{key}: split {split!r} holds no images")
        shape = np.shape(rows[0]["image"])
        images = np.empty((len(rows), *shape), np.uint8)
        labels = np.empty(len(rows), np.int32)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            span = range(start, min(start + _ROWS_AT_ONCE, len(rows)))
            for index, row in zip(span, rows.__getitems__(list(span)), strict=True):
                if row["image"].shape != shape:
                    raise UserError(
                        f"{key} has images of different sizes ({shape} and "
                        f"{row['image'].shape}, split {split!r}); only equal sizes are supported"
                    )
                images[index], labels[index] = row["image"], row["label"]
    except UserError:
        raise
    except Exception as error:  # array_record and the image decoders raise many kinds
        raise UserError(
            f"{key}: prepared data in {str(builder.data_path)!r} cannot be read "
            f"({_one_line(error)}); delete that folder to prepare it again"
        ) from error
    if labels.min() < 0 or labels.max() >= num_classes:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise UserError(
            f"{key}: labels out of range: split {split!r} has label {wrong}, "
            f"classes are 0 to {num_classes - 1}"
        )
    return Pixels(images, labels, num_classes)
