"""When a region was looked at, by track, what could be seen, and which silences are open."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from geoalchemy2 import Geography
from sqlalchemy import cast, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import tables
from db.tables import Silence
from detectors.ledger import KnownLook
from detectors.observability import Coverage
from detectors.types import Sensor, WatchedRegion


@dataclass(frozen=True, slots=True)
class SeenLook:
    """One judged look and what it could see."""

    acquisition_id: uuid.UUID
    """The look."""
    track: str
    """As :func:`track_name` says it."""
    sensed_at: datetime
    """When it was taken, UTC."""
    coverage: Coverage
    """What it could see of the region."""


@dataclass(frozen=True, slots=True)
class OpenSilence:
    """An alarm without its all-clear."""

    track: str
    """As :func:`track_name` says it."""
    expected_at: datetime
    """When the look should have been taken, UTC."""


def track_name(
    sensor: str, relative_orbit: int | None, orbit_state: str | None, tile: str | None
) -> str:
    """Return the name of what comes by again: an orbit's direction, a tile under an orbit."""
    if sensor == Sensor.SAR:
        return f"{relative_orbit:03d}-{orbit_state}"
    return "-".join([tile or "optical", *([f"{relative_orbit:03d}"] if relative_orbit else [])])


def known_looks(
    s: Session,
    regions: Collection[WatchedRegion],
    since: datetime,
    until: datetime,
    sensors: Collection[Sensor] | None = None,
) -> dict[str, dict[str, list[KnownLook]]]:
    """Return the looks of some regions by region and track, and how far each has got.

    Args:
        s: Session.
        regions: Watched regions; what comes from a source one has given up is left out.
        since: Sensed at this time or later.
        until: Published at this time or earlier, so that a replay knows no future.
        sensors: Only of these; None: of those that each region watches.
    """
    seen, look = tables.Acquisition, tables.Look
    query = (
        select(
            look.region_id, seen.sensor, seen.relative_orbit, seen.orbit_state, seen.tile,
            seen.sensed_at, seen.published_at, look.state, look.reason, look.finished_at,
            seen.source,
        )
        .join(look, look.acquisition_id == seen.id)
        .where(
            look.region_id.in_([region.id for region in regions]),
            seen.sensed_at >= since, seen.published_at <= until,
        )
    )  # fmt: skip
    watched = {
        region.id: (set(region.sources), set(region.sensors if sensors is None else sensors))
        for region in regions
    }
    found: dict[str, dict[str, list[KnownLook]]] = {region.id: {} for region in regions}
    for region_id, sensor, orbit, direction, tile, *rest in s.execute(query):
        known, (sources, wanted) = KnownLook(*rest), watched[region_id]
        if known.source in sources and sensor in wanted:
            track = track_name(sensor, orbit, direction, tile)
            found[region_id].setdefault(track, []).append(known)
    return found


def looks_seen(
    s: Session, region_id: str, since: datetime, until: datetime
) -> list[SeenLook]:  # fmt: skip
    """Return the judged looks of a region in a time with what they could see, oldest first."""
    seen, could = tables.Acquisition, tables.Observability
    query = (
        select(seen, could)
        .join(could, could.acquisition_id == seen.id)
        .where(
            could.region_id == region_id, seen.sensed_at >= since, seen.published_at <= until
        )
        .order_by(seen.sensed_at, seen.item_id)
    )  # fmt: skip
    return [
        SeenLook(
            look.id,
            track_name(look.sensor, look.relative_orbit, look.orbit_state, look.tile),
            look.sensed_at,
            Coverage(told.km2, told.share_seen, told.unseen),
        )
        for look, told in s.execute(query)
    ]


def ground_share(s: Session, region_id: str, looks: Collection[uuid.UUID]) -> float:
    """Return the share of a region's area that some looks cover together, 0 to 1."""
    seen, region = tables.Acquisition, tables.Region
    joined = (
        select(func.ST_Union(func.ST_MakeValid(seen.footprint)))
        .where(seen.id.in_(looks))
        .scalar_subquery()
    )
    part = cast(func.ST_Intersection(region.geometry, joined), Geography())
    query = select(
        func.ST_Area(part) / func.ST_Area(cast(region.geometry, Geography()))
    ).where(region.id == region_id)  # fmt: skip
    return min(float(s.scalar(query) or 0.0), 1.0)


def open_silences(s: Session, region_ids: Collection[str]) -> dict[str, list[OpenSilence]]:
    """Return by region the alarms that have no all-clear yet, oldest first."""
    query = (
        select(Silence.region_id, Silence.track, Silence.expected_at)
        .where(Silence.region_id.in_(region_ids), Silence.cleared_by.is_(None))
        .order_by(Silence.track, Silence.expected_at)
    )
    found: dict[str, list[OpenSilence]] = {region_id: [] for region_id in region_ids}
    for region_id, track, expected in s.execute(query):
        found[region_id].append(OpenSilence(track, expected))
    return found


def raise_silence(
    s: Session,
    region_id: str,
    track: str,
    expected_at: datetime,
    cycle_s: float,
    alarm_id: uuid.UUID,
) -> None:
    """Store an alarm whose bulletin is in the outbox; what is there stays as it is."""
    s.execute(
        insert(Silence)
        .values(
            region_id=region_id, track=track, expected_at=expected_at, cycle_s=cycle_s,
            alarm_id=alarm_id,
        )
        .on_conflict_do_nothing()
    )  # fmt: skip


def clear_silences(s: Session, region_id: str, track: str, all_clear_id: uuid.UUID) -> None:
    """Store that a track is seen again."""
    s.execute(
        update(Silence)
        .where(
            Silence.region_id == region_id, Silence.track == track, Silence.cleared_by.is_(None)
        )
        .values(cleared_by=all_clear_id)
    )  # fmt: skip
