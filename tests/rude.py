"""An HTTP server that takes requests and answers as told, for whatever sends alerts."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest


@dataclass
class Rude:
    """An HTTP server that takes the request and then answers as told, byte for byte."""

    port: int = 0
    answer: bytes = b""
    """Sent after the request; empty keeps the caller waiting."""
    hang_up: bool = False
    """Close after the answer; otherwise hold the line until the caller leaves."""
    trickle: bool = False
    """Send one byte now and then for ever, as a socket time-out would never notice."""
    requests: list[bytes] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    caller_left: threading.Event = field(default_factory=threading.Event)

    def status(self, line: str, *headers: str) -> None:
        """Answer every request with this status line."""
        lines = [f"HTTP/1.1 {line}", "Content-Length: 0", "Connection: close", *headers]
        self.answer, self.hang_up = "\r\n".join([*lines, "", ""]).encode(), True


class Threads(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


@pytest.fixture
def rude() -> Iterator[Rude]:
    behaviour, over = Rude(), threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length, head = 0, b""
            while (line := self.rfile.readline()) not in {b"\r\n", b""}:
                head += line
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            behaviour.requests.append(head + self.rfile.read(length))
            behaviour.arrived.set()
            try:
                self._answer()
            except OSError:
                behaviour.caller_left.set()

        def _answer(self) -> None:
            self.wfile.write(behaviour.answer)
            while behaviour.trickle and not over.wait(0.05):
                self.wfile.write(b"H")
            if not behaviour.hang_up and self.rfile.read(1) == b"":
                behaviour.caller_left.set()

    with Threads(("127.0.0.1", 0), Handler) as server:
        behaviour.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield behaviour
        over.set()
        server.shutdown()
