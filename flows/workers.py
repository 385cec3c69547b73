"""Names of workers, whether a worker of this machine still lives, and parents and orphans.

A lease protects work from a dead worker anywhere; on the same machine its end need not be waited
for, because the dead can be told from the living.
"""

from __future__ import annotations

import ctypes
import os
import signal
import uuid
from pathlib import Path

#: The checkout or site-packages.
ROOT = Path(__file__).resolve().parents[1]
_PROC = Path("/proc")


def machine() -> str:
    """Return a name for where process numbers mean something: this boot, this container."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = (_PROC / "self/ns/pid").stat().st_ino
    except OSError:
        # Without /proc nobody is ever declared dead; leases run out as everywhere else.
        return f"unknown-{uuid.uuid4().hex}"
    return f"{boot}-{space}"


def _started(pid: int) -> str | None:
    """Return when a process was started, in clock ticks since boot; None where there is none."""
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    # The name in brackets may hold blanks; the state and the rest follow its last bracket.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def worker_name() -> str:
    """Return a name that no other worker has or will have."""
    pid = os.getpid()
    return "/".join((machine(), str(pid), str(_started(pid)), uuid.uuid4().hex[:8]))


def is_dead(owner: str) -> bool:
    """Tell whether a worker is known to be dead: of this machine, and its process is gone."""
    try:
        where, pid, started, _ = owner.split("/")
        return where == machine() and _started(int(pid)) != started
    except ValueError:
        return False


def end_with_parent(how: signal.Signals = signal.SIGTERM) -> None:
    """Ask Linux to end this new process when the one that started it is gone, even by kill -9."""
    death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(death_signal, how)


def adopt_orphans() -> None:
    """Become the parent of what the children of this process leave behind, which init was.

    In a container nobody might be there to clear away what has ended.
    """
    child_subreaper = 36  # PR_SET_CHILD_SUBREAPER
    ctypes.CDLL(None).prctl(child_subreaper, 1)


def end_within(seconds: int) -> None:
    """End this process after so many seconds, whatever it waits for then, as SIGTERM would.

    For a process that was told to end and whose libraries may not let go; as safe as kill -9.
    """
    signal.signal(signal.SIGALRM, lambda *_: os._exit(128 + signal.SIGTERM))
    signal.alarm(seconds)
