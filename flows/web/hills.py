"""Hillshades below the map: listed where they are there, made in the background where not."""

from __future__ import annotations

import threading
import time

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from db import queries
from db.engine import transaction
from detectors.types import WatchedRegion
from flows import hillshades
from flows.drawing import drawn_apart
from flows.files import write_whole
from flows.services import Services
from flows.web.tiles import Layer, address

log = structlog.get_logger()

#: What could not be made is tried again after so long.
_AGAIN_S = 3600.0
#: A hillshade that takes longer is made by the command, which has no limit.
_LIMIT_S = 3600.0
#: Pixels of this zoom are as small as those of 30 m anywhere.
_DEEPEST = 13


class Hills:
    """Answers with what lies below the map."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._busy = False

    def layers(self, _: Request) -> Response:
        """Answer with the hillshades there are, and how many are being made, JSON."""
        with transaction(self._services.engine) as s:
            regions = queries.list_regions(s)
        there, missing = [], []
        for region in regions:
            found = hillshades.kept(self._services, region)
            if found is not None:
                there.append(
                    {
                        "tiles": address("hillshade", found.name),
                        "bounds": found.bounds,
                        "credit": found.credit,
                        "maxzoom": _DEEPEST,
                    }
                )
            elif self._services.settings.elevation and not self._failed(region):
                missing.append(region)
        if missing:
            self._make(missing)
        return JSONResponse({"layers": there, "pending": len(missing)})

    def resolve(self, name: str) -> Layer | None:
        """Return the raster of a hillshade."""
        path = hillshades.file_of(self._services, name)
        return None if path is None else Layer(path)

    def _failed(self, region: WatchedRegion) -> bool:
        told = hillshades.folder(self._services) / (
            f"{hillshades.name_of(self._services, region)}.txt"
        )
        try:
            return time.time() - told.stat().st_mtime < _AGAIN_S
        except FileNotFoundError:
            return False

    def _make(self, regions: list[WatchedRegion]) -> None:
        """Make hillshades one after the other; what is being made already goes on."""
        with self._lock:
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._run, args=(regions,), daemon=True).start()

    def _run(self, regions: list[WatchedRegion]) -> None:
        try:
            for region in regions:
                what = f"{hillshades.__name__}:{hillshades.make_apart.__name__}"
                made = drawn_apart(self._services, what, region.id, _LIMIT_S)
                if isinstance(made, str):
                    log.warning("no hillshade", region=region.id, reason=made)
                    place = hillshades.folder(self._services)
                    place.mkdir(parents=True, exist_ok=True)
                    name = hillshades.name_of(self._services, region)
                    write_whole(place / f"{name}.txt", made.encode())
        finally:
            with self._lock:
                self._busy = False
