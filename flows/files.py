"""Files that are there as a whole or not at all, whenever a process is killed."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under another name beside it, and give it its own once it is on the disk."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def sweep_parts(folder: Path) -> int:
    """Remove what killed processes of this machine left half-written; return how many files."""
    gone = 0
    for part in folder.glob(".*.part"):
        if is_written(part) is False:
            part.unlink(missing_ok=True)
            gone += 1
    return gone


def is_written(part: Path) -> bool | None:
    """Tell whether the process that writes a part, named in it, is still there; None: no name."""
    writer = part.name.split(".")[-2]
    return Path("/proc", writer).exists() if writer.isdigit() else None


def move_whole(part: Path, path: Path) -> None:
    """Give a finished file its name in another folder, once file and name are on the disk.

    Args:
        part: on the same file system; it is gone afterwards.
        path: what was there is replaced; its folder is made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sync(part)
    part.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
