"""A STAC API on loopback over pgstac, with the COGs of archives beside it, as a process of its own.

``ArchiveServer`` starts and stops that process; by hand it is::

    python -m flows.archive.server --database-url URL --archive DIR [--archive DIR] --port 8081
"""

from __future__ import annotations

import argparse
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from detectors.errors import ConfigurationError, DatabaseUnavailable
from flows.archive.manifest import Archive, open_archive
from flows.archive.publish import announce, migrate

HOST = "127.0.0.1"
_DATABASE = "SCARPWATCH_DATABASE_URL"
_START_SECONDS = 300.0
_STOP_SECONDS = 10.0


class ArchiveServer:
    """The archive server as a child process; a context manager.

    Not a thread: GDAL may fetch a side file while it holds the interpreter's lock, and a server in
    the same interpreter could never answer that. The child ends with this process, however it ends.
    """

    def __init__(
        self,
        database_url: str,
        archives: Sequence[Path],
        port: int = 0,
        requests: Path | None = None,
    ) -> None:
        """Open the archives.

        Args:
            database_url: PostGIS in which schema ``pgstac`` may live.
            archives: folders made by ``flows.archive.build`` or ``derive``.
            port: 0 takes any free port. Stored hrefs carry the port, so that a replay which is to
                survive a restart should keep to one.
            requests: file to which the path of every request is added, a line each.

        Raises:
            InvalidArchive: a folder is no archive.
            ConfigurationError: two archives share a collection id.
        """
        self.archives = _open_all(archives)
        self._database_url = database_url
        self._wanted_port = port
        self._requests = requests
        self._port: int | None = None
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """Where it listens, for instance ``http://127.0.0.1:8081``."""
        if self._port is None:
            raise ConfigurationError("the archive server is not running")
        return f"http://{HOST}:{self._port}"

    def start(self) -> Self:
        """Migrate pgstac, announce the collections, listen; return when requests are answered.

        Raises:
            ConfigurationError: the port is taken, or the role may not install pgstac.
            DatabaseUnavailable: PostGIS does not answer, or the server does not come up.
        """
        with listen(self._wanted_port) as listener:
            _prepare(self._database_url, self.archives)
            command = [sys.executable, "-m", "flows.archive.server", "--fd", str(listener.fileno())]
            for archive in self.archives:
                command += ["--archive", str(archive.path.absolute())]
            if self._requests is not None:
                command += ["--requests", str(self._requests.absolute())]
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                pass_fds=[listener.fileno()],
                cwd=Path(__file__).parents[2],
                # Not on the command line: the address may hold a password.
                env={**os.environ, _DATABASE: self._database_url},
            )
            self._port = listener.getsockname()[1]
        assert self._process.stdout is not None  # noqa: S101 - a pipe was asked for
        if not _line(self._process.stdout, self._process):
            self.stop()
            raise DatabaseUnavailable("the archive server did not start; its output says why")
        return self

    def stop(self) -> None:
        """Finish running requests and end the process; safe to call twice."""
        process, self._process, self._port = self._process, None, None
        if process is None:
            return
        process.terminate()
        try:
            process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.stop()


def _open_all(folders: Sequence[Path]) -> list[Archive]:
    archives = [open_archive(path) for path in folders]
    ids = [archive.id for archive in archives]
    if len(set(ids)) < len(ids):
        raise ConfigurationError(f"two archives share a collection id: {', '.join(ids)}")
    return archives


def _prepare(database_url: str, archives: Sequence[Archive]) -> None:
    migrate(database_url)
    for archive in archives:
        announce(database_url, archive)


def listen(port: int) -> socket.socket:
    """Return a listening socket on loopback; 0 takes any free port.

    Raises:
        ConfigurationError: the port is taken, or not ours to take.
    """
    # Named as TCP, or asyncio leaves Nagle on and every answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"port {port} on {HOST} cannot be used: {error.strerror}; --port takes another one, "
            "and any free one as 0"
        ) from error
    return listener


def _line(stream: IO[str], process: subprocess.Popen[str]) -> str:
    """Return the first line of a child, or nothing when it ends or takes too long."""
    deadline = time.monotonic() + _START_SECONDS
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while time.monotonic() < deadline and process.poll() is None:
            if selector.select(timeout=0.2):
                return stream.readline()
    return ""


def _noting(app: Any, requests: Path) -> Any:
    """Wrap an ASGI application so that what is asked of it can be read afterwards."""

    async def noted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            with requests.open("a", encoding="utf-8") as file:
                file.write(f"{scope['path']}\n")
        await app(scope, receive, send)

    return noted


def _serve(
    database_url: str,
    archives: Sequence[Archive],
    listener: socket.socket,
    requests: Path | None,
) -> Any:
    """Make a uvicorn server that prints its address when it answers."""
    import uvicorn

    from flows.archive.app import make_app

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            sys.stdout.write(f"http://{HOST}:{listener.getsockname()[1]}\n")
            sys.stdout.flush()

    app = make_app(database_url, archives)
    return Server(
        uvicorn.Config(
            app if requests is None else _noting(app, requests),
            log_level="warning",
            access_log=False,
            lifespan="on",
            timeout_graceful_shutdown=3,
        )
    )


def _end_with_parent(server: Any) -> None:
    """End the server when standard input closes: the parent is gone, however it went."""

    def watch() -> None:
        # Not sys.stdin: a thread inside its lock would break the interpreter's own ending.
        while os.read(0, 64):
            pass
        server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until SIGINT or SIGTERM; the first line printed is its address."""
    parser = argparse.ArgumentParser(prog="python -m flows.archive.server", description=__doc__)
    parser.add_argument("--database-url", default=os.environ.get(_DATABASE))
    parser.add_argument("--archive", type=Path, action="append", required=True)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--requests", type=Path, help="file for the path of every request")
    parser.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if not chosen.database_url:
        parser.error(f"--database-url or {_DATABASE} is needed")
    archives = _open_all(chosen.archive)
    if chosen.fd is None:
        listener = listen(chosen.port)
        _prepare(chosen.database_url, archives)
    else:
        listener = socket.socket(fileno=chosen.fd)
    server = _serve(chosen.database_url, archives, listener, chosen.requests)
    if chosen.fd is not None:
        _end_with_parent(server)
    # uvicorn raises the signal again when it has finished; ending on request is no failure.
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: None)
    server.run(sockets=[listener])
    listener.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
