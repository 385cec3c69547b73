"""Files that several regions' judgements share: whole or not there, bounded, soon forgotten.

A shelf belongs to one machine, as its folder does, and so do its locks: the kernel's, which end
with the process that holds them. What is on it can be had again from where it came, so that
nothing is lost with a file, and a damaged one counts as missing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

#: Lock files; they are never removed, and two keys may have one.
LOCKS = 256
#: A process looks for what has to go whenever it wrote so much, bytes.
PRUNE_EVERY = 128 * 1024 * 1024
_CHECK = 4


def digest(*parts: object) -> str:
    """Return the key of something made of plain values and bytes."""
    made = hashlib.sha256()
    for part in parts:
        content = part if isinstance(part, bytes | memoryview) else repr(part).encode()
        made.update(f"{len(content)}:".encode())
        made.update(content)
    return made.hexdigest()


@dataclass(slots=True)
class Shelf:
    """A folder of files by key."""

    folder: Path
    """Made when first written to."""
    most: int
    """Bytes that stay; the ones used longest ago go first."""
    keep: timedelta
    """How long something stays after it was last used."""
    hits: int = 0
    """Files that were there."""
    misses: int = 0
    """Files that were not."""
    _written: int = field(default_factory=lambda: random.randrange(PRUNE_EVERY))  # noqa: S311
    """Begun anywhere: of processes that each write little, one looks when all wrote so much."""

    def get(self, key: str) -> bytes | None:
        """Return what is there by a key; None where nothing is, or it was damaged."""
        path = self._path(key)
        with suppress(OSError):
            content = path.read_bytes()
            body = memoryview(content)[_CHECK:]
            if zlib.crc32(body).to_bytes(_CHECK, "big") == content[:_CHECK]:
                os.utime(path)
                self.hits += 1
                return content[_CHECK:]
        self.misses += 1
        return None

    def put(self, key: str, content: bytes) -> None:
        """Keep something; a disk that is full costs the sharing and nothing else."""
        path = self._path(key)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(zlib.crc32(content).to_bytes(_CHECK, "big") + content)
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return
        self._written += len(content)
        if self._written >= PRUNE_EVERY:
            self._written = 0
            self.prune()

    @contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Let one process of this machine at a time work at a key; others wait."""
        locks = self.folder / "locks"
        try:
            locks.mkdir(parents=True, exist_ok=True)
            held = os.open(locks / f"{int(key[:8], 16) % LOCKS}", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            yield  # no disk to write to: nothing will be shared
            return
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            yield
        finally:
            os.close(held)

    def prune(self) -> int:
        """Remove what is too old or too much; return how many bytes stay."""
        found = []
        for path in self.folder.glob("??/*"):
            with suppress(OSError):
                told = path.stat()
                found.append((told.st_mtime, told.st_size, path))
        oldest, stays = time.time() - self.keep.total_seconds(), 0
        for used, size, path in sorted(found, reverse=True):
            if used < oldest or stays + size > self.most:
                with suppress(OSError):
                    path.unlink()
            else:
                stays += size
        return stays

    def _path(self, key: str) -> Path:
        return self.folder / key[:2] / key[2:]
