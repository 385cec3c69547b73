"""A command that runs until it is told to end, with all it says in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: Loaded machines take their time; whoever waits goes on as soon as it is done.
PATIENCE = 240


class Begun:
    """A process under way; ``kill`` it at the end of a test, whatever became of it."""

    def __init__(self, command: Sequence[str], output: Path) -> None:
        self._output = output
        with output.open("wb") as sink:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=os.environ, stdin=subprocess.DEVNULL, stdout=sink,
                stderr=sink,
            )  # fmt: skip

    def said(self) -> str:
        """Return all it said so far."""
        return self._output.read_text()

    def until(self, words: str) -> str:
        """Wait until it has said some words; returns all it said."""
        deadline = time.monotonic() + PATIENCE
        while words not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)
        return self.said()

    def end(self) -> int:
        """Tell it to end, as systemd would; returns its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kill(self) -> None:
        """End it without asking."""
        self.process.kill()
        self.process.wait()
