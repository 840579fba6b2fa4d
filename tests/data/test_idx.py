"""idx files are read exactly, and every broken one ends in a single line that names it."""

import gzip
import pathlib
import struct
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nasjax.data.idx import open_idx, read_idx
from nasjax.errors import UserError

LABELS = np.array([0, 1, 2, 1, 0, 2, 2, 0], np.uint8)
IMAGES = np.random.default_rng(0).integers(0, 256, (8, 3, 5), dtype=np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    """The idx format by hand: 0, 0, 8 (unsigned byte), dimensions, sizes, bytes."""
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


def write_set(folder: pathlib.Path, *, gz: bool = False, dotted: bool = False) -> None:
    """A tiny data set in one of the spellings that are in use."""
    folder.mkdir(exist_ok=True)
    for prefix, count in (("train", 8), ("t10k", 4)):
        for kind, array in (("images-idx3", IMAGES[:count]), ("labels-idx1", LABELS[:count])):
            name = f"{prefix}-{kind}-ubyte"
            name = name.replace("-idx", ".idx") if dotted else name
            content = idx_bytes(array)
            if gz:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)


def error_of(action: Callable[[], object]) -> str:
    """The one line that the user sees."""
    with pytest.raises(UserError) as caught:
        action()
    message = str(caught.value)
    assert "\n" not in message
    return message


def error_of_training(folder: pathlib.Path) -> str:
    return error_of(lambda: open_idx(str(folder), folder / "cache").read_training())


@pytest.mark.parametrize("dotted", [False, True])
@pytest.mark.parametrize("gz", [False, True])
def test_all_four_spellings_are_read_exactly(
    tmp_path: pathlib.Path, gz: bool, dotted: bool
) -> None:
    write_set(tmp_path / "set", gz=gz, dotted=dotted)
    source = open_idx(str(tmp_path / "set"), tmp_path)
    for pixels, count in ((source.read_training(), 8), (source.read_test(), 4)):
        assert_array_equal(pixels.images, IMAGES[:count, :, :, np.newaxis])
        assert_array_equal(pixels.labels, LABELS[:count])
        assert [a.dtype.name for a in pixels[:2]] == ["uint8", "int32"]
        assert pixels.num_classes == 3
    assert source.pixel_max == 255


def test_a_search_needs_no_test_files(tmp_path: pathlib.Path) -> None:
    write_set(tmp_path)
    for path in tmp_path.glob("t10k*"):
        path.unlink()
    source = open_idx(str(tmp_path), tmp_path / "cache")
    assert len(source.read_training().labels) == 8
    assert "has no t10k-images-idx3-ubyte[.gz]" in error_of(source.read_test)


def test_a_changed_file_is_decoded_again(tmp_path: pathlib.Path) -> None:
    write_set(tmp_path)
    assert_array_equal(open_idx(str(tmp_path), tmp_path / "c").read_training().labels, LABELS)
    turned = LABELS[::-1].copy()
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(turned))
    assert_array_equal(open_idx(str(tmp_path), tmp_path / "c").read_training().labels, turned)


def test_the_second_reading_comes_from_the_cache(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path, gz=True)
    source = open_idx(str(tmp_path), tmp_path / "cache")
    first = source.read_training()
    monkeypatch.setattr("nasjax.data.idx.read_idx", None)  # calling it would raise TypeError
    assert_array_equal(source.read_training().images, first.images)


def test_no_directory_given() -> None:
    assert "write idx:DIR" in error_of(lambda: open_idx("", pathlib.Path("cache")))


def test_missing_directory_is_named(tmp_path: pathlib.Path) -> None:
    message = error_of(lambda: open_idx(str(tmp_path / "mnits"), tmp_path))
    assert message.startswith(f"config.data.name='idx:{tmp_path}/mnits': no such directory")


def test_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    assert "has no train-images-idx3-ubyte[.gz]" in error_of_training(tmp_path)
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    assert "has no train-labels-idx1-ubyte[.gz]" in error_of_training(tmp_path)


def test_unpacked_into_folders_of_the_same_name_is_not_mistaken(tmp_path: pathlib.Path) -> None:
    # Kaggle's archive unpacks to a folder train-images-idx3-ubyte/ beside the dotted file.
    write_set(tmp_path, dotted=True)
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    assert len(open_idx(str(tmp_path), tmp_path / "c").read_training().labels) == 8


@pytest.mark.parametrize(("cut", "found"), [(-7, "113"), (None, "more")])
def test_wrong_length_names_both_sizes(tmp_path: pathlib.Path, cut: int | None, found: str) -> None:
    write_set(tmp_path)  # 8 images of 3 x 5 = 120 bytes after the header
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes((path.read_bytes() + b"" if cut else path.read_bytes() + b"abc")[:cut])
    message = error_of_training(tmp_path)
    assert f"{str(path)!r}: header says 120 bytes, file has {found}" in message


