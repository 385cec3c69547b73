"""Events of feeds: stored once a version, and which regions they reach just now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from geoalchemy2 import Geography
from sqlalchemy import ColumnElement, Select, cast, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from db import convert, tables
from detectors.events import TriggerEvent

#: Regions that are watched and not paused: nobody else is polled.
_WATCHED = (tables.Region.removed_at.is_(None), ~tables.Region.paused)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """The newest version of an event."""

    trigger: str
    """Name in the settings."""
    event_id: str
    """What the feed calls it."""
    title: str
    """In the feed's words."""
    begins_at: datetime
    """When the earth shook, or from when on it rains, UTC."""
    cancelled: bool
    """Nobody goes by it any more."""
    poll_every: timedelta
    """Interval of polls it asks for."""
    raised_until: datetime
    """Until when, UTC."""
    regions: tuple[str, ...]
    """Regions it reaches, by id."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """How reading a feed went."""

    trigger: str
    """Name in the settings."""
    read_at: datetime
    """Last attempt, UTC."""
    succeeded_at: datetime | None
    """Last attempt that worked, UTC."""
    failures: int
    """Attempts that failed since."""
    error: str | None
    """Why the last one failed."""
    left_out: tuple[str, ...]
    """Entries that could not be read, and why."""


def store_events(
    s: Session,
    trigger: str,
    events: Iterable[TriggerEvent],
    poll_every: timedelta,
    lasting: timedelta,
) -> int:
    """Store what a feed holds; a version that is there stays as it is.

    What does not count (too weak, cancelled) is stored only where an earlier version did.

    Returns:
        How many versions were new.
    """
    row = tables.TriggerEvent
    new = 0
    for event in events:
        query = select(row).where(row.trigger == trigger, row.event_id == event.event_id)
        known = s.scalars(query.order_by(row.version.desc()).limit(1)).first()
        if event.cancelled and (known is None or known.cancelled):
            continue
        place = known.place if event.place.is_empty and known is not None else None
        values = {
            "trigger": trigger, "event_id": event.event_id, "version": event.version,
            "title": event.title, "begins_at": event.begins_at, "ends_at": event.ends_at,
            "place": place if place is not None else convert.geometry_value(event.place),
            "reach_m": event.reach_km * 1000, "magnitude": event.magnitude,
            "severity": event.severity, "cancelled": event.cancelled, "poll_every": poll_every,
            "raised_until": event.ends_at + lasting,
        }  # fmt: skip
        statement = insert(row).values(values).on_conflict_do_nothing().returning(row.event_id)
        new += s.scalar(statement) is not None
    return new


def finish_read(
    s: Session, trigger: str, now: datetime, error: str | None, left_out: Iterable[str] = ()
) -> None:
    """Store how reading a feed went."""
    row = tables.TriggerFeed
    failed = error is not None
    values = {
        "trigger": trigger, "read_at": now, "succeeded_at": None if failed else now,
        "failures": int(failed), "error": error, "left_out": list(left_out),
    }  # fmt: skip
    changed = {key: value for key, value in values.items() if key != "trigger"}
    if failed:
        changed |= {"succeeded_at": row.succeeded_at, "failures": row.failures + 1}
    s.execute(
        insert(row).values(values).on_conflict_do_update(index_elements=["trigger"], set_=changed)
    )


def feed_states(s: Session) -> list[FeedState]:
    """Return how reading each feed went."""
    row = tables.TriggerFeed
    return [
        FeedState(
            one.trigger, one.read_at, one.succeeded_at, one.failures, one.error, tuple(one.left_out)
        )
        for one in s.scalars(
            select(row).order_by(row.trigger), execution_options={"populate_existing": True}
        )
    ]  # fmt: skip


def list_events(s: Session, since: datetime) -> list[StoredEvent]:
    """Return the newest versions of events that raise polls at ``since`` or later, newest first."""
    row = tables.TriggerEvent
    newest = _newest().subquery()
    event = aliased(row, newest)
    reached = (
        select(func.array_agg(tables.Region.id)).where(*_WATCHED, _reaches(event)).scalar_subquery()
    )
    query = (
        select(event, reached)
        .where(event.raised_until >= since)
        .order_by(event.begins_at.desc(), event.event_id)
    )
    return [
        StoredEvent(
            one.trigger, one.event_id, one.title, one.begins_at, one.cancelled, one.poll_every,
            one.raised_until, tuple(sorted(regions or ())),
        )
        for one, regions in s.execute(query)
    ]  # fmt: skip


def raised(s: Session, now: datetime) -> dict[str, StoredEvent]:
    """Return by region what raises its polls most just now."""
    found: dict[str, StoredEvent] = {}
    for event in list_events(s, now):
        if event.cancelled or event.begins_at > now:
            continue
        for region_id in event.regions:
            held = found.get(region_id)
            if held is None or event.poll_every < held.poll_every:
                found[region_id] = event
    return found


def _newest() -> Select[tuple[tables.TriggerEvent]]:
    row = tables.TriggerEvent
    return (
        select(row)
        .distinct(row.trigger, row.event_id)
        .order_by(row.trigger, row.event_id, row.version.desc())
    )


def _reaches(event: type[tables.TriggerEvent]) -> ColumnElement[bool]:
    """Return whether an event reaches a region: on the ellipsoid, over the 180th meridian too."""
    near: ColumnElement[bool] = func.ST_DWithin(
        cast(event.place, Geography()), cast(tables.Region.geometry, Geography()), event.reach_m
    )
    return near
