"""Stands before catalogue, imagery and receiver, and misbehaves on request: a process of its own.

    python -m bench.chaos.proxy '{"/alerts": "http://...", "": "http://..."}'

Requests go to the server whose prefix they begin with. ``POST /-/rules`` takes a list of rules; the
first that fits a request holds: ``match`` (pattern of method and address), ``after`` (so many pass
first), ``times`` (then it is used up), and what is to happen (``GET /-/asked`` tells how many
requests came since, and how many of them a rule was for):

- ``kill`` ends a process by SIGKILL, ``when`` is ``before`` the request goes on, ``half`` way
  through the answer, or ``after`` it
- ``status`` with ``headers`` answers so; ``refuse`` closes the line without an answer
- ``cut`` breaks the line half-way, ``short`` leaves half of the body out and says nothing of it,
  ``long`` promises more than comes, ``garbage`` sends something else
- ``edit`` changes items of a catalogue: ``duplicate``, ``checksums``, ``change``, ``poison``
- ``twice`` hands the request on twice; ``wait`` waits so many seconds before it goes on; ``drip``
  sends the answer byte by byte, so many seconds apart
"""

from __future__ import annotations

import http.client
import json
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.file_server import end, fitting

LEFT_OUT = {"connection", "transfer-encoding", "content-length", "date", "server"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstreams: dict[str, str]
    rules: ClassVar[list[dict[str, Any]]] = []
    asked = ruled = 0
    lock = threading.Lock()

    def do_GET(self) -> None:
        if self.path == "/-/asked":
            self._answer(200, {}, json.dumps([self.asked, self.ruled]).encode())
            return
        self._pass()

    def do_HEAD(self) -> None:
        self._pass()

    def do_POST(self) -> None:
        if self.path == "/-/rules":
            with self.lock:
                type(self).rules = json.loads(self._body())
                type(self).asked = type(self).ruled = 0
            self._answer(200, {}, b"")
            return
        self._pass()

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _rule(self) -> dict[str, Any]:
        with self.lock:
            type(self).asked += 1
            rule = fitting(self.rules, f"{self.command} {self.path}")
            type(self).ruled += bool(rule)
            return rule

    def _pass(self) -> None:
        rule, body = self._rule(), self._body()
        if "wait" in rule:
            time.sleep(rule["wait"])
        if rule.get("when") == "before":
            end(rule["kill"])
        if rule.get("refuse"):
            self._break()
            return
        if "status" in rule:
            self._answer(rule["status"], rule.get("headers", {}), b"no")
            return
        for _ in range(2 if rule.get("twice") else 1):
            status, headers, content = self._forward(body)
        if rule.get("when") == "after":
            end(rule["kill"])
        if "edit" in rule:
            content = edited(content, rule["edit"])
        if rule.get("garbage"):
            content = b"<html>moved\0</html>" * 40
        if rule.get("short"):
            content = content[: len(content) // 2]
        if rule.get("when") == "half" or rule.get("cut"):
            self._answer(status, headers, content, part=len(content) // 2)
            if "kill" in rule:
                end(rule["kill"])
            self._break()
            return
        more = 1000 if rule.get("long") else 0
        self._answer(status, headers, content, more=more, drip=rule.get("drip", 0.0))

    def _forward(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        prefix = max((p for p in self.upstreams if self.path.startswith(p)), key=len)
        place = urlsplit(self.upstreams[prefix])
        line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        try:
            kept = {k: v for k, v in self.headers.items() if k.lower() != "connection"}
            line.request(self.command, self.path, body, kept)
            answer = line.getresponse()
            headers = {k: v for k, v in answer.getheaders() if k.lower() not in LEFT_OUT}
            if self.command == "HEAD":
                headers["Content-Length"] = answer.getheader("Content-Length", "0")
            return answer.status, headers, answer.read()
        finally:
            line.close()

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, part: int | None = None,
        more: int = 0, drip: float = 0.0,
    ) -> None:  # fmt: skip
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if "Content-Length" not in headers:
            self.send_header("Content-Length", str(len(body) + more))
        self.end_headers()
        if self.command != "HEAD":
            sent = body if part is None else body[:part]
            for at in range(0, len(sent), 1 if drip else max(len(sent), 1)):
                self.wfile.write(sent[at : at + 1] if drip else sent)
                self.wfile.flush()
                time.sleep(drip)
        if more:
            self.close_connection = True

    def _break(self) -> None:
        # RST instead of FIN: the connection breaks, it does not end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def edited(content: bytes, how: str) -> bytes:
    """Return the answer of a search with other items."""
    try:
        answer = json.loads(content)
        features = answer["features"]
    except (ValueError, KeyError, TypeError):
        return content
    for feature in list(features):
        if how == "duplicate":
            features.append(feature)
        elif how == "checksums":
            for asset in feature["assets"].values():
                asset["file:checksum"] = "1220" + 64 * "0"
        elif how == "change":
            feature["properties"]["processing:version"] = "9.9"
        elif how == "poison":
            feature["properties"]["sar:polarizations"] = [{"VV": None}]
    return json.dumps(answer).encode()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: Any) -> None:
        pass  # whoever asked was killed


def main() -> None:
    Handler.upstreams = json.loads(sys.argv[1])
    server = Server(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_port}\n")
    sys.stdout.flush()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    sys.stdin.read()  # ends with its parent


if __name__ == "__main__":
    main()
