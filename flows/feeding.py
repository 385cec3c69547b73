"""Feeds as files: what the database says was told, written whole, and only where it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from alerts.cap import Header
from alerts.feed import EXERCISES, Feed, Told, atom, cap_atom, cap_path, geojson, picture_path
from alerts.rules import is_exercise
from db import cap, outbox
from db.engine import transaction
from db.records import AlertRecord, CapRecord
from flows.alert_pictures import kept_picture
from flows.files import sweep_parts, write_whole
from flows.services import Services


@dataclass(frozen=True, slots=True)
class Written:
    """What the feeds hold now."""

    events: int
    """Real events."""
    exercises: int
    """Events of exercises."""
    messages: int
    """CAP messages of both."""
    changed: int
    """Files that were written, the others being as they should."""


def write_feeds(services: Services, folder: Path) -> Written:
    """Write ``alerts.atom``, ``alerts.geojson``, ``cap.atom``, ``cap/`` and ``pictures/``.

    All of it twice: real alerts, and exercises below. Messages and pictures come before the feeds
    that link to them, each file is there as a whole or not at all, and a kill in between is mended
    by the next call. Old messages stay: others may link to them.

    Args:
        services: Database and settings.
        folder: Made where it is missing.
    """
    with transaction(services.engine) as s:
        records = _recent(s, datetime.now(UTC) - services.settings.feed.keep)
        kept = cap.messages(s, [record.alert.id for record in records])
    drawn = {
        record.alert.id: picture
        for record in records
        if (picture := kept_picture(services, record.alert)) is not None
    }
    told = [
        Told(
            record.alert, record.recorded_at, _header(kept.get(record.alert.id)),
            record.alert.id in drawn,
        )
        for record in records
    ]  # fmt: skip
    own = services.settings.cap
    changed = 0
    for exercise, name in ((False, ""), (True, EXERCISES)):
        place = folder / name
        for below in ("cap", "pictures"):
            (place / below).mkdir(parents=True, exist_ok=True)
            sweep_parts(place / below)
        sweep_parts(place)
        mine = [one.alert.id for one in told if is_exercise(one.alert) is exercise]
        for key in mine:
            if key in kept:
                changed += _write(place / cap_path(key), kept[key].document.encode())
            # A picture is drawn once and stays as it is.
            if key in drawn and not (place / picture_path(key)).exists():
                changed += _write(place / picture_path(key), drawn[key].read_bytes())
        feed = Feed(
            own.sender_name, own.sender, exercise,
            services.settings.feed.address(exercise=exercise),
        )  # fmt: skip
        changed += _write(place / "alerts.atom", atom(told, feed))
        changed += _write(place / "alerts.geojson", geojson(told, feed))
        changed += _write(place / "cap.atom", cap_atom(told, feed))
    return Written(_events(told, exercise=False), _events(told, exercise=True), len(kept), changed)


def _recent(s: Session, since: datetime) -> Sequence[AlertRecord]:
    """Return every alert of the events that were spoken of since then."""
    found = {record.alert.id: record for record in outbox.list_alerts(s, since=since)}
    for record in list(found.values()):
        if any(key not in found for key in record.alert.references):
            earlier = outbox.list_alerts(s, landslide_id=record.alert.landslide.id)
            found.update({one.alert.id: one for one in earlier})
    return list(found.values())


def _header(kept: CapRecord | None) -> Header | None:
    if kept is None:
        return None
    return Header(kept.sender, kept.identifier, kept.sent, kept.msg_type)


def _events(told: Sequence[Told], *, exercise: bool) -> int:
    return len({one.alert.landslide.id for one in told if is_exercise(one.alert) is exercise})


def _write(path: Path, content: bytes) -> bool:
    """Write a file unless it holds that already: its time tells readers whether to fetch it."""
    if path.is_file() and path.read_bytes() == content:
        return False
    write_whole(path, content)
    return True
