"""A STAC API over the kept composites, by pgstac, and their files beside it.

The rows of ``composites`` are the truth: pgstac is filled from them when the server starts and
every ``RENEW_S`` seconds, and what is kept no longer goes from it. A file is served by its name in
a row and by nothing else.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog

from db import composites, queries, stac
from db.engine import transaction
from detectors.errors import ConfigurationError, TransientError
from detectors.types import Acquisition, WatchedRegion
from flows.archive.app import stac_api
from flows.archive.publish import migrate
from flows.catalogs.registry import split_source
from flows.catalogs.stac import StacCatalogue
from flows.export_rows import UNSTATED
from flows.guarding import Guard
from flows.services import Services
from flows.stac_items import COLLECTIONS, Places, make_collection, make_item

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

log = structlog.get_logger()

FILES = "/files"
#: How often pgstac is brought up to date while the server runs, seconds.
RENEW_S = 60.0
#: Items written at a time.
BATCH = 500
#: Where a collection says what its items were made with.
_MADE_WITH = "scarpwatch:made_with"


@dataclass(frozen=True, slots=True)
class Loaded:
    """What changed in pgstac."""

    written: int
    """Items that are new, or that are shown anew."""
    removed: int
    """Items that are kept no longer."""


def install(services: Services) -> str:
    """Install or upgrade schema ``pgstac`` in the database; return its version.

    Raises:
        DatabaseUnavailable: PostGIS does not answer.
        ConfigurationError: the database role may not install it.
    """
    return migrate(_address(services))


def load(services: Services, base_url: str) -> Loaded:
    """Bring pgstac up to date; twice is once.

    Args:
        services: whose database.
        base_url: where the server can be reached.

    Raises:
        DatabaseUnavailable: what was written stays; the rest is written the next time.
    """
    with transaction(services.engine) as s:
        regions = {one.id: one for one in queries.list_regions(s, include_removed=True)}
    licence = services.settings.licence or UNSTATED
    said = sorted((one.id, one.name, one.simulated) for one in regions.values())
    made_with = hashlib.sha256(json.dumps([base_url, licence, said]).encode()).hexdigest()[:16]
    root = f"{base_url.rstrip('/')}{FILES}/"
    places = Places(lambda path: root + quote(path), lambda look: source_of(services, look))
    written = removed = 0
    for sensor, collection in COLLECTIONS.items():
        with transaction(services.engine) as s:
            shown = stac.shown_collection(s, collection)
            other = shown is None or shown.get(_MADE_WITH) != made_with
            due = stac.stale(s, collection, sensor, everything=other)
            gone = stac.gone(s, collection)
            box, span = stac.extent(s, sensor)
            described = make_collection(sensor, box, span, licence)
            # Unsaid until all items follow, so that a killed load begins anew.
            unsaid = {**described, _MADE_WITH: (shown or {}).get(_MADE_WITH)}
            if shown is None:
                stac.write_collection(s, unsaid)
        for ids in batched(due, BATCH):
            _write(services, ids, regions, licence, places)
        with transaction(services.engine) as s:
            stac.remove_items(s, collection, gone)
            if due or gone or other:
                # Writing a collection locks out every search, so it is done only when it changed.
                stac.write_collection(s, {**described, _MADE_WITH: made_with})
        written, removed = written + len(due), removed + len(gone)
    if written or removed:
        log.info("stac", written=written, removed=removed)
    return Loaded(written, removed)


def _write(
    services: Services,
    ids: tuple[str, ...],
    regions: dict[str, WatchedRegion],
    licence: str,
    places: Places,
) -> None:
    with transaction(services.engine) as s:
        found = composites.items(s, ids)
        looks = composites.looks_of(s, [one for layers in found.values() for one in layers])
        items = [
            make_item(layers, regions[layers[0].region_id], looks, licence, places)
            for layers in found.values()
        ]
        if items:  # one may have gone meanwhile
            stac.write_items(s, items)


def source_of(services: Services, look: Acquisition) -> str:
    """Return the address of a look's catalogue item, or a name where its catalogue has none."""
    name, collection = split_source(look.source)
    try:
        catalogue = services.catalogue(name)
    except ConfigurationError:
        catalogue = None  # no longer in the settings
    if isinstance(catalogue, StacCatalogue):
        root = catalogue.url.rstrip("/")
        return f"{root}/collections/{quote(collection)}/items/{quote(look.item_id)}"
    return f"urn:scarpwatch:{quote(look.source)}:{quote(look.item_id)}"


def make_app(services: Services, base_url: str, renew_s: float = RENEW_S) -> Any:
    """Return the ASGI application: the STAC API at ``/``, files below ``/files``."""
    from starlette.concurrency import run_in_threadpool
    from starlette.responses import FileResponse, PlainTextResponse
    from starlette.routing import Route

    async def file(request: Request) -> Response:
        path = await run_in_threadpool(_named, services, request.path_params["path"])
        if path is None:
            return PlainTextResponse("no such file\n", status_code=404)
        # A name holds the checksum: what was fetched once never changes.
        kept = {"Cache-Control": "public, max-age=31536000, immutable"}
        return FileResponse(path, media_type="image/tiff", headers=kept)

    def renew() -> None:
        try:
            load(services, base_url)
        except TransientError as error:
            log.warning("stac is not brought up to date", reason=str(error))

    api = stac_api(
        _address(services), "scarpwatch", "Scarpwatch",
        "Composites and score maps of judged looks",
        [Route(f"{FILES}/{{path:path}}", file)], renew=(renew, renew_s),
    )  # fmt: skip
    return Guard(api)


def _named(services: Services, asked: str) -> Path | None:
    """Return the file that a row names so, None where none does or the file is not there."""
    if "\0" in asked:  # no text of a database
        return None
    with transaction(services.engine) as s:
        found = composites.composite_at(s, asked)
    if found is None:
        return None
    path = services.settings.composites / found.path
    return path if path.is_file() else None


def _address(services: Services) -> str:
    url = services.engine.url.set(drivername="postgresql")
    return url.render_as_string(hide_password=False)
