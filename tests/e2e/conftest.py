"""Scarpwatch as an operator runs it: a settings file, and processes that can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from alerts.receiver import Receiver
from tests.optical_watch import OpticalWatch
from tests.watching import Watch

#: What takes time and is asked for by the tests it concerns, as in ``tests.watching``.
TRIM = {"picture_timeout_s": 0, "keep_composites_days": 0}


def wait_until(true: Callable[[], Any], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "took too long"
        time.sleep(0.05)


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[..., None]:
    return wait_until


@dataclass
class Operator:
    """One settings file, and the processes started under it."""

    environment: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start Python with these arguments."""
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(
            [sys.executable, *command], env=self.environment, text=True, **pipes
        )
        self.started.append(process)
        return process

    def command(self, *words: str, status: int = 0) -> Any:
        """Type a command to its end; returns its JSON document."""
        process = self.start("-m", "flows.cli", *words, "--json")
        out, err = process.communicate(timeout=300)
        assert process.returncode == status, err
        return json.loads(out) if out else None

    def kill(self, process: subprocess.Popen[str]) -> None:
        """End a process as power failures do."""
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.communicate()


@pytest.fixture
def operate(no_settings: Path) -> Iterator[Callable[..., Operator]]:
    """Writes the settings of a watched region to a file; channels and other keys can be given."""
    made: list[Operator] = []

    def make(w: Watch | OpticalWatch, channels: dict[str, str], **keys: Any) -> Operator:
        text = [
            *(f"{key} = {json.dumps(v)}" for key, v in {**TRIM, **keys}.items()),
            f"clock_file = {json.dumps(str(no_settings / 'clock'))}",
            f'[catalogues.local]\nkind = "stac"\nurl = "{w.catalogue_url}"',
            'published_property = "published"\nwindow = "P36500D"\nattempts = 2',
        ]
        for name, url in channels.items():
            text.append(f"[channels.{name}]\nurl = {json.dumps(url)}\nexercise = true")
        path = no_settings / "scarpwatch.toml"
        path.write_text("\n".join(text) + "\n", encoding="utf-8")
        url = w.services.engine.url.render_as_string(hide_password=False)
        made.append(Operator({**os.environ, "SCARPWATCH_DATABASE_URL": url}))
        return made[-1]

    yield make
    for operator in made:
        operator.end()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with Receiver(tmp_path / "received.jsonl") as running:
        yield running


@dataclass
class Slow:
    """A receiver that takes a message at once and answers when it is told to."""

    url: str
    answer: threading.Event = field(default_factory=threading.Event)


@pytest.fixture
def slow_receiver(receiver: Receiver) -> Iterator[Slow]:
    """Stands before the real receiver and keeps its answers back."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept = {k: v for k, v in self.headers.items() if k.lower() != "host"}
            taken = httpx.post(receiver.url, content=body, headers=kept)
            slow.answer.wait(60)
            self.send_response(taken.status_code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(taken.content)))
            self.end_headers()
            self.wfile.write(taken.content)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass  # the caller was killed

    with Server(("127.0.0.1", 0), Handler) as server:
        slow = Slow(f"http://127.0.0.1:{server.server_port}/alerts")
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield slow
        slow.answer.set()
        server.shutdown()
