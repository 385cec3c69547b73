"""Which processes belong to one database cluster, told from everybody else's.

A cluster's server carries the cluster's name on its command line, and PostgreSQL puts the name into
the title of each of its children. A process is ours only if it runs under the owner of the data and
carries that name: a process number out of an old file proves nothing, it may have been given away.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

PROC = Path("/proc")
POLL_S = 0.02


def processes(name: str, uid: int) -> list[int]:
    """Return the live processes of the cluster ``name`` under user ``uid``."""
    return [
        int(entry.name)
        for entry in PROC.iterdir()
        if entry.name.isdigit() and _is_ours(entry, name.encode(), uid)
    ]


def _is_ours(entry: Path, name: bytes, uid: int) -> bool:
    try:
        # A dead process that nobody has waited for has an empty command line.
        words = (entry / "cmdline").read_bytes()
        return name in words and entry.stat().st_uid == uid and _command(entry) == b"postgres"
    except OSError:
        return False  # it ended while we looked


def _command(entry: Path) -> bytes:
    return (entry / "comm").read_bytes().strip()


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Return whether a condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def end_all(name: str, uid: int, patience_s: float) -> bool:
    """See off processes whose server is gone: wait, then ask, then kill.

    Backends leave by themselves once they notice that their server is dead; one in the middle of a
    long statement does not notice. What such a backend had not committed is lost either way.

    Returns:
        Whether all are gone.
    """

    def gone() -> bool:
        return not processes(name, uid)

    if wait_until(gone, patience_s):
        return True
    for step in (signal.SIGTERM, signal.SIGKILL):
        for pid in processes(name, uid):
            send(pid, step)
        if wait_until(gone, patience_s):
            return True
    return False


def send(pid: int, what: signal.Signals) -> None:
    """Signal a process that may have ended."""
    try:
        os.kill(pid, what)
    except ProcessLookupError:
        return
