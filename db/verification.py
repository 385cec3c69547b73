"""What a verification is made of: looks, landslides with their verdicts, alerts, stable ground."""

from __future__ import annotations

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import tables
from db.passes import track_name
from db.tables import LandslideVersion, LookScores
from detectors.drift import ScoreSummary
from detectors.types import Kind, Sensor, State, Tier

#: States that answer whether there was a landslide.
_VERDICTS = (State.CONFIRMED, State.REFUTED, State.UNRESOLVED)


@dataclass(frozen=True, slots=True)
class LookFacts:
    """One look of a region, and how long it took to be judged."""

    sensor: Sensor
    """Radar or optical."""
    track: str
    """As ``db.passes.track_name`` says it."""
    state: str
    """Of the look."""
    sensed_at: datetime
    """When it was taken, UTC."""
    published_at: datetime
    """When the product became available, UTC."""
    finished_at: datetime | None
    """When it was judged by the machine's clock, UTC; None: it is not."""
    km2: float | None
    """Ground of the region inside it; None where it was not judged."""
    share_seen: float | None
    """Share of that ground that could be judged, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Story:
    """How a landslide that was suspected turned out, as believed now."""

    landslide_id: uuid.UUID
    """Landslide."""
    source: Sensor
    """Which kind of look suspected it first."""
    kind: Kind
    """Landslide or new water."""
    tier: Tier
    """The highest it ever had."""
    first_at: datetime
    """Since when it was suspected, in the world, UTC."""
    verdict: State | None
    """Confirmed, refuted, unresolved, or closed without any of these; None: it is open."""
    verdict_at: datetime | None
    """Since when that holds, in the world, UTC."""
    by_person: bool
    """A person's verdict; else that of an optical look, or of time."""
    simulated: bool
    """It never happened."""


@dataclass(frozen=True, slots=True)
class ToldAlert:
    """One alert, and how long it took to arrive."""

    tier: Tier
    """Of the version it tells of."""
    kind: str
    """What it tells."""
    stored_at: datetime
    """When it was stored by the server's clock, UTC."""
    delivered_at: datetime | None
    """When the first channel took it, UTC; None: none has."""


def record_scores(
    s: Session, region_id: str, acquisition_id: uuid.UUID, said: ScoreSummary
) -> None:
    """Store what a look says of stable ground; judged again, it speaks anew."""
    values = {
        "median": said.median, "p90": said.p90, "p99": said.p99, "pixels": said.pixels,
    }  # fmt: skip
    s.execute(
        insert(LookScores)
        .values(region_id=region_id, acquisition_id=acquisition_id, **values)
        .on_conflict_do_update(
            index_elements=["region_id", "acquisition_id"],
            set_={**values, "recorded_at": func.clock_timestamp()},
        )
    )


def list_scores(
    s: Session, region_id: str, until: datetime, *, simulated: bool
) -> dict[str, list[tuple[datetime, ScoreSummary]]]:
    """Return what looks said of stable ground, by track, oldest first.

    Args:
        s: Session.
        region_id: Watched region.
        until: Sensed before.
        simulated: Looks of a drill, too.
    """
    seen, row = tables.Acquisition, LookScores
    query = (
        select(
            seen.sensor, seen.relative_orbit, seen.orbit_state, seen.tile, seen.sensed_at,
            row.median, row.p90, row.p99, row.pixels,
        )
        .join(seen, seen.id == row.acquisition_id)
        .where(row.region_id == region_id, seen.sensed_at < until)
        .order_by(seen.sensed_at, seen.item_id)
    )  # fmt: skip
    if not simulated:
        query = query.where(~seen.simulated)
    found: defaultdict[str, list[tuple[datetime, ScoreSummary]]] = defaultdict(list)
    for sensor, orbit, direction, tile, sensed, *told in s.execute(query):
        found[track_name(sensor, orbit, direction, tile)].append((sensed, ScoreSummary(*told)))
    return dict(found)


def list_offsets(
    s: Session, region_id: str, since: datetime, until: datetime, *, simulated: bool
) -> dict[str, dict[str, list[float]]]:
    """Return how far looks of a span depart from known platforms, dB, by track and polarisation.

    Args:
        s: Session.
        region_id: Watched region.
        since: Sensed then or later.
        until: Sensed before.
        simulated: Looks of a drill, too.
    """
    seen, row = tables.Acquisition, tables.LookBias
    query = (
        select(
            seen.sensor, seen.relative_orbit, seen.orbit_state, seen.tile,
            row.polarisation, row.median_db,
        )
        .join(seen, seen.id == row.acquisition_id)
        .where(row.region_id == region_id, seen.sensed_at >= since, seen.sensed_at < until)
        .order_by(row.polarisation)
    )  # fmt: skip
    if not simulated:
        query = query.where(~seen.simulated)
    found: dict[str, dict[str, list[float]]] = {}
    for *track, polarisation, offset in s.execute(query):
        found.setdefault(track_name(*track), {}).setdefault(polarisation, []).append(offset)
    return found


