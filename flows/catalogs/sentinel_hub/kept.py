"""Rendered pixels on disk: what was paid for once is not paid for again.

A radar look is compared with ten earlier ones, and the next look with nine of the same. Answers are
kept as they came, by what was asked; the least recently used go first when the room is spent.
Deleting the folder costs nothing but processing units.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

FOLDER_NAME = "sentinel-hub"
_SUFFIX = ".answer"
#: Pruned down to this share, so that not every answer starts a pruning.
_SLACK = 0.9


class Kept:
    """A folder of answers with a bound on its size; processes may share it."""

    def __init__(self, folder: Path | None, most_bytes: float) -> None:
        """Keep nothing where there is no folder or no room."""
        self._folder = folder / FOLDER_NAME if folder and most_bytes > 0 else None
        self._most = most_bytes

    def get(self, key: str) -> bytes | None:
        """Return an answer, None where it is not kept."""
        if self._folder is None:
            return None
        path = self._folder / f"{key}{_SUFFIX}"
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        return content

    def put(self, key: str, content: bytes) -> None:
        """Keep an answer; a disk that will not take it is no reason to lose the look."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as file:
                file.write(content)
            Path(file.name).replace(self._folder / f"{key}{_SUFFIX}")
            self._prune(self._folder)

    def forget(self, key: str) -> None:
        """Drop an answer that turned out to be broken."""
        if self._folder is not None:
            (self._folder / f"{key}{_SUFFIX}").unlink(missing_ok=True)

    def _prune(self, folder: Path) -> None:
        files = []
        for path in folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        if total <= self._most:
            return
        for _, size, path in sorted(files):
            path.unlink(missing_ok=True)
            total -= size
            if total <= self._most * _SLACK:
                return
