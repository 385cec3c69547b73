"""A STAC API on loopback over pgstac, with the COGs of archives beside it.

Started by ``ArchiveServer`` in a thread of this process, or as a process of its own::

    python -m flows.archive.server --database-url URL --archive DIR [--archive DIR] --port 0
"""

from __future__ import annotations

import argparse
import getpass
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from detectors.errors import ConfigurationError, DatabaseUnavailable
from flows.archive.manifest import COGS, Archive, open_archive
from flows.archive.publish import announce, connection_arguments, migrate

HOST = "127.0.0.1"
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0


def make_app(database_url: str, archives: Sequence[Archive]) -> Any:
    """Return the ASGI application: the STAC API at ``/``, COGs under ``/cogs/<collection>/``.

    The COGs stand outside the API so that its compression never touches a range request.
    """
    # Imported only to learn that its own defaults have no title, it says so on stderr.
    logging.getLogger("stac_fastapi.types.config").setLevel(logging.ERROR)
    from stac_fastapi.pgstac.app import instantiate_api
    from stac_fastapi.pgstac.config import Settings
    from stac_fastapi.pgstac.db import close_db_connection, connect_to_db
    from stac_fastapi.pgstac.models.extensions import Extensions
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    settings = Settings(
        _env_file=None,
        stac_fastapi_title="Scarpwatch archive",
        stac_fastapi_description="Looks of an archive, shown when the replay clock reaches them",
        stac_fastapi_landing_id="scarpwatch-archive",
        stac_fastapi_version="1",
        enabled_extensions=["query", "sort", "fields", "filter", "pagination"],
        enable_transactions_extensions=False,
    )
    api = instantiate_api(settings=settings, extensions=Extensions(settings=settings)).app

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # A mounted application gets no lifespan of its own, so its pool is opened here.
        await connect_to_db(api, postgres_settings=_pool_settings(database_url))
        yield
        await close_db_connection(api)

    mounts = [
        Mount(f"/cogs/{archive.id}", StaticFiles(directory=archive.path / COGS), name=archive.id)
        for archive in archives
    ]
    return Starlette(routes=[*mounts, Mount("/", api)], lifespan=lifespan)


def _pool_settings(database_url: str) -> Any:
    """Settings of the API's connection pool.

    They end up in a URL, so everything is quoted: that also lets the host be a socket folder.
    """
    from stac_fastapi.pgstac.config import PostgresSettings

    arguments = connection_arguments(database_url)
    return PostgresSettings(
        _env_file=None,
        pguser=quote(arguments.get("user") or getpass.getuser(), safe=""),
        pgpassword=arguments.get("password", ""),
        pghost=quote(arguments.get("host", "localhost"), safe=""),
        pgport=int(arguments.get("port", 5432)),
        pgdatabase=quote(arguments.get("dbname", ""), safe=""),
        db_max_conn_size=4,
        server_settings={"search_path": "pgstac,public", "application_name": "scarpwatch-archive"},
    )


class ArchiveServer:
    """The archive server in a thread; a context manager.

    Raises (on start):
        ConfigurationError: the port is taken, or two archives share a collection id.
        DatabaseUnavailable: PostGIS does not answer.
    """

    def __init__(self, database_url: str, archives: Sequence[Path], port: int = 0) -> None:
        self.archives = [open_archive(path) for path in archives]
        ids = [archive.id for archive in self.archives]
        if len(set(ids)) < len(ids):
            raise ConfigurationError(f"two archives share a collection id: {', '.join(ids)}")
        self._database_url = database_url
        self._wanted_port = port
        self._socket: socket.socket | None = None
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    @property
    def url(self) -> str:
        """Where it listens, for instance ``http://127.0.0.1:8081``."""
        if self._socket is None:
            raise ConfigurationError("the archive server is not running")
        return f"http://{HOST}:{self._socket.getsockname()[1]}"

    def start(self) -> Self:
        """Migrate pgstac, announce the collections, listen; return when requests are answered."""
        import uvicorn

        migrate(self._database_url)
        for archive in self.archives:
            announce(self._database_url, archive)
        self._socket = _listen(self._wanted_port)
        config = uvicorn.Config(
            make_app(self._database_url, self.archives), log_level="warning", access_log=False,
            lifespan="on", timeout_graceful_shutdown=3,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name="archive-server", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.stop()
                raise DatabaseUnavailable(f"the archive server did not start: {self._failure}")
            time.sleep(0.01)
        return self

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._socket])
        except (Exception, SystemExit) as error:  # noqa: BLE001 - told to whoever waits in start()
            self._failure = error

    def stop(self) -> None:
        """Finish running requests and close; safe to call twice."""
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)
            self._thread = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.stop()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise ConfigurationError(
            f"port {port} on {HOST} cannot be used: {error.strerror}"
        ) from error
    listener.set_inheritable(False)
    return listener


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the server until SIGINT or SIGTERM; the first line printed is its URL."""
    parser = argparse.ArgumentParser(prog="python -m flows.archive.server", description=__doc__)
    parser.add_argument("--database-url", default=os.environ.get("SCARPWATCH_DATABASE_URL"))
    parser.add_argument("--archive", type=Path, action="append", required=True)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    chosen = parser.parse_args(arguments)
    if not chosen.database_url:
        parser.error("--database-url or SCARPWATCH_DATABASE_URL is needed")
    finished = threading.Event()
    for kind in (signal.SIGINT, signal.SIGTERM):
        signal.signal(kind, lambda *_: finished.set())
    with ArchiveServer(chosen.database_url, chosen.archive, chosen.port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        finished.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
