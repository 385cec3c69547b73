"""The ASGI application of the archive server: a STAC API over pgstac, and COGs beside it."""

from __future__ import annotations

import asyncio
import getpass
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from flows.archive.manifest import COGS, Archive
from flows.archive.publish import connection_arguments


def make_app(database_url: str, archives: Sequence[Archive]) -> Any:
    """Return the ASGI application: the STAC API at ``/``, COGs under ``/cogs/<collection>/``.

    The COGs stand outside the API so that its compression never touches a range request.
    """
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    mounts = [
        Mount(f"/cogs/{archive.id}", StaticFiles(directory=archive.path / COGS), name=archive.id)
        for archive in archives
    ]
    description = "Looks of an archive, shown when the replay clock reaches them"
    return stac_api(database_url, "scarpwatch-archive", "Scarpwatch archive", description, mounts)


def stac_api(
    database_url: str,
    name: str,
    title: str,
    description: str,
    routes: Sequence[Any],
    renew: tuple[Callable[[], None], float] | None = None,
) -> Any:
    """Return an ASGI application: a STAC API over pgstac, without transactions, and more routes.

    Args:
        database_url: where schema ``pgstac`` is.
        name: of the landing page's catalogue and of the database connections.
        title: of the landing page.
        description: of the landing page.
        routes: asked before the API.
        renew: called in a thread again and again while it serves, and after how many seconds.
    """
    # Imported only to learn that its own defaults have no title, it says so on stderr.
    logging.getLogger("stac_fastapi.types.config").setLevel(logging.ERROR)
    from stac_fastapi.pgstac.app import instantiate_api
    from stac_fastapi.pgstac.config import Settings
    from stac_fastapi.pgstac.db import close_db_connection, connect_to_db
    from stac_fastapi.pgstac.models.extensions import Extensions
    from starlette.applications import Starlette
    from starlette.routing import Mount

    settings = Settings(
        _env_file=None,
        stac_fastapi_title=title,
        stac_fastapi_description=description,
        stac_fastapi_landing_id=name,
        stac_fastapi_version="1",
        enabled_extensions=["query", "sort", "fields", "filter", "pagination"],
        enable_transactions_extensions=False,
    )
    api = instantiate_api(settings=settings, extensions=Extensions(settings=settings)).app

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # A mounted application gets no lifespan of its own, so its pool is opened here.
        await connect_to_db(api, postgres_settings=_pool_settings(database_url, name))
        task = asyncio.create_task(_again_and_again(*renew)) if renew else None
        yield
        if task is not None:
            task.cancel()
        await close_db_connection(api)

    return Starlette(routes=[*routes, Mount("/", api)], lifespan=lifespan)


async def _again_and_again(renew: Callable[[], None], every_s: float) -> None:
    """Call in a thread, for ever."""
    while True:
        await asyncio.sleep(every_s)
        await asyncio.to_thread(renew)


def _pool_settings(database_url: str, name: str) -> Any:
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
        server_settings={"search_path": "pgstac,public", "application_name": name},
    )
