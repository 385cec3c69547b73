"""Pictures of the page: drawn once, apart from the server, and kept as files."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from db import outbox
from db.engine import transaction
from detectors.types import Landslide, Sensor
from flows import pictures
from flows.alert_pictures import kept_picture
from flows.drawing import drawn_apart
from flows.files import write_whole
from flows.services import Services
from flows.web.guards import Problem

#: A picture that could not be drawn is tried again after so long.
_AGAIN_S = 600.0
#: Pictures drawn at once; more would take the cores from the watch itself.
_AT_ONCE = 1


class Sheets:
    """Keeps pictures in ``web`` of the state folder, by landslide, version and what they show."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._folder = services.settings.home / "web"
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._drawing: dict[str, asyncio.Lock] = {}

    async def sheet(self, landslide: Landslide, eye: Sensor) -> bytes:
        """Return the sheet that ``scarpwatch landslides picture`` draws, PNG.

        Raises:
            Problem: it cannot be drawn.
        """
        name = f"{_key(landslide)}-{eye.value}.png"
        subject = (landslide.id, eye)
        return await self._kept(name, lambda: self._apart(f"{__name__}:draw_sheet", subject))

    async def pair(self, landslide: Landslide, eye: Sensor) -> dict[str, Any]:
        """Return before and after as ``flows.web.pairs`` draws them, and what they show.

        Raises:
            Problem: they cannot be drawn.
        """
        name = f"{_key(landslide)}-{eye.value}.json"
        subject = (landslide.id, eye)
        drawn = await self._kept(name, lambda: self._apart("flows.web.pairs:draw_pair", subject))
        try:
            found: dict[str, Any] = json.loads(drawn)
            return found | {
                side: base64.b64decode(found[side], validate=True) for side in ("before", "after")
            }
        except (ValueError, KeyError, binascii.Error):
            raise _missing("the kept picture is damaged") from None

    async def alert(self, alert_id: uuid.UUID) -> bytes:
        """Return the picture that went out with an alert, PNG.

        Raises:
            Problem: there is no such alert, or no picture.
        """
        return await asyncio.to_thread(self._alert, alert_id)

    def _alert(self, alert_id: uuid.UUID) -> bytes:
        # Nothing is drawn here: a failure would be kept, and the alert go out without.
        with transaction(self._services.engine) as s:
            records = outbox.list_alerts(s, alert_id=alert_id)
        if not records:
            raise Problem(404, "There is no such alert", "The landslide's page lists its alerts.")
        kept = kept_picture(self._services, records[0].alert)
        if kept is None:
            raise _missing("none went along, or it was not sent yet")
        return kept.read_bytes()

    def _apart(self, what: str, subject: Any) -> bytes | str:
        limit = self._services.settings.picture_timeout_s
        if limit == 0:
            return "pictures are switched off (picture_timeout_s = 0)"
        return drawn_apart(self._services, what, subject, limit)

    async def _kept(self, name: str, draw: Callable[[], bytes | str]) -> bytes:
        path, told = self._folder / name, self._folder / f"{name}.txt"
        lock = self._drawing.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                found = await asyncio.to_thread(_read, path, told)
                if found is None:
                    async with self._turn:
                        found = await asyncio.to_thread(_draw, draw, path, told)
        finally:
            if not lock.locked():
                self._drawing.pop(name, None)
        if isinstance(found, str):
            raise _missing(found)
        return found


def draw_sheet(services: Services, subject: tuple[uuid.UUID, Sensor]) -> bytes:
    """Draw a landslide by one eye here and now.

    Raises:
        ScarpwatchError: it cannot be drawn.
    """
    landslide_id, eye = subject
    return pictures.drawn(services, landslide_id, eye)[1]


def _key(landslide: Landslide) -> str:
    return f"{landslide.id}-{landslide.revision}"


def _read(path: Path, told: Path) -> bytes | str | None:
    """Return what is kept, or the reason why there is nothing while it is fresh."""
    try:
        if path.exists():
            return path.read_bytes()
        if time.time() - told.stat().st_mtime < _AGAIN_S:
            return told.read_text(encoding="utf-8")
    except FileNotFoundError:
        pass
    return None


def _draw(draw: Callable[[], bytes | str], path: Path, told: Path) -> bytes | str:
    made = draw()
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(made, str):
        write_whole(told, made.encode())
    else:
        write_whole(path, made)
    return made


def _missing(reason: str) -> Problem:
    return Problem(404, "There is no picture", reason)
