"""A step in a process of its own that is killed at a chosen point: statement, write, request, time.

A fork of a process that has everything loaded, so that a kill costs a fraction of a second.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session

from detectors.errors import ScarpwatchError

#: Where a step can be killed.
KINDS = ("statement", "file", "request", "moment")
#: Longest that a step may take before it counts as hanging, seconds.
PATIENCE_S = 120.0
#: What changes files, as the interpreter tells before it does it.
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.truncate"}


@dataclass(frozen=True, slots=True)
class Point:
    """Where a step is killed."""

    kind: str
    """One of ``KINDS``."""
    number: int
    """Which statement, write or request, from 1 on; milliseconds of a moment."""
    when: str = "before"
    """Of a request: ``before``, ``half`` or ``after``."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a step."""

    killed: bool
    """It did not come to its end."""
    seconds: float
    """How long it took."""
    points: Mapping[str, int]
    """How many points of each kind it came by, where it came to its end."""
    error: str | None = None
    """What it raised."""
    named: bool = True
    """Whether that was one of ``detectors.errors``."""


def die() -> None:
    """End this process at once, as if the machine had gone."""
    os.kill(os.getpid(), signal.SIGKILL)


class Trap:
    """Counts the points a step comes by, and does something at one of them."""

    def __init__(self, folder: Path, point: Point | None, act: Callable[[], None] = die) -> None:
        self.seen: Counter[str] = Counter()
        self._folder, self._point, self._act = str(folder), point, act

    def reach(self, kind: str) -> None:
        """Come by a point."""
        self.seen[kind] += 1
        at = self._point
        if at is not None and (at.kind, at.number) == (kind, self.seen[kind]):
            self._act()

    def set(self) -> None:
        """Set it, for the rest of this process."""
        for name in ("before_cursor_execute", "after_cursor_execute", "commit"):
            event.listen(Engine, name, lambda *_: self.reach("statement"))
        event.listen(Session, "after_commit", lambda *_: self.reach("statement"))
        sys.addaudithook(self._heard)

    def _heard(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in _CHANGES:
            path = arguments[0]
        elif name == "open" and isinstance(arguments[2], int):
            changes = os.O_WRONLY | os.O_RDWR | os.O_CREAT
            path = arguments[0] if arguments[2] & changes else None
        else:
            return
        if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(self._folder):
            self.reach("file")


def run(
    step: Callable[[], object], folder: Path, point: Point | None = None,
    told: Callable[[int], None] = lambda _: None, act: Callable[[], None] = die,
) -> Ran:  # fmt: skip
    """Run a step in a fork of this process, and kill it at a point of it, or do something else.

    Args:
        step: what to do; this process must have one thread and no open connection.
        folder: state folder, whose files count.
        point: where; None lets it come to its end.
        told: called with the number of the process before it begins.
        act: what happens at the point, in the fork.
    """
    ours, its = os.pipe()
    go, begin = os.pipe()
    began = time.monotonic()
    pid = os.fork()
    if pid == 0:
        os.close(ours)
        os.close(begin)
        os.read(go, 1)
        _child(step, Trap(folder, point, act), its)
    os.close(its)
    os.close(go)
    limit = PATIENCE_S
    if point is not None and point.kind == "moment":
        limit = point.number / 1000
    answer, hung = b"", False
    try:
        told(pid)
        os.write(begin, b"g")
        os.close(begin)
        answer, hung = _read(ours, limit)
        os.close(ours)
    finally:
        # Also where this process is told to end meanwhile.
        if not answer:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    took = time.monotonic() - began
    if hung and (point is None or point.kind != "moment"):
        return Ran(True, took, {}, f"no end within {PATIENCE_S:g} s", named=False)
    if not answer:
        return Ran(os.WIFSIGNALED(status), took, {})
    told_of = json.loads(answer)
    return Ran(False, took, told_of["points"], told_of.get("error"), told_of.get("named", True))


def _read(pipe: int, limit: float) -> tuple[bytes, bool]:
    """Return all that a pipe holds until it is closed, and whether that took too long."""
    deadline, answer = time.monotonic() + limit, b""
    while True:
        ready, _, _ = select.select([pipe], [], [], max(deadline - time.monotonic(), 0))
        if not ready:
            return b"", True
        part = os.read(pipe, 65536)
        if not part:
            return answer, False
        answer += part


def _child(step: Callable[[], object], trap: Trap, its: int) -> None:
    told: dict[str, Any] = {}
    try:
        os.setsid()
        # Logs go nowhere: a file they went to would be full when the disk is.
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.stdout = sys.stderr = os.fdopen(nowhere, "w")
        trap.set()
        step()
    except ScarpwatchError as error:
        told = {"error": f"{type(error).__name__}: {error}", "named": True}
    except BaseException:  # noqa: BLE001 - the process ends here, and its parent must hear of it
        told = {"error": traceback.format_exc()[-3000:], "named": False}
    told["points"] = dict(trap.seen)
    with os.fdopen(its, "w") as out:
        out.write(json.dumps(told))
    os._exit(0)


def draw(chance: random.Random, points: Mapping[str, int], seconds: float) -> Point:
    """Return a random point of a step that comes by so many of them where nobody disturbs it.

    Draws equally often whatever it is told, so that a seed draws the same on a slower machine.
    """
    which, place, when = (
        chance.random(),
        chance.random(),
        chance.choice(("before", "half", "after")),
    )
    kinds = [kind for kind in KINDS[:3] if points.get(kind)]
    # A moment is half as likely as each of the others.
    number = int(which * (2 * len(kinds) + 1) / 2)
    if number == len(kinds):
        return Point("moment", 1 + int(place * seconds * 1000))
    return Point(kinds[number], 1 + int(place * points[kinds[number]]), when)
