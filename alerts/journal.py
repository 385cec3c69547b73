"""A file of JSON lines that survives ``kill -9`` and knows which keys it has taken.

Used by the file channel and by the receiver. Every line holds ``inbox``, ``received_at``,
``receipt``, ``key``, ``repeated``, ``exercise`` and ``body``.
"""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def read(path: Path) -> list[dict[str, Any]]:
    """Return all whole lines, oldest first; a file that is not there yet has none.

    Raises:
        OSError: the file is there and cannot be read.
    """
    try:
        return _parse(path.read_bytes())
    except FileNotFoundError:
        return []


def record(
    path: Path, key: str, body: Any, *, inbox: str, exercise: bool, keep_repeats: bool
) -> tuple[dict[str, Any], bool]:
    """Take one message and make it durable before returning.

    The file is read as a whole each time: right for drills, demos and small agencies.

    Args:
        path: The file; its folder must exist.
        key: Idempotency key.
        body: What came, JSON-able.
        inbox: Keys are unique within an inbox: two targets may take the same alert.
        exercise: Whether it was marked as an exercise.
        keep_repeats: Write a line for a repeated key too, marked ``repeated``.

    Returns:
        The first line with this key, which is the receipt, and whether it was there before.

    Raises:
        OSError: the file cannot be written.
    """
    with path.open("a+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        content = file.read()
        known = (line for line in _parse(content) if (line["inbox"], line["key"]) == (inbox, key))
        first = next(known, None)
        repeated = first is not None
        line = {
            "inbox": inbox,
            "received_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "receipt": str(uuid.uuid4()) if first is None else first["receipt"],
            "key": key,
            "repeated": repeated,
            "exercise": exercise,
            "body": body,
        }
        if not repeated or keep_repeats:
            # A writer killed in mid-line leaves a torn one: it is closed off, and never read.
            start = b"\n" if content and not content.endswith(b"\n") else b""
            file.write(start + json.dumps(line, allow_nan=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    return (line if first is None else first), repeated


def _parse(content: bytes) -> list[dict[str, Any]]:
    lines = []
    for raw in content.splitlines():
        try:
            line = json.loads(raw)
        except ValueError:
            continue
        if isinstance(line, dict) and {"inbox", "key", "receipt", "received_at"} <= line.keys():
            lines.append(line)
    return lines
