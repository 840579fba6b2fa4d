"""A cache entry is whole or absent, and no damage to it stops or changes a run."""

import concurrent.futures
import json
import os
import pathlib
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nasjax.data import cache
from nasjax.data.pixels import Pixels
from nasjax.errors import UserError

PIXELS = Pixels(
    np.random.default_rng(0).integers(0, 256, (6, 4, 4, 1), dtype=np.uint8),
    np.array([0, 1, 2, 0, 1, 2], np.int32),
    3,
)


class Decoder:
    """Counts how often a data set was decoded."""

    def __init__(self, pixels: Pixels = PIXELS) -> None:
        self.pixels, self.calls = pixels, 0

    def __call__(self) -> Pixels:
        self.calls += 1
        return self.pixels


def assert_same(got: Pixels, want: Pixels = PIXELS) -> None:
    for got_field, want_field in zip(got, want, strict=True):
        assert_array_equal(got_field, want_field)


def only_entry(cache_dir: pathlib.Path) -> pathlib.Path:
    (entry,) = (cache_dir / "data").iterdir()
    return entry


def test_the_second_load_gives_the_same_without_decoding(tmp_path: pathlib.Path) -> None:
    decoder = Decoder()
    for _ in range(3):
        assert_same(cache.load(tmp_path, "set", ["v1"], decoder))
    assert decoder.calls == 1


def test_another_name_or_stamp_is_another_entry(tmp_path: pathlib.Path) -> None:
    decoder = Decoder()
    for name, stamp in (("a", ["v1"]), ("a", ["v2"]), ("b", ["v1"])):
        cache.load(tmp_path, name, stamp, decoder)
    assert decoder.calls == 3


def test_names_with_slashes_stay_inside_the_cache(tmp_path: pathlib.Path) -> None:
    cache.load(tmp_path / "c", "../../emnist/letters:1 é" + "x" * 300, [], Decoder())
    assert only_entry(tmp_path / "c").is_dir()
    assert list(tmp_path.iterdir()) == [tmp_path / "c"]


@pytest.mark.parametrize(
    "damage", ["cut", "flipped", "pickle", "missing", "no json", "list", "file", "types"]
)
def test_a_damaged_entry_is_made_again_with_a_warning(tmp_path: pathlib.Path, damage: str) -> None:
    cache.load(tmp_path, "set", [], Decoder())
    entry = only_entry(tmp_path)
    images = entry / "images.npy"
    if damage == "cut":
        images.write_bytes(images.read_bytes()[:-5])
    elif damage == "flipped":
        content = bytearray(images.read_bytes())
        content[-1] ^= 1
        images.write_bytes(content)
    elif damage == "pickle":
        np.save(images, np.array([{"a": 1}]), allow_pickle=True)
    elif damage == "missing":
        images.unlink()
    elif damage == "no json":
        (entry / "about.json").write_text("")
    elif damage == "list":
        (entry / "about.json").write_text("[]")
    elif damage == "types":
        np.save(images, PIXELS.images.astype(np.int64))
    else:
        for path in entry.iterdir():
            path.unlink()
        entry.rmdir()
        entry.write_text("")
    decoder = Decoder()
    with pytest.warns(UserWarning, match="is damaged .* decoding it again"):
        assert_same(cache.load(tmp_path, "set", [], decoder))
    assert_same(cache.load(tmp_path, "set", [], decoder))  # healed: no warning, no decoding
    assert decoder.calls == 1


def test_nothing_but_the_entry_is_left_behind(tmp_path: pathlib.Path) -> None:
    cache.load(tmp_path, "set", [], Decoder())
    entry = only_entry(tmp_path)
    (entry / "about.json").write_text(json.dumps({"sha256": "0", "num_classes": 3}))
    with pytest.warns(UserWarning, match="checksum differs"):
        cache.load(tmp_path, "set", [], Decoder())
    assert sorted(path.name for path in only_entry(tmp_path).iterdir()) == [
        "about.json",
        "images.npy",
        "labels.npy",
    ]


def test_a_cache_that_cannot_be_written_costs_a_warning_only(tmp_path: pathlib.Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="cannot keep decoded data"):
        assert_same(cache.load(tmp_path, "set", [], Decoder()))


def test_a_decoder_that_fails_leaves_no_entry(tmp_path: pathlib.Path) -> None:
    def fail() -> Pixels:
        raise UserError("truncated")

    with pytest.raises(UserError):
        cache.load(tmp_path, "set", [], fail)
    assert not (tmp_path / "data").exists()


def _load_in_process(cache_dir: pathlib.Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # half an entry would show as a warning
        return cache.checksum(cache.load(cache_dir, "set", [], Decoder()))


def test_threads_that_start_together_all_get_whole_data(tmp_path: pathlib.Path) -> None:
    for attempt in range(20):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            sums = set(pool.map(_load_in_process, [tmp_path / str(attempt)] * 8))
        assert sums == {cache.checksum(PIXELS)}
        only_entry(tmp_path / str(attempt))


def test_a_stamp_changes_with_size_and_time(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    os.utime(path, ns=(0, 1_000))
    before = cache.file_stamps([path])
    os.utime(path, ns=(0, 2_000))
    touched = cache.file_stamps([path])
    path.write_bytes(b"abcd")
    os.utime(path, ns=(0, 2_000))
    assert len({str(stamp) for stamp in (before, touched, cache.file_stamps([path]))}) == 3


def test_checksum_tells_arrays_apart_by_shape_labels_and_classes() -> None:
    variants = [
        PIXELS,
        PIXELS._replace(images=PIXELS.images.reshape(6, 2, 8, 1)),
        PIXELS._replace(labels=PIXELS.labels[::-1].copy()),
        PIXELS._replace(num_classes=4),
    ]
    assert len({cache.checksum(pixels) for pixels in variants}) == len(variants)
