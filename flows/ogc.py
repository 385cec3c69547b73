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
from urllib.parse import parse_qsl, quote

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse

from flows.archive.publish import connection_arguments
from flows.guarding import Guard

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger()

SCHEMA = "analysts"
#: What is served, the column that ``datetime`` asks, and the one that names a feature. A view whose
#: rows no single column tells apart has no features by name.
COLLECTIONS = {
    "landslides_current": ("not_after", "id"),
    "landslides_confirmed": ("not_after", "id"),
    # The time of the look by its name in the table, which says in which parts to search.
    "detections": ("not_after", "id"),
    "observability": ("sensed_at", None),
    "negative_reports": ("sensed_at", None),
    "inventory_landslides": ("not_after", "id"),
    "composites": ("sensed_at", "id"),
}
#: A feature service that is minutes behind misleads whoever looks at a fresh alert.
CACHE = "no-cache"
#: Of a filter: its letters, and brackets inside each other.
LONGEST_FILTER, DEEPEST_FILTER = 4_000, 10
#: How often collections are looked up anew, seconds.
RENEW_S = 300


def make_app(database_url: str) -> Guard:
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
    from tipg.factory import Endpoints
    from tipg.middleware import CacheControlMiddleware, CatalogUpdateMiddleware
    from tipg.openapi import _update_openapi
    from tipg.settings import DatabaseSettings, PostgresSettings

    collections = DatabaseSettings(
        _env_file=None,
        schemas=[SCHEMA],
        tables=[f"{SCHEMA}.{view}" for view in COLLECTIONS],
        exclude_function_schemas=[SCHEMA, "public", "pg_temp"],
        # Each would be all rows of a view read, once for its place and once for each of its times.
        spatial_extent=False,
        datetime_extent=False,
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        login = PostgresSettings(_env_file=None, database_url=asyncpg_address(database_url))
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
    app.add_middleware(BoundedFilter)
    _name_errors(app)
    return Guard(app)


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


class BoundedFilter:
    """Refuses filters (CQL2) that cannot be read, and those that would be read for ever.

    The parser takes twice as long for each bracket that is left open, and nothing else runs
    meanwhile.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at the filter of a request."""
        if scope["type"] == "http":
            asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            for name, text in asked:
                if name == "filter" and (wrong := _filter_fault(text)):
                    await _refusal(wrong)(scope, receive, send)
                    return
        await self.app(scope, receive, send)


def _filter_fault(text: str) -> str:
    """Return what is wrong with a filter, empty for nothing."""
    from cql2 import Expr

    depth = deepest = 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        deepest = max(deepest, depth)
    if len(text) > LONGEST_FILTER or deepest > DEEPEST_FILTER:
        return f"a filter has {LONGEST_FILTER} letters and {DEEPEST_FILTER} brackets at most"
    try:
        Expr(Expr(text).to_json())
    except Exception:  # noqa: BLE001 - the parser raises nothing more precise
        return "the filter cannot be read as CQL2"
    return ""


def _refusal(why: str, status: int = 400) -> JSONResponse:
    return JSONResponse({"detail": why}, status)


def _name_errors(app: FastAPI) -> None:
    """Answer faults of a request as such, in words that hold nothing of the database's own."""
    from asyncpg.exceptions import (
        DataError,
        InterfaceError,
        InternalServerError,  # PostGIS, of values that it cannot take
        SyntaxOrAccessError,
    )
    from morecantile.errors import MorecantileError
    from tipg import errors

    def own(_: Request, error: Exception) -> JSONResponse:
        status = errors.DEFAULT_STATUS_CODES.get(type(error), 400)
        return _refusal(str(error), status if status < 500 else 422)

    def others(request: Request, error: Exception) -> JSONResponse:
        log.info("a request was refused", path=request.url.path, reason=type(error).__name__)
        return _refusal("a value of the request cannot be read, or names nothing there is")

    app.add_exception_handler(errors.TiPgError, own)
    for kind in (
        DataError, InterfaceError, InternalServerError, SyntaxOrAccessError, MorecantileError,
        ValueError, TypeError, LookupError, ArithmeticError,
    ):  # fmt: skip
        app.add_exception_handler(kind, others)


def asyncpg_address(database_url: str) -> str:
    """Return the URL as asyncpg wants it: the host may be the folder of a socket."""
    told = connection_arguments(database_url)
    user = quote(told.get("user") or getpass.getuser(), safe="")
    password = f":{quote(told['password'], safe='')}" if "password" in told else ""
    host = quote(told.get("host", "localhost"), safe="")
    return f"postgresql://{user}{password}@{host}:{told.get('port', 5432)}/{told.get('dbname', '')}"
