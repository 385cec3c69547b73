"""Platforms: what was measured of their looks, what people decided, which alerts wait for them."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import tables
from db.base import Base
from db.passes import track_name
from db.tables import HeldAlert, LookBias, OpticalBias, PlatformDecision
from detectors.bias import Bias
from detectors.types import Acquisition, Landslide, Sensor

#: Of what, and columns of median and spread, in the table of each sensor.
_NAMES = {
    Sensor.SAR: ("polarisation", "median_db", "spread_db"),
    Sensor.OPTICAL: ("band", "median", "spread"),
}


@dataclass(frozen=True, slots=True)
class SeenPlatform:
    """One look, who took it, and how far it departs on stable ground."""

    track: str
    """As ``ground_name`` says it."""
    platform: str
    """Satellite."""
    processing_version: str
    """Of the producer's processor, empty where the item does not tell."""
    sensed_at: datetime
    """When it was taken, UTC."""
    biases: Mapping[str, Bias]
    """By polarisation, or by band; empty where it was not judged or not compared."""
    sensor: Sensor = Sensor.SAR
    """Radar or optical."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided about a platform."""

    platform: str
    """Satellite."""
    processing_version: str
    """Of the producer's processor; empty: any."""
    region_id: str | None
    """Only in this region; None: everywhere."""
    track: str | None
    """Only on this track; None: on all."""
    decision: str
    """``approved`` or ``rejected``."""
    reason: str
    """Why."""
    decided_by: str
    """Who said so."""
    recorded_at: datetime
    """When, UTC."""


@dataclass(frozen=True, slots=True)
class Held:
    """An alert that waits."""

    landslide_id: uuid.UUID
    """Landslide."""
    acquisition_id: uuid.UUID
    """The look that decided."""
    track: str
    """Of that look."""
    platform: str
    """Of that look."""
    processing_version: str
    """Of that look, empty where the item does not tell."""


def ground_name(
    sensor: str, relative_orbit: int | None, orbit_state: str | None, tile: str | None
) -> str:
    """Return the name of what looks are compared on: a track, or an optical tile of any orbit."""
    orbit = relative_orbit if sensor == Sensor.SAR else None
    return track_name(sensor, orbit, orbit_state, tile)


def record_biases(
    s: Session, region_id: str, look: Acquisition, biases: Mapping[str, Bias]
) -> None:
    """Store how far a look departs on stable ground; judged again, it speaks anew."""
    optical = look.sensor is Sensor.OPTICAL
    table: type[Base] = OpticalBias if optical else LookBias
    part, *names = _NAMES[look.sensor]
    rows = [
        {"region_id": region_id, "acquisition_id": look.id, part: name, "pixels": one.pixels}
        | dict(zip(names, (one.median, one.spread), strict=True))
        for name, one in sorted(biases.items())
    ]
    if not rows:
        return
    statement = insert(table)
    told = {name: getattr(statement.excluded, name) for name in (*names, "pixels")}
    s.execute(
        statement.on_conflict_do_update(
            index_elements=["region_id", "acquisition_id", part],
            set_={**told, "recorded_at": func.clock_timestamp()},
        ),
        rows,
    )


def seen_platforms(
    s: Session, region_id: str, sources: Collection[str], until: datetime
) -> list[SeenPlatform]:
    """Return who took each look of a region, oldest first.

    Args:
        s: Session.
        region_id: Watched region.
        sources: Only of these.
        until: Published at this time or earlier, so that a replay knows no future.
    """
    seen, look = tables.Acquisition, tables.Look
    query = (
        select(
            seen.id, seen.relative_orbit, seen.orbit_state, seen.platform,
            seen.processing_version, seen.sensed_at, seen.sensor, seen.tile,
        )
        .join(look, look.acquisition_id == seen.id)
        .where(
            look.region_id == region_id, seen.source.in_(sources), seen.published_at <= until,
        )
        .order_by(seen.sensed_at, seen.item_id)
    )  # fmt: skip
    measured: defaultdict[uuid.UUID, dict[str, Bias]] = defaultdict(dict)
    for bias, sensor in ((LookBias, Sensor.SAR), (OpticalBias, Sensor.OPTICAL)):
        columns = [getattr(bias, n) for n in ("acquisition_id", *_NAMES[sensor], "pixels")]
        for acquisition, name, *told in s.execute(
            select(*columns).where(bias.region_id == region_id)
        ):
            measured[acquisition][name] = Bias(*told)
    return [
        SeenPlatform(
            ground_name(sensor, orbit, direction, tile), platform, version or "", sensed,
            measured.get(acquisition, {}), Sensor(sensor),
        )
        for acquisition, orbit, direction, platform, version, sensed, sensor, tile
        in s.execute(query)
    ]  # fmt: skip


def decide(s: Session, decision: Decision) -> None:
    """Store what a person decided; ``recorded_at`` is the database's."""
    s.execute(
        insert(PlatformDecision).values(
            platform=decision.platform, processing_version=decision.processing_version,
            region_id=decision.region_id, track=decision.track, decision=decision.decision,
            reason=decision.reason, decided_by=decision.decided_by,
        )
    )  # fmt: skip


def list_decisions(s: Session, region_id: str | None = None) -> list[Decision]:
    """Return what people decided, oldest first: of everywhere, and of one region if it is named."""
    row = PlatformDecision
    query = select(row).order_by(row.number)
    if region_id is not None:
        query = query.where((row.region_id == region_id) | row.region_id.is_(None))
    return [
        Decision(
            one.platform, one.processing_version, one.region_id, one.track, one.decision,
            one.reason, one.decided_by, one.recorded_at,
        )
        for one in s.scalars(query)
    ]  # fmt: skip


def hold(
    s: Session, landslide: Landslide, kind: str, acquisition_id: uuid.UUID, advisory: str
) -> None:
    """Store that an alert waits for its look's platform."""
    s.execute(
        insert(HeldAlert)
        .values(
            landslide_id=landslide.id, revision=landslide.revision, kind=kind,
            acquisition_id=acquisition_id, advisory=advisory,
        )
        .on_conflict_do_nothing()
    )  # fmt: skip


def held_kinds(s: Session, landslide_id: uuid.UUID) -> set[str]:
    """Return the kinds of alerts of a landslide that were ever held."""
    return set(s.scalars(select(HeldAlert.kind).where(HeldAlert.landslide_id == landslide_id)))


def held_alerts(s: Session, region_id: str) -> list[Held]:
    """Return the alerts of a region that wait, the oldest first; one for each landslide."""
    row, seen = HeldAlert, tables.Acquisition
    query = (
        select(row.landslide_id, seen)
        .join(seen, seen.id == row.acquisition_id)
        .join(tables.Landslide, tables.Landslide.id == row.landslide_id)
        .where(tables.Landslide.region_id == region_id, row.released_at.is_(None))
        .order_by(row.landslide_id, row.revision)
    )
    found: dict[uuid.UUID, Held] = {}
    for landslide_id, look in s.execute(query):
        found[landslide_id] = Held(
            landslide_id, look.id,
            ground_name(look.sensor, look.relative_orbit, look.orbit_state, look.tile),
            look.platform, look.processing_version or "",
        )  # fmt: skip
    return list(found.values())


def release(s: Session, landslide_id: uuid.UUID) -> None:
    """Store that the alerts of a landslide that waited were decided anew."""
    s.execute(
        update(HeldAlert)
        .where(HeldAlert.landslide_id == landslide_id, HeldAlert.released_at.is_(None))
        .values(released_at=func.clock_timestamp())
    )
