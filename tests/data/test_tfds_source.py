"""tfds data sets are read without TensorFlow, never fetched unasked, and refused in one line."""

import io
import json
import pathlib
import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nasjax.data.pixels import Source
from nasjax.data.tfds_source import open_tfds
from nasjax.errors import UserError

GREY = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 1), dtype=np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2] * 3)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to look up or reach a host fails the test."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError(f"network used: {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)


def write_records(path: pathlib.Path, images: list[np.ndarray], labels: list[int]) -> None:
    """One array_record of tf.train.Examples: PNG images and labels."""
    from array_record.python.array_record_module import ArrayRecordWriter
    from PIL import Image
    from tensorflow_datasets.proto import tf_example_pb2

    writer = ArrayRecordWriter(str(path), "group_size:1")
    for image, label in zip(images, labels, strict=True):
        png = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(png, "png")
        example = tf_example_pb2.Example()
        example.features.feature["image"].bytes_list.value.append(png.getvalue())
        example.features.feature["label"].int64_list.value.append(int(label))
        writer.write(example.SerializeToString())
    writer.close()


def write_prepared(
    data_dir: pathlib.Path,
    splits: dict[str, tuple[list[np.ndarray], list[int]]],
    *,
    dtype: str = "uint8",
    label_kind: str = "class_label_feature.ClassLabel",
    shape: tuple[str, ...] = ("4", "5", "1"),
    file_format: str = "array_record",
) -> pathlib.Path:
    """Lay down a data set as tfds 4.9 prepares it: two JSON files and one array_record per split.

    Origin of the layout: mnist as tfds 4.9.10 with TensorFlow 2.21 prepared it, copied by hand.
    """
    folder = data_dir / "tiny" / "1.0.0"
    folder.mkdir(parents=True)
    for split, (images, labels) in splits.items():
        path = folder / f"tiny-{split}.{file_format}-00000-of-00001"
        write_records(path, images, labels)
    module = "tensorflow_datasets.core.features."
    label_json = (
        {"classLabel": {"numClasses": "3"}}
        if label_kind.endswith("ClassLabel")
        else {"tensor": {"shape": {}, "dtype": "int64", "encoding": "none"}}
    )
    image_json = {"shape": {"dimensions": list(shape)}, "dtype": dtype, "encodingFormat": "png"}
    features = {
        "pythonClassName": module + "features_dict.FeaturesDict",
        "featuresDict": {
            "features": {
                "image": {
                    "pythonClassName": module + "image_feature.Image",
                    "image": image_json,
                },
                "label": {"pythonClassName": module + label_kind, **label_json},
            }
        },
    }
    info = {
        "name": "tiny",
        "version": "1.0.0",
        "fileFormat": file_format,
        "moduleName": "nowhere",
        "splits": [
            {
                "name": split,
                "numBytes": "100",
                "shardLengths": [str(len(labels))],
                "filepathTemplate": "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}",
            }
            for split, (_, labels) in splits.items()
        ],
    }
    (folder / "features.json").write_text(json.dumps(features))
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder


def grey_splits(*names: str) -> dict[str, tuple[list[np.ndarray], list[int]]]:
    return {name: (list(GREY), LABELS.tolist()) for name in names}


def open_at(data_dir: pathlib.Path, name: str = "tiny", **changes: Any) -> Source:
    settings: dict[str, Any] = {"data_dir": str(data_dir), "manual_dir": "", "download": False}
    return open_tfds(name, data_dir / "cache", **(settings | changes))


def error_of(action: Callable[[], object]) -> str:
    """The one line that the user sees."""
    with pytest.raises(UserError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def with_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the code believe that TensorFlow is installed."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: name)


@pytest.fixture
def without_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name, package=None: None)


