"""A real HTTP server for COGs, in a process of its own, that misbehaves on request.

In a process of its own because GDAL may fetch while it holds the interpreter's lock. It serves the
folder it is given, byte ranges included. ``POST /-/rules`` takes a list of rules; the first that
fits a request holds: ``match`` (pattern of method, address and user agent), ``unless`` (what
lets it pass), ``times`` (then it is used up), ``after`` (so many pass first), and what is to
happen: ``status`` (answer so), ``cut`` (break the connection half-way), ``instead`` (send this
file), ``late`` (seconds that pass before the answer), ``hold`` (wait for ``POST /-/release``),
``kill`` (end a process by SIGKILL before answering). ``GET /-/seen`` tells what was asked for,
and the bytes sent, since then.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def fitting(rules: list[dict[str, Any]], asked: str) -> dict[str, Any]:
    """Return the first rule that fits a request, and count it; empty where none does."""
    for rule in rules:
        passes = "unless" in rule and rule["unless"] in asked
        if re.search(rule["match"], asked) and not passes and rule.get("times", 1) > 0:
            if rule.get("after", 0) > 0:
                rule["after"] -= 1
                continue
            if "times" in rule:
                rule["times"] -= 1
            return rule
    return {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer waits 40 ms for an ACK
    root: Path
    rules: list[dict[str, Any]]
    seen: list[str]
    sent = 0
    lock = threading.Lock()
    released = threading.Event()

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path == "/-/seen":
            told = {"addresses": type(self).seen, "bytes": type(self).sent}
            self._say(200, json.dumps(told).encode())
            return
        with self.lock:
            asked = f"{self.command} {self.path} {self.headers.get('User-Agent', '')}"
            type(self).seen.append(asked)
            rule = fitting(type(self).rules, asked)
        if "kill" in rule:
            end(rule["kill"])
        time.sleep(rule.get("late", 0))
        if rule.get("hold"):
            self.released.wait(60)
        if "status" in rule:
            self._say(rule["status"], b"no")
            return
        self._file(rule.get("instead", self.path), cut=rule.get("cut", False))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/-/rules":
            type(self).rules, type(self).seen, type(self).sent = json.loads(body), [], 0
            self.released.clear()
        else:
            self.released.set()
        self._say(200, b"")

    def _file(self, address: str, *, cut: bool) -> None:
        path = self.root / unquote(urlsplit(address).path).lstrip("/")
        if not path.is_file():
            self._say(404, b"no")
            return
        content = path.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None:
            self._say(200, content, cut=cut)
            return
        first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
        if first > last:
            self._say(416, b"")
            return
        told = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        self._say(206, content[first : last + 1], told, cut=cut)

    def _say(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in {"Accept-Ranges": "bytes", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if not self.path.startswith("/-/"):
            type(self).sent += len(body)
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.wfile.flush()
            # RST instead of FIN: the connection breaks, it does not end.
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def end(pid: int) -> None:
    """Kill a process that is nobody's child here, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        pass


def main() -> None:
    Handler.root, Handler.rules, Handler.seen = Path(sys.argv[1]), [], []
    server = Server(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    while os.read(0, 64):  # ends with its parent
        pass


if __name__ == "__main__":
    main()
