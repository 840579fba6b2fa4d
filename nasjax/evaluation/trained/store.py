"""Keeps results of trained candidates on disk, so that no candidate is trained twice.

The key of a result is a digest of everything that it depends on (architecture, recipe, data
fingerprint, seed, engine version). The file is SQLite with a rollback journal: concurrent processes
may share it, also on network file systems without shared memory.
"""

import logging
import pathlib
import sqlite3
import weakref
from typing import NamedTuple

import numpy as np

from nasjax.errors import UserError
from nasjax.files import digest_of_json
from nasjax.types import STATUSES

_SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
  key TEXT PRIMARY KEY,          -- digest of all the result depends on
  architecture TEXT NOT NULL,    -- for people: in words
  status INTEGER NOT NULL,       -- index of nasjax.types.STATUSES
  counts BLOB NOT NULL,          -- uint8 [P], correct images of each fixed validation batch
  correct INTEGER NOT NULL,      -- correct images of the whole validation split
  seconds REAL NOT NULL,         -- training time, compilation left out
  digest TEXT                    -- of the row; NULL in rows of earlier versions
) WITHOUT ROWID
"""


class Result(NamedTuple):
    """The result of training a candidate, as in `_SCHEMA`; counts: uint8 [P]."""

    status: int
    counts: np.ndarray
    correct: int
    seconds: float


class ResultStore:
    """A dictionary of results that outlives the process; not shared between threads.

    Raises:
      UserError: the file cannot be opened, read or written, or is not a result store.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60, isolation_level=None)
            weakref.finalize(self, self._connection.close)  # where nobody calls `close`
            self._connection.execute("BEGIN IMMEDIATE")  # fails now, not after the first training
            self._connection.execute(_SCHEMA)
            columns = self._connection.execute("PRAGMA table_info(results)").fetchall()
            if "digest" not in {column[1] for column in columns}:
                self._connection.execute("ALTER TABLE results ADD COLUMN digest TEXT")
            self._connection.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise self._trouble("open", error) from error

    def get(self, key: str) -> Result | None:
        """The result under a key, or None; a damaged one is removed with a warning."""
        query = "SELECT status, counts, correct, seconds, digest FROM results WHERE key = ?"
        try:
            row = self._connection.execute(query, (key,)).fetchone()
            if row is None or _is_whole(key, *row):
                return row and Result(row[0], np.frombuffer(row[1], np.uint8), row[2], row[3])
            self._connection.execute("DELETE FROM results WHERE key = ?", (key,))
        except sqlite3.Error as error:
            raise self._trouble("read", error) from error
        logging.warning("%s: a damaged result is removed and trained again", self.path)
        return None

    def put(self, key: str, architecture: str, result: Result) -> None:
        """Keeps a result; if the key has one already, that one stays."""
        status, correct, seconds = int(result.status), int(result.correct), float(result.seconds)
        counts = result.counts.tobytes()
        sealed = _digest(key, status, counts, correct, seconds)
        row = (key, architecture, status, counts, correct, seconds, sealed)
        insert = "INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)"
        try:
            self._connection.execute(insert, row)
        except sqlite3.Error as error:
            raise self._trouble("write to", error) from error

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def _trouble(self, verb: str, error: Exception) -> UserError:
        why = " ".join(str(error).splitlines())  # SQLite quotes what it does not understand
        return UserError(
            f"cannot {verb} the result store {self.path}: {why}; make room or move it "
            "away, choose another place with --cache_dir, or go without it by --nostore"
        )


def _digest(key: str, status: int, counts: bytes, correct: int, seconds: float) -> str:
    return digest_of_json([key, status, counts.hex(), correct, seconds])[:16]


def _is_whole(
    key: str, status: object, counts: object, correct: object, seconds: object, sealed: str | None
) -> bool:
    """Whether a row is as it was written; one of an earlier version, whether it can be a result."""
    if not (isinstance(status, int) and isinstance(counts, bytes) and isinstance(correct, int)):
        return False
    if not isinstance(seconds, float) or status not in range(len(STATUSES)) or correct < 0:
        return False
    return sealed is None or sealed == _digest(key, status, counts, correct, seconds)
