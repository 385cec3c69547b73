"""Radar looks: what they could see of a region, and what they say of landslides."""

from __future__ import annotations

import dataclasses
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta

import shapely
from sqlalchemy import Select, column, func, or_, select, update
from sqlalchemy import table as named_table
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from db import convert, tables
from db.base import SCHEMA
from db.records import TrackCoverage
from db.selecting import over, rows
from db.tables import Look
from detectors.observability import Coverage
from detectors.types import Landslide, RadarCheck, Sensor
from detectors.visibility import LookSeen

_REGIONS = named_table(
    "region_observability",
    *(column(name) for name in ("region_id", "track", "relative_orbit", "orbit_state")),
    *(column(name) for name in ("acquisition_id", "item_id", "sensed_at", "km2", "share_seen")),
    column("unseen", JSONB()),
    column("simulated"),
    schema=SCHEMA,
)


def record_observability(
    s: Session,
    region_id: str,
    acquisition_id: uuid.UUID,
    coverage: Coverage,
    *,
    simulated: bool,
) -> None:
    """Store what a look could see of a region; what an earlier judgement told of it is replaced.

    Raises:
        PermanentError: the region has no such look, or shares are not shares.
    """
    values = {
        "km2": coverage.km2,
        "share_seen": coverage.share_seen,
        "unseen": dict(coverage.unseen),
        "simulated": simulated,
    }
    s.execute(
        insert(tables.Observability)
        .values(region_id=region_id, acquisition_id=acquisition_id, **values)
        .on_conflict_do_update(
            index_elements=["region_id", "acquisition_id"],
            set_=values | {"recorded_at": func.clock_timestamp()},
        )
    )


def region_coverage(s: Session, region_id: str | None = None) -> list[TrackCoverage]:
    """Return what radar could see over the last repeat cycle: the best look of each track.

    Args:
        s: Session.
        region_id: Only of this region.
    """
    query: Select[tuple[object, ...]] = select(_REGIONS).order_by(
        _REGIONS.c.region_id, _REGIONS.c.track
    )
    if region_id is not None:
        query = query.where(_REGIONS.c.region_id == region_id)
    return [convert.to_track_coverage(row) for row in s.execute(query)]


def looks_seen(s: Session, region_id: str, *, simulated: bool) -> list[LookSeen]:
    """Return the looks that a region was judged by, or should have been, in order of sensing.

    Args:
        s: Session.
        region_id: Watched region.
        simulated: Those of a drill, too; else only what was really taken.
    """
    seen, told = tables.Acquisition, tables.Observability
    query = (
        select(seen.sensed_at, seen.footprint, told.share_seen, told.unseen)
        .join(Look, Look.acquisition_id == seen.id)
        .outerjoin(
            told, (told.region_id == Look.region_id) & (told.acquisition_id == Look.acquisition_id)
        )
        .where(Look.region_id == region_id, Look.state != "baseline")
        .order_by(seen.sensed_at, seen.id)
    )
    if not simulated:
        query = query.where(~seen.simulated)
    # Catalogues deliver invalid outlines; a look that is judged again keeps what was told before.
    return [
        LookSeen(
            row.sensed_at, shapely.make_valid(convert.to_shape_of(row.footprint)), row.share_seen,
            row.unseen or {},
        )
        for row in s.execute(query)
    ]  # fmt: skip


def record_radar_checks(s: Session, checks: Sequence[RadarCheck]) -> None:
    """Store what a look says of landslides; a look that is judged again speaks anew."""
    statement = insert(tables.RadarCheck)
    new = statement.excluded
    keys = ("landslide_id", "acquisition_id")
    names = [f.name for f in dataclasses.fields(RadarCheck) if f.name not in keys]
    stored = tables.RadarCheck
    changed = or_(*(getattr(stored, n).is_distinct_from(getattr(new, n)) for n in names))
    statement = statement.on_conflict_do_update(
        index_elements=["landslide_id", "acquisition_id"],
        set_={name: getattr(new, name) for name in names} | {"recorded_at": func.clock_timestamp()},
        where=changed,
    )
    if checks:
        s.execute(statement, [convert.radar_check_values(check) for check in checks])


def radar_checks(
    s: Session, landslides: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, list[RadarCheck]]:
    """Return what radar looks said of some landslides, in order of sensing."""
    row = tables.RadarCheck
    query = (
        select(row)
        .where(row.landslide_id.in_(landslides))
        .order_by(row.sensed_at, row.acquisition_id)
    )
    said: defaultdict[uuid.UUID, list[RadarCheck]] = defaultdict(list)
    for stored in rows(s, query) if landslides else ():
        said[stored.landslide_id].append(convert.to_radar_check(stored))
    return said


def reopen_later_looks(
    s: Session, landslide: Landslide, within: timedelta, *, heard: bool = False
) -> int:
    """Let the looks be judged again that came before their landslide was known.

    Such a look was sensed later, but judged earlier: a product came late. It was held against a
    history that has the landslide in it, and was never asked about it.

    Args:
        s: Session.
        landslide: just stored for the first time, or with another outline that an earlier look has.
        within: so long after it was first seen.
        heard: also those that have said something of it: of another outline.

    Returns:
        How many looks are due again.
    """
    look, seen, said = tables.Look, tables.Acquisition, tables.RadarCheck
    later = (
        select(look.id)
        .join(seen, seen.id == look.acquisition_id)
        .where(
            look.region_id == landslide.region_id,
            look.state == "processed",
            seen.sensor == Sensor.SAR,
            seen.sensed_at > landslide.not_after,
            seen.sensed_at <= landslide.not_after + within,
            over(landslide.geometry),
        )
    )
    if not heard:
        later = later.where(
            ~select(said.landslide_id)
            .where(said.landslide_id == landslide.id, said.acquisition_id == seen.id)
            .exists()
        )
    return _again(s, s.scalars(later).all())


def reopen_short_looks(s: Session, region_id: str, found: Iterable[uuid.UUID]) -> int:
    """Let looks be judged after all that had too few before them, where older ones have come.

    Args:
        s: Session.
        region_id: Watched region.
        found: Acquisitions new to it.

    Returns:
        How many looks are due again.
    """
    look, seen = tables.Look, tables.Acquisition
    oldest = (
        select(seen.source, seen.track, func.min(seen.sensed_at).label("since"))
        .where(seen.id.in_(list(found)), seen.sensor == Sensor.SAR)
        .group_by(seen.source, seen.track)
        .subquery()
    )
    short = (
        select(look.id)
        .join(seen, seen.id == look.acquisition_id)
        .join(oldest, (oldest.c.source == seen.source) & (oldest.c.track == seen.track))
        .where(
            look.region_id == region_id,
            look.state == "skipped",
            seen.sensed_at > oldest.c.since,
        )
    )
    return _again(s, s.scalars(short).all())


def _again(s: Session, looks: Sequence[uuid.UUID]) -> int:
    """Make finished looks due again."""
    if looks:
        s.execute(
            update(Look)
            .where(Look.id.in_(looks))
            .values(state="due", attempts=0, retry_at=None, reason=None, finished_at=None)
        )
    return len(looks)
