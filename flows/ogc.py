"""OGC API Features and vector tiles over the views for analysts, by tipg.

JSON and tiles only: tipg's pages would fetch scripts from the internet. It reads with the rights of
the login it is given, so that a reader's login shows a reader's regions.
"""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote

from flows.archive.publish import connection_arguments

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

SCHEMA = "analysts"
#: What is served, the column that ``datetime`` asks, and the one that names a feature. A view whose
#: rows no single column tells apart has no features by name.
COLLECTIONS = {
    "landslides_current": ("not_after", "id"),
    "landslides_confirmed": ("not_after", "id"),
    "detections": ("sensed_at", "id"),
    "observability": ("sensed_at", None),
    "negative_reports": ("sensed_at", None),
    "inventory_landslides": ("not_after", "id"),
    "composites": ("sensed_at", "id"),
}
#: A feature service that is minutes behind misleads whoever looks at a fresh alert.
CACHE = "no-cache"
#: How often extents are looked up anew, seconds.
RENEW_S = 300


def make_app(database_url: str) -> FastAPI:
    """Return the ASGI application.

    Args:
        database_url: libpq URL of the database, with the login whose rights count.
    """
    # Read by tipg whenever it looks the collections up.
    os.environ["TIPG_TABLE_CONFIG"] = json.dumps(
        {
            f"{SCHEMA}_{view}": {"geomcol": "geometry", "datetimecol": when}
            | ({"pk": key} if key else {})
            for view, (when, key) in COLLECTIONS.items()
        }
    )
    from fastapi import FastAPI
    from fastapi.responses import RedirectResponse
    from tipg.collections import register_collection_catalog
    from tipg.database import close_db_connection, connect_to_db
    from tipg.errors import DEFAULT_STATUS_CODES, add_exception_handlers
    from tipg.factory import Endpoints
    from tipg.middleware import CacheControlMiddleware, CatalogUpdateMiddleware
    from tipg.openapi import _update_openapi
    from tipg.settings import DatabaseSettings, PostgresSettings

    collections = DatabaseSettings(
        _env_file=None,
        schemas=[SCHEMA],
        tables=[f"{SCHEMA}.{view}" for view in COLLECTIONS],
        exclude_function_schemas=[SCHEMA, "public", "pg_temp"],
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        login = PostgresSettings(_env_file=None, database_url=_address(database_url))
        await connect_to_db(app, schemas=[SCHEMA], settings=login)
        await register_collection_catalog(app, db_settings=collections)
        yield
        await close_db_connection(app)

    app = FastAPI(
        title="Scarpwatch", openapi_url="/api", docs_url=None, redoc_url=None, lifespan=lifespan
    )
    _update_openapi(app)
    app.include_router(Endpoints(title="Scarpwatch", with_tiles_viewer=False).router)
    # The landing page links to a page of that name; FastAPI's own would come from the internet.
    app.add_api_route(
        "/api.html", lambda: RedirectResponse("api"), name="swagger_ui_html",
        include_in_schema=False,
    )  # fmt: skip
    app.add_middleware(CacheControlMiddleware, cachecontrol=CACHE)
    app.add_middleware(
        CatalogUpdateMiddleware,  # type: ignore[arg-type]
        func=register_collection_catalog,  # type: ignore[arg-type]
        ttl=RENEW_S,
        db_settings=collections,
    )
    app.add_middleware(JsonOnly)
    add_exception_handlers(app, DEFAULT_STATUS_CODES)
    return app


class JsonOnly:
    """Answers browsers with JSON, as programs are answered."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take the wish for a page out of a request."""
        if scope["type"] == "http":
            kept = [(name, value) for name, value in scope["headers"] if name != b"accept"]
            asked = b"&".join(
                one for one in scope["query_string"].split(b"&") if one.lower() != b"f=html"
            )
            scope = {**scope, "headers": kept, "query_string": asked}
        await self.app(scope, receive, send)


def _address(database_url: str) -> str:
    """Return the URL as asyncpg wants it: the host may be the folder of a socket."""
    told = connection_arguments(database_url)
    user = quote(told.get("user") or getpass.getuser(), safe="")
    password = f":{quote(told['password'], safe='')}" if "password" in told else ""
    host = quote(told.get("host", "localhost"), safe="")
    return f"postgresql://{user}{password}@{host}:{told.get('port', 5432)}/{told.get('dbname', '')}"
