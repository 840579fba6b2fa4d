"""Files are whole or not there, and digests are the published function."""

import hashlib
import io
import json
import pathlib
import zipfile

import numpy as np
import pytest

from nasjax import files
from nasjax.errors import UserError


def names(directory: pathlib.Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_holds_what_was_saved_and_its_folder_is_made(tmp_path) -> None:
    path = tmp_path / "a" / "b.bin"
    assert files.write(path, lambda file: file.write(b"whole")) == path
    assert path.read_bytes() == b"whole" and names(path.parent) == ["b.bin"]


def test_an_error_while_saving_leaves_the_file_as_it_was(tmp_path) -> None:
    path = tmp_path / "a.txt"
    files.write_text(path, "before")

    def save(file) -> None:
        file.write(b"half of ")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        files.write(path, save)
    assert path.read_text() == "before"
    assert files.write_text(path, "after").read_text() == "after"
    assert names(tmp_path) == ["a.txt"]


def test_an_error_while_saving_a_new_file_leaves_none(tmp_path) -> None:
    with pytest.raises(ZeroDivisionError):
        files.write(tmp_path / "a.txt", lambda file: 1 // 0)
    assert not (tmp_path / "a.txt").exists()


def test_a_full_disk_is_one_line_and_leaves_the_file_as_it_was(tmp_path, monkeypatch) -> None:
    path = files.write_json(tmp_path / "a.json", {"a": 1})
    opened = pathlib.Path.open

    def full(self: pathlib.Path, mode: str):
        """Linux's device on which every write finds no space."""
        assert (self.name, mode) == (".a.json", "xb")
        return opened(pathlib.Path("/dev/full"), "wb")

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, "open", full)
        with pytest.raises(UserError, match=r"cannot write .*a\.json: No space left on device"):
            files.write_json(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_folder_that_is_a_file_is_one_line(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write .*make room and try again"):
        files.write_text(tmp_path / "file" / "a.txt", "text")


def test_text_is_utf_8_and_json_ends_with_a_line_end(tmp_path) -> None:
    assert files.write_text(tmp_path / "a", "é→").read_bytes() == b"\xc3\xa9\xe2\x86\x92"
    assert (
        files.write_json(tmp_path / "b", {"x": [1]}).read_text() == '{\n  "x": [\n    1\n  ]\n}\n'
    )


def test_arrays_come_back_and_need_no_pickle(tmp_path) -> None:
    arrays = {"a": np.arange(6).reshape(2, 3), "b": np.array(0.5, np.float32)}
    path = files.write_npz(tmp_path / "a.npz", arrays)
    with np.load(path, allow_pickle=False) as found:
        assert sorted(found.files) == ["a", "b"]
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype
    with pytest.raises(ValueError, match="allow_pickle"):
        files.write_npz(tmp_path / "b.npz", {"objects": np.array([{}], dtype=object)})
    assert not (tmp_path / "b.npz").exists()


def test_the_digest_is_that_of_the_standard() -> None:
    # FIPS 180-4's example: one block, "abc"
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.digest(b"abc") == files.digest(b"a", b"", b"bc") == expected
    # and of nothing
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert files.digest() == empty


def test_the_digest_of_plain_data_is_of_its_sorted_json() -> None:
    value = {"b": [1, 2.5, None], "a": {"y": True, "x": "é"}}
    text = '{"a": {"x": "\\u00e9", "y": true}, "b": [1, 2.5, null]}'
    assert files.digest_of_json(value) == hashlib.sha256(text.encode()).hexdigest()
    turned = {"a": {"x": "é", "y": True}, "b": (1, 2.5, None)}  # a tuple is a list in JSON
    assert files.digest_of_json(turned) == files.digest_of_json(value)
    assert files.digest_of_json(value | {"b": [2, 1, None]}) != files.digest_of_json(value)


# --- reading -------------------------------------------------------------------------------------

ARRAYS = {
    "a": np.arange(12, dtype=np.int32).reshape(3, 4),
    "deep/b": np.linspace(0, 1, 7),
    "number": np.float64(2.5),
    "turned": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
}


def assert_equal(found, wanted) -> None:
    assert set(found) == set(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == np.asarray(array).dtype


def test_arrays_are_read_as_they_were_written(tmp_path) -> None:
    assert_equal(files.read_npz(files.write_npz(tmp_path / "a.npz", ARRAYS)), ARRAYS)


def test_arrays_without_a_digest_are_read(tmp_path) -> None:
    """As earlier versions wrote them."""
    np.savez_compressed(tmp_path / "a.npz", **ARRAYS)
    assert_equal(files.read_npz(tmp_path / "a.npz"), ARRAYS)
    np.savez(tmp_path / "empty.npz")
    with pytest.raises(ValueError, match="it holds no array"):
        files.read_npz(tmp_path / "empty.npz")


def test_every_damaged_byte_is_refused_or_changes_nothing() -> None:
    """A file of about 1,400 bytes: each byte flipped, and the file cut there."""
    content = files.npz_bytes(ARRAYS)
    refused = 0
    for place in range(len(content)):
        flipped = bytearray(content)
        flipped[place] ^= 0xFF
        for damaged in (bytes(flipped), content[:place]):
            try:
                assert_equal(files.read_npz(damaged), ARRAYS)
            except ValueError:
                refused += 1
    assert refused > len(content)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"\x93NUMPY", b"{}" * 400])
def test_what_is_no_archive_of_arrays_is_refused(content) -> None:
    with pytest.raises(ValueError, match=r"."):
        files.read_npz(content)


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def npy(descr: str, shape: tuple[int, ...], content: bytes) -> bytes:
    buffer = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + content


def test_objects_are_never_unpickled(tmp_path) -> None:
    class Trap:
        def __reduce__(self):
            return pathlib.Path.touch, (tmp_path / "executed",)

    np.savez(tmp_path / "a.npz", trap=np.array([Trap()], dtype=object))
    with pytest.raises(ValueError, match="object"):
        files.read_npz(tmp_path / "a.npz")
    assert not (tmp_path / "executed").exists()


def test_a_header_that_promises_more_than_there_is_takes_no_memory() -> None:
    with pytest.raises(ValueError, match="in 8 bytes"):
        files.read_npz(zipped(a=npy("<f8", (10**11,), bytes(8))))


def test_a_file_that_unpacks_to_too_much_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 2**20)
    with pytest.raises(ValueError, match="unpacks to more than 1 MiB"):
        files.read_npz(zipped(a=npy("|u1", (2**21,), bytes(2**21))))


@pytest.mark.parametrize("content", ["[" * 100_000, "", "{", "[1, 2]", "[]", "\x00"])
def test_damaged_json_is_named(tmp_path, content) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(UserError, match=r"a.json is damaged; remove it"):
        files.read_json(tmp_path / "a.json")


def test_a_link_in_the_files_place_is_replaced_and_never_followed(tmp_path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("report.html", ".report.html"):  # the file, and its partial one
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / name).symlink_to(victim)
    files.write_text(tmp_path / "run" / "report.html", "the report")
    assert victim.read_text() == "mine"
    assert (tmp_path / "run" / "report.html").read_text() == "the report"
