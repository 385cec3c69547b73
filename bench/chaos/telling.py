"""How a run of chaos is told: kept as it goes, so that one broken off keeps its figures."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from rich.console import Console

from flows.files import write_whole

#: How often a run that goes on is written, seconds.
EVERY_S = 5.0


@dataclass
class Run:
    """One run of a module: what it has done so far."""

    module: str
    """That runs."""
    wanted: argparse.Namespace
    """With ``minutes``, ``write`` (a file, or None) and ``json``."""
    found: Callable[[], Mapping[str, Any]]
    """The figures so far."""
    show: Callable[[Console], None]
    """Prints them for people."""
    began: float = field(default_factory=time.monotonic)
    loads: list[float] = field(default_factory=list)
    """Of the machine while it ran: mean of the last minute, each time it was asked."""
    written: float = 0.0

    @property
    def deadline(self) -> float:
        """Moment of ``time.monotonic`` after which nothing new begins."""
        return self.began + float(self.wanted.minutes) * 60

    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() > self.deadline

    def keep(self, ended: str | None = None) -> dict[str, Any]:
        """Write how far it came, now and then, and at the end.

        Args:
            ended: why; None: it still runs.
        """
        now = time.monotonic()
        if ended is None and now - self.written < EVERY_S:
            return {}
        self.written = now
        self.loads.append(os.getloadavg()[0])
        result = {
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "load": [round(one, 1) for one in (min(self.loads), max(self.loads))],
            "command": f"python -m {self.module} {' '.join(sys.argv[1:])}",
            "ended": ended or "not yet, or killed",
            "wall_seconds": round(now - self.began),
            **self.found(),
        }
        if self.wanted.write:
            write_whole(self.wanted.write, (json.dumps(result, indent=2) + "\n").encode())
        return result

    @contextmanager
    def told(self) -> Iterator[None]:
        """Tell at the end what came of it, also of a run that is ended by a signal."""

        def stop(number: int, _: FrameType | None) -> None:
            raise KeyboardInterrupt(signal.Signals(number).name)

        ours, ended = os.getpid(), "by an error of its own"
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        try:
            yield
            ended = "out of time" if self.over() else "done"
        except KeyboardInterrupt as stopped:
            ended = f"broken off by {stopped}"
        finally:
            if os.getpid() == ours:
                result = self.keep(ended)
                if self.wanted.json:
                    sys.stdout.write(json.dumps(result) + "\n")
                else:
                    console = Console()
                    console.print(f"Ended: {ended}.", markup=False)
                    self.show(console)


def add_words(parser: argparse.ArgumentParser, kept: Path) -> None:
    """Add the words that every run takes.

    Args:
        parser: of the command.
        kept: file of the figures, where the command names none.
    """
    parser.add_argument("--minutes", type=float, default=240, help="begin nothing new afterwards")
    parser.add_argument(
        "--write", nargs="?", type=Path, const=kept, metavar="FILE",
        help=f"write the figures as they come, to bench/results/{kept.name} or FILE",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="for machines")