def test_file_shorter_than_its_header(tmp_path: pathlib.Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(b"\0\0\x08")
    assert "header takes 8 bytes, the file has 3" in error_of_training(tmp_path)


@pytest.mark.parametrize(
    ("start", "found"),
    [
        (b"\0\0\x08\x01", "unsigned bytes of 1 dimensions"),  # labels in the place of images
        (b"\0\0\x08\x04", "unsigned bytes of 4 dimensions"),  # colour
        (b"\0\0\x0b\x03", "16-bit integers of 3 dimensions"),
        (b"\0\0\x0d\x03", "32-bit floats of 3 dimensions"),
        (b"<htm", "magic number 1013478509, so it is no idx file"),
    ],
)
def test_another_content_is_named(tmp_path: pathlib.Path, start: bytes, found: str) -> None:
    write_set(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(start + path.read_bytes()[4:])
    wanted = "wanted are unsigned bytes of 3 dimensions (gray images, one channel)"
    assert error_of_training(tmp_path) == f"{str(path)!r} holds {found}; {wanted}"


def test_gzip_is_known_by_its_content_whatever_the_name(tmp_path: pathlib.Path) -> None:
    write_set(tmp_path)
    plain = open_idx(str(tmp_path), tmp_path / "c").read_training()
    for kind in ("images-idx3", "labels-idx1"):
        path = tmp_path / f"train-{kind}-ubyte"
        path.write_bytes(gzip.compress(path.read_bytes()))
    packed = open_idx(str(tmp_path), tmp_path / "c").read_training()
    np.testing.assert_array_equal(packed.images, plain.images)


def test_a_file_is_unpacked_no_further_than_its_header_promises(tmp_path: pathlib.Path) -> None:
    write_set(tmp_path, gz=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(2**26)))
    tracemalloc.start()
    assert "header says 120 bytes, file has more" in error_of_training(tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def test_no_images_at_all(tmp_path: pathlib.Path) -> None:
    write_set(tmp_path)
    empty = np.zeros((0, 3, 5), np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(empty))
    assert "is empty: its header gives the sizes [0, 3, 5]" in error_of_training(tmp_path)


def test_more_images_than_labels(tmp_path: pathlib.Path) -> None:
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS[:7]))
    message = error_of_training(tmp_path)
    assert "train-images-idx3-ubyte has 8 images, but train-labels-idx1-ubyte has 7" in message


@pytest.mark.parametrize("damage", ["truncated", "flipped", "bad block"])
def test_corrupt_gzip_is_named(tmp_path: pathlib.Path, damage: str) -> None:
    write_set(tmp_path, gz=True)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[:-20]
    elif damage == "flipped":
        content[-6] ^= 0xFF  # in the length or checksum at the end
    else:
        content[10] = 0xFF  # the first deflate block has a type that does not exist
    path.write_bytes(content)
    message = error_of_training(tmp_path)
    assert str(path) in message and "is damaged" in message


def test_unreadable_file_is_named(tmp_path: pathlib.Path) -> None:
    message = error_of(lambda: read_idx(tmp_path, dimensions=1))  # a folder
    assert message == f"{str(tmp_path)!r} cannot be read: Is a directory"


def test_a_label_far_above_the_others_is_refused(tmp_path: pathlib.Path) -> None:
    write_set(tmp_path)
    labels = LABELS.copy()
    labels[3] = 255
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    message = error_of_training(tmp_path)
    assert "the largest is 255, but no image has label 3" in message


def test_labels_that_count_from_one_are_read(tmp_path: pathlib.Path) -> None:
    write_set(tmp_path)  # EMNIST letters are 1 to 26
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(LABELS + 1))
    assert open_idx(str(tmp_path), tmp_path / "c").read_training().num_classes == 4


def test_a_test_label_that_training_lacks_is_refused(tmp_path: pathlib.Path) -> None:
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx_bytes(np.array([0, 1, 2, 3], np.uint8)))
    source = open_idx(str(tmp_path), tmp_path / "c")
    assert "test label 3, but the training labels go from 0 to 2" in error_of(source.read_test)


def test_test_images_of_another_size_are_refused(tmp_path: pathlib.Path) -> None:
    write_set(tmp_path)
    other = np.zeros((4, 5, 3), np.uint8)
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(other))
    source = open_idx(str(tmp_path), tmp_path / "c")
    assert "test images are (5, 3), training images (3, 5)" in error_of(source.read_test)
