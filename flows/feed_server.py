"""Feeds over HTTP on loopback: ETag, Last-Modified, gzip, and nothing but the feeds.

Who may see them is the business of the proxy in front: the messages are restricted.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from alerts.feed import EXERCISES
from detectors.errors import ScarpwatchError
from flows.guarding import Guard

log = structlog.get_logger()

_KEY = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
#: All that is served, so that no path leads anywhere else.
_SERVED = re.compile(
    rf"(?:{EXERCISES}/)?(?:alerts\.(?:atom|geojson)|cap\.atom|cap/{_KEY}\.xml|pictures/{_KEY}\.png)"
)
_TYPES = {
    ".atom": "application/atom+xml; charset=utf-8",
    ".geojson": "application/geo+json",
    ".xml": "application/cap+xml; charset=utf-8",
    ".png": "image/png",
}
#: Below it, packing saves nothing.
_PACKED_FROM = 500


def make_app(
    folder: Path, refresh: Callable[[], object] | None = None, every_s: float = 60
) -> Guard:
    """Return the ASGI application.

    Args:
        folder: What ``flows.feeding.write_feeds`` fills.
        refresh: Called at the start and then now and again; where it fails by a named error, what
            is there goes on being served.
        every_s: Seconds between calls.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        task = None if refresh is None else asyncio.create_task(_keep_fresh(refresh, every_s))
        yield
        if task is not None:
            task.cancel()

    async def answer(request: Request) -> Response:
        return await asyncio.to_thread(_answer, folder, request)

    return Guard(Starlette(routes=[Route("/{path:path}", answer)], lifespan=lifespan))


async def _keep_fresh(refresh: Callable[[], object], every_s: float) -> None:
    while True:
        try:
            await asyncio.to_thread(refresh)
        except (ScarpwatchError, OSError) as error:
            log.warning("the feeds stay as they are", reason=f"{type(error).__name__}: {error}")
        await asyncio.sleep(every_s)


def _answer(folder: Path, request: Request) -> Response:
    """Answer one GET or HEAD."""
    path = request.path_params["path"]
    if not _SERVED.fullmatch(path):
        return Response("no such feed\n", 404, media_type="text/plain")
    try:
        with (folder / path).open("rb") as file:
            content = file.read()
            changed = datetime.fromtimestamp(int(Path(file.name).stat().st_mtime), UTC)
    except FileNotFoundError:
        return Response("no such feed\n", 404, media_type="text/plain")
    packed = len(content) >= _PACKED_FROM and not path.endswith(".png") and _takes_gzip(request)
    # One tag per form: a cache must not give a packed answer to whoever cannot unpack it.
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}{"-gzip" if packed else ""}"'
    headers = {
        "ETag": tag,
        "Last-Modified": format_datetime(changed, usegmt=True),
        "Cache-Control": "no-cache",
        "Vary": "Accept-Encoding",
    }
    if _known(request, tag, changed):
        return Response(status_code=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
        content = gzip.compress(content, mtime=0)
    return Response(content, headers=headers, media_type=_TYPES[Path(path).suffix])


def _takes_gzip(request: Request) -> bool:
    """Tell whether the caller can unpack; ``gzip;q=0`` says no."""
    for part in request.headers.get("accept-encoding", "").lower().split(","):
        name, _, quality = part.strip().partition(";")
        if name.strip() in {"gzip", "*"}:
            return not re.fullmatch(r"\s*q=0(\.0*)?\s*", quality)
    return False


def _known(request: Request, tag: str, changed: datetime) -> bool:
    """Tell whether the caller has what would be sent; the tag outranks the time."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        given = {one.strip().removeprefix("W/") for one in tags.split(",")}
        return tag in given or "*" in given
    try:
        since = parsedate_to_datetime(request.headers.get("if-modified-since", ""))
    except ValueError:
        return False
    return changed <= (since if since.tzinfo else since.replace(tzinfo=UTC))