def test_grey_images_are_read_exactly(tmp_path: pathlib.Path) -> None:
    write_prepared(tmp_path, grey_splits("train") | {"test": (list(GREY[:2]), [2, 1])})
    source = open_at(tmp_path)
    training, test = source.read_training(), source.read_test()
    assert_array_equal(training.images, GREY)
    assert_array_equal(training.labels, LABELS)
    assert_array_equal(test.images, GREY[:2])
    assert_array_equal(test.labels, [2, 1])
    assert [a.dtype.name for a in training[:2]] == ["uint8", "int32"]
    assert (training.num_classes, source.pixel_max) == (3, 255)


def test_colour_images_are_read_exactly(tmp_path: pathlib.Path) -> None:
    labels = LABELS[:6].tolist()
    write_prepared(tmp_path, {"train": (list(COLOUR), labels)}, shape=("-1", "-1", "3"))
    assert_array_equal(open_at(tmp_path).read_training().images, COLOUR)


def test_more_images_than_one_request_keep_their_order(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nasjax.data.tfds_source._ROWS_AT_ONCE", 4)  # 9 rows: 4, 4 and 1
    write_prepared(tmp_path, grey_splits("train"))
    assert_array_equal(open_at(tmp_path).read_training().images, GREY)


def test_reading_imports_no_tensorflow(tmp_path: pathlib.Path) -> None:
    write_prepared(tmp_path, grey_splits("train"))
    code = """
import pathlib, sys
from nasjax.data.tfds_source import open_tfds
where = sys.argv[1]
source = open_tfds(
    "tiny", pathlib.Path(where) / "cache", data_dir=where, manual_dir="", download=False
)
print(len(source.read_training().labels), "tensorflow" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True
    )
    assert done.stdout.strip() == "9 False", done.stderr


def test_the_second_reading_comes_from_the_cache(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_prepared(tmp_path, grey_splits("train"))
    open_at(tmp_path).read_training()
    monkeypatch.setattr("nasjax.data.tfds_source._decode", None)
    assert_array_equal(open_at(tmp_path).read_training().images, GREY)


def test_validation_stands_in_for_a_missing_test_split(tmp_path: pathlib.Path) -> None:
    write_prepared(tmp_path, {**grey_splits("train"), "validation": ([GREY[4]], [1])})
    assert_array_equal(open_at(tmp_path).read_test().images, GREY[4:5])


def test_test_is_preferred_to_validation(tmp_path: pathlib.Path) -> None:
    write_prepared(tmp_path, {**grey_splits("train", "validation"), "test": ([GREY[4]], [1])})
    assert_array_equal(open_at(tmp_path).read_test().images, GREY[4:5])


def test_missing_splits_are_named(tmp_path: pathlib.Path) -> None:
    write_prepared(tmp_path, grey_splits("extra"))
    source = open_at(tmp_path)
    assert error_of(source.read_training) == (
        "config.data.name='tfds:tiny' has no split 'train'; it has: extra"
    )
    assert "has no split 'test' or 'validation'; it has: extra" in error_of(source.read_test)


def test_images_of_different_sizes_are_refused(tmp_path: pathlib.Path) -> None:
    images = [GREY[0], GREY[1][:3]]
    write_prepared(tmp_path, {"train": (images, [0, 1])}, shape=("-1", "-1", "1"))
    assert "images of different sizes ((4, 5, 1) and (3, 5, 1), split 'train')" in error_of(
        open_at(tmp_path).read_training
    )


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_out_of_range_are_refused(tmp_path: pathlib.Path, label: int) -> None:
    # Hidden test labels are -1 in tfds.
    write_prepared(tmp_path, {"train": ([GREY[0], GREY[1]], [0, label])})
    message = error_of(open_at(tmp_path).read_training)
    assert f"split 'train' has label {label}, classes are 0 to 2" in message


def test_images_of_another_type_are_refused(tmp_path: pathlib.Path) -> None:
    write_prepared(tmp_path, grey_splits("train"), dtype="uint16")
    assert "images of uint16; only uint8" in error_of(lambda: open_at(tmp_path))


def test_what_is_no_classification_is_refused(tmp_path: pathlib.Path) -> None:
    write_prepared(tmp_path, grey_splits("train"), label_kind="tensor_feature.Tensor")
    message = error_of(lambda: open_at(tmp_path))
    assert "has no feature 'label' of kind ClassLabel (it has: image, label)" in message


def test_data_prepared_as_tfrecord_is_refused(tmp_path: pathlib.Path) -> None:
    folder = write_prepared(tmp_path, grey_splits("train"), file_format="tfrecord")
    message = error_of(lambda: open_at(tmp_path))
    assert f"is prepared in {str(folder)!r} as tfrecord, but only array_record" in message


def test_damaged_records_name_the_folder_to_delete(tmp_path: pathlib.Path) -> None:
    folder = write_prepared(tmp_path, grey_splits("train"))
    record = folder / "tiny-train.array_record-00000-of-00001"
    content = bytearray(record.read_bytes())
    for position in range(0, len(content), 3):
        content[position] ^= 0x55
    record.write_bytes(content)
    message = error_of(open_at(tmp_path).read_training)
    assert str(folder) in message and message.endswith("delete that folder to prepare it again")


def test_unknown_name_suggests_close_ones(tmp_path: pathlib.Path) -> None:
    message = error_of(lambda: open_at(tmp_path, "minst"))
    assert message.startswith(
        "config.data.name='tfds:minst': tfds has no such data set; did you mean "
    )
    assert "tfds:mnist" in message


@pytest.mark.parametrize("name", ["", "mnist/nope", "mnist:9.9.9", "no/../x"])
def test_malformed_names_end_in_one_line(tmp_path: pathlib.Path, name: str) -> None:
    assert f"config.data.name='tfds:{name}': " in error_of(lambda: open_at(tmp_path, name))


def test_community_data_sets_are_refused(tmp_path: pathlib.Path) -> None:
    message = error_of(lambda: open_at(tmp_path, "huggingface:mnist"))
    assert "community data sets (huggingface:...) are not supported" in message


def test_missing_tfds_says_what_to_type(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    assert "type: pip install tensorflow-datasets" in error_of(lambda: open_at(tmp_path, "mnist"))


@pytest.mark.usefixtures("without_tensorflow")
def test_unprepared_without_tensorflow_says_what_to_type(tmp_path: pathlib.Path) -> None:
    message = error_of(lambda: open_at(tmp_path, "mnist"))
    assert f"is not prepared in '{tmp_path}/mnist/3.0.1'" in message
    assert (
        "pip install '.[prepare]' and run the same command again with data.manual_dir=FOLDER"
        in (message)
    )
    assert "train-images-idx3-ubyte.gz" in message
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("without_tensorflow")
def test_what_the_user_set_already_is_not_asked_for_again(tmp_path: pathlib.Path) -> None:
    message = error_of(lambda: open_at(tmp_path, "mnist", manual_dir=str(tmp_path)))
    assert message.endswith("type: pip install '.[prepare]' and run the same command again")


def test_missing_manual_dir_is_named(tmp_path: pathlib.Path) -> None:
    message = error_of(lambda: open_at(tmp_path, "mnist", manual_dir="/no/such"))
    assert "data.manual_dir='/no/such' is no directory" in message


@pytest.mark.usefixtures("with_tensorflow")
def test_preparing_uses_no_network_unless_asked(tmp_path: pathlib.Path) -> None:
    # tfds itself looks for the files here; the no_network fixture catches any attempt to fetch.
    message = error_of(lambda: open_at(tmp_path, "mnist", manual_dir=str(tmp_path)))
    assert "-ubyte.gz (from https://" in message and "is not at hand" in message
    assert "data.download=True" in message


@pytest.mark.usefixtures("with_tensorflow")
def test_files_with_another_checksum_are_refused(tmp_path: pathlib.Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    for part in ("train", "t10k"):
        for kind in ("images-idx3", "labels-idx1"):
            (files / f"{part}-{kind}-ubyte.gz").write_bytes(b"not the canonical file")
    message = error_of(lambda: open_at(tmp_path / "data", "mnist", manual_dir=str(files)))
    assert "has wrong checksum" in message
