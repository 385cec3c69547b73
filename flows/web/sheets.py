"""Pictures and histories of the page: made once, apart from the server, and kept as files."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import os
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
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
from flows.web.histories import TrackHistory, parsed, read_history

#: A picture that could not be drawn is tried again after so long.
_AGAIN_S = 600.0
#: Looks of up to two years may take so long to read.
_HISTORY_S = 900.0
#: Pictures drawn at once; more would take the cores from the watch itself.
_AT_ONCE = 1


class Sheets:
    """Keeps them in ``web`` of the state folder, by landslide, version and what they show."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._folder = services.settings.home / "web"
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._drawing: dict[str, asyncio.Lock] = {}
        # Of its own: reading two years of looks takes minutes, and pictures do not wait for it.
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._reads = asyncio.Semaphore(_AT_ONCE)

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

    def kept_history(self, landslide: Landslide, looks: int) -> tuple[TrackHistory, ...] | None:
        """Return the history of a landslide's own ground, None where it is not read.

        Args:
            landslide: Whose.
            looks: Passes that go into it: one more makes it another history.

        Raises:
            Problem: it could not be read.
        """
        found = _read(*self._places(_history_name(landslide, looks)))
        if isinstance(found, str):
            raise _missing(found, "history")
        try:
            return None if found is None else parsed(found)
        except (ValueError, KeyError, TypeError):
            raise _missing("what is kept is damaged", "history") from None

    async def history(self, landslide: Landslide, looks: int) -> tuple[TrackHistory, ...] | None:
        """Return the same, and begin to read it where it is not; then ask again later.

        Raises:
            Problem: it could not be read.
        """
        found = await asyncio.to_thread(self.kept_history, landslide, looks)
        name = _history_name(landslide, looks)
        if found is None and name not in self._reading:
            self._reading[name] = asyncio.create_task(self._read_history(landslide.id, name))
        return found

    async def _read_history(self, landslide_id: uuid.UUID, name: str) -> None:
        what = f"{read_history.__module__}:{read_history.__name__}"
        try:
            async with self._reads:
                await asyncio.to_thread(
                    self._draw, lambda: self._apart(what, landslide_id, _HISTORY_S), name
                )
        finally:
            del self._reading[name]

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

    def _apart(self, what: str, subject: Any, limit: float | None = None) -> bytes | str:
        usual = self._services.settings.picture_timeout_s
        if usual == 0:
            return "pictures are switched off (picture_timeout_s = 0)"
        return drawn_apart(self._services, what, subject, limit or usual)

    def _places(self, name: str) -> tuple[Path, Path]:
        """Return where something is kept, and where the reason if there is nothing."""
        return self._folder / name, self._folder / f"{name}.txt"

    def _draw(self, draw: Callable[[], bytes | str], name: str) -> bytes | str:
        made = draw()
        path, told = self._places(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(told if isinstance(made, str) else path, _bytes(made))
        settings = self._services.settings
        prune(self._folder, settings.page_keep, settings.page_keep_mb * 1_000_000)
        return made

    async def _kept(self, name: str, draw: Callable[[], bytes | str]) -> bytes:
        path, told = self._places(name)
        lock = self._drawing.setdefault(name, asyncio.Lock())
        try:
            async with lock:
                found = await asyncio.to_thread(_read, path, told)
                if found is None:
                    async with self._turn:
                        found = await asyncio.to_thread(self._draw, draw, name)
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
            os.utime(path)  # looked at now, says prune
            return path.read_bytes()
        if time.time() - told.stat().st_mtime < _AGAIN_S:
            return told.read_text(encoding="utf-8")
    except FileNotFoundError:
        pass
    return None


def prune(folder: Path, keep: timedelta, most: int) -> None:
    """Remove what nobody looked at for long, then what was looked at longest ago, down to a size.

    Args:
        folder: Of kept pictures.
        keep: How long after it was last looked at a file stays.
        most: Bytes that may stay; the newest file stays whatever its size.
    """
    files = []
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another server prunes, too
            if path.is_file() and not path.name.startswith("."):
                files.append((path.stat().st_mtime, path.stat().st_size, path))
    oldest, size = time.time() - keep.total_seconds(), 0
    for number, (looked, weight, path) in enumerate(sorted(files, reverse=True)):
        size += weight
        if number and (looked < oldest or size > most):
            path.unlink(missing_ok=True)


def _history_name(landslide: Landslide, looks: int) -> str:
    return f"{_key(landslide)}-{looks}-history.json"


def _bytes(made: bytes | str) -> bytes:
    return made.encode() if isinstance(made, str) else made


def _missing(reason: str, what: str = "picture") -> Problem:
    return Problem(404, f"There is no {what}", reason)
