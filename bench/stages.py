"""Where the time of a work goes: stages by function, without touching what is measured."""

from __future__ import annotations

import functools
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, cast

from rich.table import Table


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

    def each[T](self, items: Iterator[T], name: str) -> Iterator[T]:
        """Count what it takes until an iterator gives its items."""
        over: object = object()
        while True:
            with self.stage(name):
                item = next(items, over)
            if item is over:
                return
            yield cast("T", item)

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


def headed(module: str, rounds: int) -> dict[str, Any]:
    """Return what a result says of its run."""
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "data": "SIMULATED", "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1), "rounds": rounds,
        "command": f"python -m {module} {' '.join(sys.argv[1:])}".strip(),
    }  # fmt: skip


def middle(runs: Iterable[dict[str, Any]], *path: str) -> float:
    """Return the median of a figure over the rounds; a stage that a round lacks took nothing."""
    found = []
    for run in runs:
        value: Any = run
        for key in path:
            value = value.get(key, {}) if isinstance(value, dict) else value
        found.append(float(value or 0.0))
    return round(median(found), 3)


def beside(ours: Sequence[dict[str, Any]], bare: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return medians of the rounds by stage and as a whole, ours beside the bare work."""
    told: dict[str, Any] = {}
    for part, runs in (("stages", ours), ("bare", bare)):
        told[part] = {
            stage: {what: middle(runs, "stages", stage, what) for what in ("s", "processor_s")}
            for stage in dict.fromkeys(stage for run in runs for stage in run["stages"])
        }
    for what in ("s", "processor_s"):
        mine, theirs = middle(ours, what), middle(bare, what)
        told[what] = {"ours": mine, "bare": theirs, "overhead": round(mine / theirs, 2)}
    return told


def stage_table(rows: Sequence[dict[str, Any]], *more: str) -> Table:
    """Return a table of stages by size: seconds of the clock and of the processor."""
    table = Table("SIMULATED", *(f"{row['km2']:g} km2: s, processor s" for row in rows))

    def line(name: str, cells: Iterable[tuple[float, float] | None]) -> None:
        table.add_row(
            name, *("-" if one is None else "{:.2f}, {:.2f}".format(*one) for one in cells)
        )

    for part, before in (("stages", ""), ("bare", "bare: ")):
        for stage in dict.fromkeys(stage for row in rows for stage in row[part]):
            found = (row[part].get(stage) for row in rows)
            line(before + stage, (one and (one["s"], one["processor_s"]) for one in found))
    for what in ("ours", "bare", "overhead", *more):
        line(what, ((row["s"][what], row["processor_s"][what]) for row in rows))
    return table
