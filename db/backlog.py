"""How much waits to be judged, and what to tell of it once it is. Part of the queue of looks."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, exists, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from db import convert, leases, queries, regions, tables
from db.looks import HELD
from db.tables import Delivery, Look, Region
from detectors.types import Alert, Sensor, WatchedRegion


def waiting(s: Session, region_id: str, now: datetime, sensor: Sensor) -> int:
    """Return how many looks of a region are due."""
    seen = tables.Acquisition
    query = (
        select(func.count())
        .select_from(Look)
        .join(seen, seen.id == Look.acquisition_id)
        .where(Look.region_id == region_id, seen.sensor == sensor, leases.is_due(Look, HELD, now))
    )
    return s.scalar(query) or 0


def more_urgent(s: Session, region: WatchedRegion, now: datetime, sensor: Sensor) -> bool:
    """Tell whether looks wait of a region that goes first (lower ``priority``)."""
    seen = tables.Acquisition
    found = exists().where(
        Region.priority < region.priority,
        ~Region.paused,
        Region.removed_at.is_(None),
        Look.region_id == Region.id,
        leases.is_due(Look, HELD, now),
        seen.id == Look.acquisition_id,
        seen.sensor == sensor,
    )
    return bool(s.scalar(select(found)))


def catching_up(s: Session, region_id: str, published_before: datetime) -> bool:
    """Tell whether looks that old are still to be judged for the first time in a region."""
    seen = tables.Acquisition
    found = exists().where(
        Look.region_id == region_id,
        or_(and_(Look.state == "due", Look.attempts == 0), Look.state == HELD),
        seen.id == Look.acquisition_id,
        seen.published_at < published_before,
    )
    return bool(s.scalar(select(found)))


def kept_alerts(s: Session) -> dict[str, list[tuple[str, uuid.UUID, datetime, Alert]]]:
    """Return what is kept for a summary, by region: channel, delivery, since when, and alert."""
    query = (
        select(Delivery.channel, Delivery.id, Delivery.recorded_at, tables.Alert)
        .join(tables.Alert, tables.Alert.id == Delivery.alert_id)
        .where(Delivery.state == "kept")
        .order_by(tables.Alert.region_id, Delivery.channel, tables.Alert.recorded_at)
    )
    found: dict[str, list[tuple[str, uuid.UUID, datetime, Alert]]] = {}
    for channel, delivery, since, alert in s.execute(query):
        told = convert.alert_from_json(alert.payload)
        found.setdefault(alert.region_id, []).append((channel, delivery, since, told))
    return found


def list_kept(s: Session, deliveries: Collection[uuid.UUID], reason: str) -> None:
    """Store that kept alerts stand in a summary."""
    s.execute(
        update(Delivery)
        .where(Delivery.id.in_(list(deliveries)), Delivery.state == "kept")
        .values(state="listed", reason=reason)
    )


def in_turns(s: Session, now: datetime, *, landslides: bool) -> list[str]:
    """Return the regions where looks are due, the urgent first, then whose last one is longest ago.

    Those that somebody has a run of are left out.

    Args:
        s: Session.
        now: Wall clock, aware.
        landslides: Regions with landslides that have not ended, too; they may have nothing to do.
    """
    last = aliased(Look)
    turn = select(func.max(last.finished_at)).where(last.region_id == Region.id).scalar_subquery()
    some: ColumnElement[bool] = exists().where(
        Look.region_id == Region.id, leases.is_due(Look, HELD, now)
    )
    if landslides:
        mark = tables.LandslideMark
        some = or_(
            some, exists().where(mark.region_id == Region.id, mark.state.not_in(queries.ENDED))
        )
    query = (
        select(Region.id)
        .where(~Region.paused, Region.removed_at.is_(None), some, ~regions.under_way(Region.id))
        .order_by(Region.priority, turn.asc().nulls_first(), Region.id)
    )
    return list(s.scalars(query))
