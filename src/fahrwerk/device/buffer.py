"""Readings that could not be sent yet, on disk: bounded, oldest dropped first and counted."""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MOST = 50_000
"""About six days at a reading every ten seconds, 10 MB."""
_log = logging.getLogger(__name__)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS reading (id INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS dropped (one INTEGER PRIMARY KEY CHECK (one = 1), readings INTEGER);
INSERT OR IGNORE INTO dropped VALUES (1, 0);
"""


class Buffer:
    """A queue of encoded readings. SQLite's journal sees to power cuts."""

    def __init__(self, path: Path, most: int = MOST) -> None:
        """``most`` readings are kept. A file that is damaged is put aside and begun anew."""
        self._path, self._most = path, most
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            broken = path.with_name(f"{path.name}.broken")
            _log.error("%s is damaged (%s): put aside as %s", path, error, broken.name)
            path.replace(broken)
            for rest in ("-wal", "-shm"):
                path.with_name(path.name + rest).unlink(missing_ok=True)
            self._open()

    def _open(self) -> None:
        self._db = sqlite3.connect(self._path, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
            self._count = int(next(self._db.execute("SELECT count(*) FROM reading"))[0])
        except sqlite3.DatabaseError:
            self._db.close()
            raise

    def close(self) -> None:
        """Nothing is lost by not calling it."""
        self._db.close()

    def __len__(self) -> int:
        return self._count

    @property
    def dropped(self) -> int:
        """How many readings were dropped in all its life, because it was full."""
        [[dropped]] = self._db.execute("SELECT readings FROM dropped")
        return int(dropped)

    def add(self, bodies: list[bytes]) -> None:
        """Keep these; when there are too many, the oldest go, and that is counted and logged."""
        if not bodies:
            return
        over = 0
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany(
                "INSERT INTO reading (body) VALUES (?)", [(body,) for body in bodies]
            )
            over = max(0, self._count + len(bodies) - self._most)
            if over:
                self._db.execute(
                    "DELETE FROM reading WHERE id IN (SELECT id FROM reading ORDER BY id LIMIT ?)",
                    (over,),
                )
                self._db.execute("UPDATE dropped SET readings = readings + ?", (over,))
        self._count += len(bodies) - over
        if over:
            _log.warning("the buffer is full: %d oldest readings dropped", over)

    def oldest(self, most: int) -> list[tuple[int, bytes]]:
        """The oldest ones, with the numbers to forget them by."""
        found = self._db.execute("SELECT id, body FROM reading ORDER BY id LIMIT ?", (most,))
        return [(number, bytes(body)) for number, body in found]

    def forget(self, up_to: int) -> None:
        """These have been delivered: up to this number and with it."""
        with self._db:
            gone = self._db.execute("DELETE FROM reading WHERE id <= ?", (up_to,))
        self._count -= gone.rowcount
