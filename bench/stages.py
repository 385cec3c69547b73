"""Where the time of a work goes: stages by function, without touching what is measured."""

from __future__ import annotations

import functools
import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def spent() -> tuple[float, float]:
    """Return wall clock and processor seconds of this process and the children that have ended."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, _CHILDREN))
    busy = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return time.perf_counter(), busy


_CHILDREN = resource.RUSAGE_CHILDREN


class Stages:
    """Adds up what stages take, each without those within it: their sum is the whole."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = {}
        """Wall clock and processor seconds by stage."""
        self._within: list[list[float]] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens in the block, but for stages of its own, to a stage."""
        begun = spent()
        self._within.append([0.0, 0.0])
        try:
            yield
        finally:
            took = [now - then for now, then in zip(spent(), begun, strict=True)]
            inner = self._within.pop()
            held = self.taken.setdefault(name, [0.0, 0.0])
            for number, whole in enumerate(took):
                held[number] += whole - inner[number]
                if self._within:
                    self._within[-1][number] += whole

    def watch(self, place: Any, function: str, name: str) -> None:
        """Count a function, or what a generator yields, wherever it is called through ``place``."""
        called: Callable[..., Any] = getattr(place, function)

        @functools.wraps(called)
        def counted(*given: Any, **named: Any) -> Any:
            with self.stage(name):
                found = called(*given, **named)
                return list(found) if hasattr(found, "__next__") else found

        setattr(place, function, counted)

    def told(self) -> dict[str, dict[str, float]]:
        """Return seconds by stage, rounded."""
        return {
            name: {"s": round(wall, 3), "processor_s": round(busy, 3)}
            for name, (wall, busy) in self.taken.items()
        }


def peak_mib() -> int:
    """Return the most memory this process has held; rusage knows that of whoever started it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024
