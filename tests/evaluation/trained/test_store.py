import pathlib
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from nasjax.errors import UserError
from nasjax.evaluation.trained.store import Result, ResultStore

ROOT = pathlib.Path(__file__).parents[3]
FIRST = Result(0, np.array([16, 0, 255], np.uint8), 431, 1.5)
OTHER = Result(2, np.zeros(3, np.uint8), 0, 2.5)
# Puts results w-0 ... w-49 of a writer w, and tries to put "shared" too.
WRITER = """
import pathlib, sys
import numpy as np
from nasjax.evaluation.trained.store import Result, ResultStore
store, writer = ResultStore(pathlib.Path(sys.argv[1])), sys.argv[2]
for i in range(50):
    store.put(f"{writer}-{i}", "a", Result(0, np.array([i], np.uint8), int(writer), 0.0))
store.put("shared", "a", Result(0, np.array([0], np.uint8), int(writer), 0.0))
"""


def test_a_result_is_read_back_as_it_was_put(tmp_path: pathlib.Path) -> None:
    store = ResultStore(tmp_path / "new" / "results.sqlite")
    assert store.get("key") is None
    store.put("key", "conv 16 k3 s1", FIRST)
    store.close()
    again = ResultStore(store.path)
    found = again.get("key")
    again.close()
    assert found is not None and found.counts.dtype == np.uint8
    assert_array_equal(found.counts, FIRST.counts)
    assert (found.status, found.correct, found.seconds) == (0, 431, 1.5)


def test_the_first_result_of_a_key_stays_and_all_connections_see_it(
    tmp_path: pathlib.Path,
) -> None:
    one, two = (ResultStore(tmp_path / "results.sqlite") for _ in range(2))
    one.put("key", "a", FIRST)
    two.put("key", "a", OTHER)
    for store in (one, two):
        found = store.get("key")
        store.close()
        assert found is not None and found.correct == 431


def test_processes_that_write_at_the_same_time_lose_nothing(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "results.sqlite"
    commands = [[sys.executable, "-c", WRITER, str(path), str(writer)] for writer in (1, 2)]
    processes = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    assert [process.wait() for process in processes] == [0, 0]
    store = ResultStore(path)
    found = [store.get(f"{writer}-{i}") for writer in (1, 2) for i in range(50)]
    shared = store.get("shared")
    store.close()
    assert all(result is not None for result in found) and shared is not None
    assert shared.correct in (1, 2)


def test_a_file_that_is_no_store_is_one_line(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "results.sqlite"
    path.write_bytes(b"no database " * 1000)
    with pytest.raises(UserError, match=r"cannot open the result store .*results\.sqlite: .*") as e:
        ResultStore(path)
    assert "--cache_dir" in str(e.value) and "\n" not in str(e.value)
    assert path.read_bytes() == b"no database " * 1000  # left for whoever can repair it


def test_another_table_is_one_line(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "results.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE results (key TEXT)")
    connection.close()
    store = ResultStore(path)
    with pytest.raises(UserError, match="cannot read the result store .*no such column"):
        store.get("key")
    with pytest.raises(UserError, match="cannot write to the result store"):
        store.put("key", "a", FIRST)
    store.close()


def test_a_place_that_is_no_folder_is_one_line(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot open the result store"):
        ResultStore(tmp_path / "file" / "results.sqlite")


def test_a_full_disk_is_one_line_and_keeps_what_was_there(tmp_path: pathlib.Path) -> None:
    store = ResultStore(tmp_path / "results.sqlite")
    store.put("key", "a", FIRST)
    (pages,) = store._connection.execute("PRAGMA page_count").fetchone()
    store._connection.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own full disk
    with pytest.raises(UserError, match="cannot write to .*database or disk is full; make room"):
        for i in range(1000):
            store.put(f"key {i}", "a" * 100, FIRST)
    assert store.get("key") is not None
    store.close()


@pytest.mark.parametrize(
    "change",
    [
        "status = 2",
        "status = 99",
        "status = 'ok'",
        "counts = 'text'",
        "counts = x'1000fe'",
        "correct = 430",
        "correct = -5",
        "seconds = 1.25",
        "digest = 'another'",
    ],
)
def test_a_damaged_row_is_removed_and_put_anew(
    tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    store = ResultStore(tmp_path / "results.sqlite")
    store.put("key", "a", FIRST)
    with sqlite3.connect(store.path) as damaging:
        damaging.execute(f"UPDATE results SET {change}")
    damaging.close()
    assert store.get("key") is None
    assert "a damaged result is removed and trained again" in caplog.text
    store.put("key", "a", FIRST)
    found = store.get("key")
    store.close()
    assert found is not None and found.correct == FIRST.correct


def test_a_store_of_an_earlier_version_is_read_and_goes_on(tmp_path: pathlib.Path) -> None:
    """Its rows had no digest; those that can be no result are left out."""
    path = tmp_path / "results.sqlite"
    with sqlite3.connect(path) as old:
        old.execute(
            "CREATE TABLE results (key TEXT PRIMARY KEY, architecture TEXT NOT NULL, status INTEGER"
            " NOT NULL, counts BLOB NOT NULL, correct INTEGER NOT NULL, seconds REAL NOT NULL)"
            " WITHOUT ROWID"
        )
        for key, correct in (("good", 431), ("bad", -1)):
            row = (key, "a", 0, FIRST.counts.tobytes(), correct, 1.5)
            old.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?)", row)
    old.close()
    store = ResultStore(path)
    store.put("new", "a", OTHER)
    good, bad, new = (store.get(key) for key in ("good", "bad", "new"))
    store.close()
    assert good is not None and good.correct == 431 and bad is None and new is not None
