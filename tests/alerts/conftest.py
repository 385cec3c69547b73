"""Real servers on loopback that behave, and some that do not."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message as Mail
from pathlib import Path

import pytest
from pydantic import SecretStr

from alerts.receiver import Receiver
from alerts.records import Channel
from alerts.sample import sample_alert
from detectors.types import Alert
from tests.rude import Threads


@pytest.fixture
def exercise() -> Alert:
    return sample_alert(datetime(2023, 1, 1, 14, 15, tzinfo=UTC))


@pytest.fixture
def live(exercise: Alert) -> Alert:
    return replace(exercise, exercise=False, landslide=replace(exercise.landslide, simulated=False))


@pytest.fixture
def channel() -> Callable[..., Channel]:
    def make(url: str, *, exercise: bool = True, secret: str | None = None) -> Channel:
        signing = None if secret is None else SecretStr(secret)
        return Channel("duty", SecretStr(url), exercise, secret=signing)

    return make


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with Receiver(tmp_path / "inbox.jsonl") as running:
        yield running


@pytest.fixture
def closed_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class MailServer:
    """A real SMTP server with an inbox."""

    port: int = 0
    accepts: bool = True
    """False refuses every message with 554, as a spam filter does."""
    greets: bool = True
    """False takes the connection and says nothing."""
    inbox: list[Mail] = field(default_factory=list)
    passwords_refused: int = 0


@pytest.fixture
def mail_server() -> Iterator[MailServer]:
    state, over = MailServer(), threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def _say(self, line: str) -> None:
            self.wfile.write(f"{line}\r\n".encode())

        def _data(self) -> None:
            self._say("354 go on")
            lines = []
            while (line := self.rfile.readline()) != b".\r\n":
                lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
            if state.accepts:
                state.inbox.append(message_from_bytes(b"".join(lines)))
            self._say("250 taken" if state.accepts else "554 refused")

        def handle(self) -> None:
            if not state.greets:
                over.wait(60)
                return
            self._say("220 loopback ESMTP")
            while line := self.rfile.readline():
                word = line.split()[0].upper() if line.split() else b""
                if word == b"EHLO":
                    self.wfile.write(b"250-loopback\r\n250 AUTH PLAIN LOGIN\r\n")
                elif word == b"AUTH":
                    state.passwords_refused += 1
                    self._say("535 wrong password")
                elif word == b"DATA":
                    self._data()
                elif word == b"QUIT":
                    self._say("221 bye")
                    return
                else:
                    self._say("250 fine")

    with Threads(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield state
        over.set()
        server.shutdown()