def list_looks(
    s: Session, region_id: str, since: datetime, until: datetime, *, simulated: bool
) -> list[LookFacts]:
    """Return the looks of a span that were to be judged, oldest first.

    Args:
        s: Session.
        region_id: Watched region.
        since: Sensed then or later.
        until: Sensed before.
        simulated: Those of a drill, too.
    """
    seen, look, told = tables.Acquisition, tables.Look, tables.Observability
    query = (
        select(seen, look.state, look.finished_at, told.km2, told.share_seen)
        .join(look, look.acquisition_id == seen.id)
        .outerjoin(
            told, (told.region_id == look.region_id) & (told.acquisition_id == look.acquisition_id)
        )
        .where(
            look.region_id == region_id, look.state != "baseline",
            seen.sensed_at >= since, seen.sensed_at < until,
        )
        .order_by(seen.sensed_at, seen.item_id)
    )  # fmt: skip
    if not simulated:
        query = query.where(~seen.simulated)
    return [
        LookFacts(
            Sensor(one.sensor),
            track_name(one.sensor, one.relative_orbit, one.orbit_state, one.tile),
            state, one.sensed_at, one.published_at, finished, km2, share,
        )
        for one, state, finished, km2, share in s.execute(query)
    ]  # fmt: skip


def list_stories(s: Session, region_id: str, since: datetime, until: datetime) -> list[Story]:
    """Return how the landslides turned out that were first suspected in a span, oldest first.

    What became part of another is not counted beside it; parts that were split off are neither,
    since the whole was.
    """
    row = LandslideVersion
    begun = (
        select(row.landslide_id)
        .join(tables.Landslide, tables.Landslide.id == row.landslide_id)
        .where(
            tables.Landslide.region_id == region_id, row.revision == 1,
            row.valid_from >= since, row.valid_from < until, row.split_from.is_(None),
        )
    )  # fmt: skip
    columns = (
        row.landslide_id, row.state, row.tier, row.kind, row.source, row.valid_from,
        row.reviewed_by, row.merged_into, row.simulated,
    )  # fmt: skip
    versions: defaultdict[uuid.UUID, list[Any]] = defaultdict(list)
    asked = select(*columns).where(row.landslide_id.in_(begun)).order_by(row.revision)
    for one in s.execute(asked):
        versions[one.landslide_id].append(one)
    stories = [
        _story(told) for told in versions.values() if all(one.merged_into is None for one in told)
    ]
    return sorted(stories, key=lambda one: (one.first_at, one.landslide_id))


def _story(versions: list[Any]) -> Story:
    """Fold the versions of one landslide, oldest first."""
    first, last = versions[0], versions[-1]
    verdict: Any = None
    for one in versions:
        state = State(one.state)
        if state is State.SUSPECTED:
            verdict = None  # opened again
        elif state in _VERDICTS and (verdict is None or verdict.state != one.state):
            verdict = one
        elif state is State.CLOSED and verdict is None:
            verdict = one  # a person did not want to say
    return Story(
        landslide_id=first.landslide_id,
        source=Sensor(first.source),
        kind=Kind(last.kind),
        tier=Tier.LIKELY if any(one.tier == Tier.LIKELY for one in versions) else Tier.WATCH,
        first_at=first.valid_from,
        verdict=None if verdict is None else State(verdict.state),
        verdict_at=None if verdict is None else verdict.valid_from,
        by_person=verdict is not None and verdict.reviewed_by is not None,
        simulated=any(one.simulated for one in versions),
    )


def list_told(
    s: Session, region_id: str, since: datetime, until: datetime, *, simulated: bool
) -> list[ToldAlert]:
    """Return the alerts about versions that hold since a span, oldest first.

    Args:
        s: Session.
        region_id: Watched region.
        since: ``valid_from`` of the version, then or later.
        until: The same, before.
        simulated: Those of landslides that never happened, and no others; else real ones.
    """
    alert, version = tables.Alert, LandslideVersion
    first = (
        select(func.min(tables.Receipt.received_at))
        .join(tables.Delivery, tables.Delivery.id == tables.Receipt.delivery_id)
        .where(tables.Delivery.alert_id == alert.id)
        .scalar_subquery()
    )
    query = (
        select(version.tier, alert.kind, alert.recorded_at, first)
        .join(
            version,
            (version.landslide_id == alert.landslide_id) & (version.revision == alert.revision),
        )
        .where(
            alert.region_id == region_id, alert.simulated == simulated,
            version.valid_from >= since, version.valid_from < until,
        )
        .order_by(alert.recorded_at, alert.id)
    )  # fmt: skip
    return [ToldAlert(Tier(tier), *told) for tier, *told in s.execute(query)]
