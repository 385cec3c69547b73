"""When a region was looked at, by track, what could be seen, and which silences are open."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
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
from detectors.types import Sensor


@dataclass(frozen=True, slots=True)
class SeenLook:
    """One judged look and what it could see."""

    acquisition_id: uuid.UUID
    """The look."""
    track: str
    """As in :func:`look_times`."""
    sensed_at: datetime
    """When it was taken, UTC."""
    coverage: Coverage
    """What it could see of the region."""


@dataclass(frozen=True, slots=True)
class OpenSilence:
    """An alarm without its all-clear."""

    track: str
    """As in :func:`look_times`."""
    expected_at: datetime
    """When the look should have been taken, UTC."""


def track_name(
    sensor: str, relative_orbit: int | None, orbit_state: str | None, tile: str | None
) -> str:
    """Return the name of what comes by again: an orbit's direction, a tile under an orbit."""
    if sensor == Sensor.SAR:
        return f"{relative_orbit:03d}-{orbit_state}"
    return "-".join([tile or "optical", *([f"{relative_orbit:03d}"] if relative_orbit else [])])


def look_times(
    s: Session,
    region_id: str,
    sources: Collection[str],
    since: datetime,
    until: datetime,
    sensors: Collection[Sensor] = tuple(Sensor),
) -> Mapping[str, list[tuple[datetime, datetime]]]:
    """Return (sensed, published) of a region's looks by track.

    Args:
        s: Session.
        region_id: Watched region.
        sources: Only of these: a source the region has given up is not silent.
        since: Sensed at this time or later.
        until: Published at this time or earlier, so that a replay knows no future.
        sensors: Only of these.
    """
    known = known_looks(s, region_id, sources, since, until, sensors)
    return {
        track: [(look.sensed_at, look.published_at) for look in looks]
        for track, looks in known.items()
    }


def known_looks(
    s: Session,
    region_id: str,
    sources: Collection[str],
    since: datetime,
    until: datetime,
    sensors: Collection[Sensor] = tuple(Sensor),
) -> Mapping[str, list[KnownLook]]:
    """Return a region's looks by track, and how far each has got.

    Arguments as for ``look_times``.
    """
    seen, look = tables.Acquisition, tables.Look
    query = (
        select(
            seen.sensor, seen.relative_orbit, seen.orbit_state, seen.tile, seen.sensed_at,
            seen.published_at, look.state, look.reason, look.finished_at, seen.source,
        )
        .join(look, look.acquisition_id == seen.id)
        .where(
            look.region_id == region_id, seen.source.in_(sources),
            seen.sensed_at >= since, seen.published_at <= until,
            seen.sensor.in_([sensor.value for sensor in sensors]),
        )
    )  # fmt: skip
    found: defaultdict[str, list[KnownLook]] = defaultdict(list)
    for sensor, orbit, direction, tile, *rest in s.execute(query):
        found[track_name(sensor, orbit, direction, tile)].append(KnownLook(*rest))
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


def open_silences(s: Session, region_id: str) -> list[OpenSilence]:
    """Return the alarms of a region that have no all-clear yet, oldest first."""
    query = (
        select(Silence.track, Silence.expected_at)
        .where(Silence.region_id == region_id, Silence.cleared_by.is_(None))
        .order_by(Silence.track, Silence.expected_at)
    )
    return [OpenSilence(track, expected) for track, expected in s.execute(query)]


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
