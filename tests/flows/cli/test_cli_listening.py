"""Everything that listens: on this machine alone, within limits, and with guarded answers."""

from __future__ import annotations

import inspect
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer.main

from flows.cli import app
from tests.begun import Begun
from tests.listening import listens_at

#: Every command that listens, as it is typed, and a page of it.
SERVING = {
    "web": (("web",), "/login"),
    "ogc serve": (("ogc", "serve"), "/collections"),
    "feed serve": (("feed", "serve", "{folder}"), "/alerts.atom"),
    "health serve": (("health", "serve"), "/health"),
    "stac serve": (("stac", "serve"), "/collections"),
}
#: These have a test of their own in which they are started.
ELSEWHERE = {"serve", "archive serve"}


def commands() -> Iterator[tuple[str, Any]]:
    def walk(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        if command.callback is not None and path:
            yield " ".join(path), command.callback
        for name, child in getattr(command, "commands", {}).items():
            yield from walk(child, (*path, name))

    return walk(typer.main.get_command(app), ())


def test_every_command_that_listens_is_known() -> None:
    words = ("listen(", "serve_until_told", "create_server", "prefect_server", "ArchiveServer")
    found = {
        name
        for name, callback in commands()
        if any(word in inspect.getsource(inspect.getmodule(callback)) for word in words)
        and name.split()[-1] in {"serve", "web"}
    }
    assert found == set(SERVING) | ELSEWHERE


@pytest.fixture
def services(cli: Any, tmp_path: Path) -> Iterator[dict[str, tuple[Begun, str]]]:
    """All of them at once, by name, with their addresses."""
    cli("db", "upgrade")
    started = {}
    for name, (words, _) in SERVING.items():
        typed = [word.format(folder=tmp_path / "feeds") for word in words]
        command = [sys.executable, "-m", "flows.cli", *typed, "--port", "0"]
        started[name] = Begun(command, tmp_path / name.replace(" ", "-"))
    try:
        found = {}
        for name, process in started.items():
            said = process.until("Ctrl-C ends")
            found[name] = (process, re.findall(r"http://127\.0\.0\.1:\d+", said)[0])
        yield found
    finally:
        for process in started.values():
            process.kill()


def test_services_listen_here_alone_and_keep_their_limits(
    services: dict[str, tuple[Begun, str]],
) -> None:
    for name, (process, url) in services.items():
        assert listens_at(process.process.pid) == {"127.0.0.1"}, name
        page = SERVING[name][1]
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            answer = client.get(page)
            assert answer.status_code == 200, f"{name}: {answer.text[:300]}"
            long = client.get(page + "?" + "a" * 9_000)
            assert long.status_code == 414, name
            for one in (answer, long, client.get("/no/such/page")):
                assert one.headers["x-content-type-options"] == "nosniff", name
                assert one.headers["x-frame-options"] == "DENY", name
                assert "frame-ancestors 'none'" in one.headers["content-security-policy"], name
                assert "server" not in one.headers, name
        assert _sent(url, page, "Content-Length: 3000000").startswith(b"HTTP/1.1 413"), name
        assert _unending(url, page), name
    for process, _ in services.values():
        assert process.end() == 0


def _sent(url: str, page: str, header: str, *more: bytes) -> bytes:
    """Send a request byte for byte; return how the answer begins, nothing where it hung up."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=60) as line:
        try:
            line.sendall(f"POST {page} HTTP/1.1\r\nHost: {host}\r\n{header}\r\n\r\n".encode())
            for one in more:
                line.sendall(one)
            return line.recv(100)
        except ConnectionError:
            return b""


def _unending(url: str, page: str) -> bool:
    """Send a body that does not say how long it is; tell whether that was refused."""
    chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
    answer = _sent(url, page, "Transfer-Encoding: chunked", *(200 * [chunk]))
    return not answer or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 3"))
