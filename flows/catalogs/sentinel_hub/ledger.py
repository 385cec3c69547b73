"""The file behind the budget: one SQLite file, one writer at a time, whatever the process."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from weakref import finalize

from detectors.errors import CatalogueUnavailable

FILE_NAME = "sentinel-hub.sqlite"
_BUSY_S = 30.0

_TABLES = """
create table if not exists month (
    account text, month text, requests integer not null, units real not null,
    primary key (account, month));
create table if not exists recent (
    id integer primary key, account text, at real not null, units real not null,
    open_until real not null);
create table if not exists held (
    account text primary key, until real not null, refused_until real not null);
"""


class Ledger:
    """Opened for each transaction, so that forks and threads need no care."""

    def __init__(self, folder: Path | None) -> None:
        """Open nothing yet.

        Args:
            folder: where the file lies; None = memory of this object.
        """
        self._path = folder / FILE_NAME if folder else None
        self._lock = threading.Lock()
        self._memory: sqlite3.Connection | None = None
        if folder is None:
            self._memory = sqlite3.connect(
                ":memory:", isolation_level=None, check_same_thread=False
            )
            finalize(self, self._memory.close)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock of the file; one process at a time gets in."""
        with self._lock:
            file = None
            try:
                file = self._memory or self._open()
                file.executescript(_TABLES)
                file.execute("begin immediate")
                try:
                    yield file
                except BaseException:
                    file.execute("rollback")
                    raise
                file.execute("commit")
            except (sqlite3.Error, OSError) as error:
                where = self._path or "memory"
                raise CatalogueUnavailable(f"what was spent ({where}): {error}") from error
            finally:
                if file is not None and file is not self._memory:
                    file.close()

    def _open(self) -> sqlite3.Connection:
        assert self._path is not None  # noqa: S101 - otherwise there is the memory
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return sqlite3.connect(self._path, timeout=_BUSY_S, isolation_level=None)
