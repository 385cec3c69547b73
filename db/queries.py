"""Reads: records out of PostGIS."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from shapely import union_all
from shapely.geometry.base import BaseGeometry
from sqlalchemy import column, func, or_, select
from sqlalchemy import table as named_table
from sqlalchemy.orm import Session

from db import convert, tables
from db.base import SCHEMA
from db.records import LookRecord, PollRecord, RegionVersion, TransitionRecord
from db.selecting import (
    among,
    believed,
    landslides,
    latest_landslides,
    of_passes,
    over,
    referred,
    rows,
    standing,
    versions,
)
from db.tables import LandslideVersion
from detectors.errors import ConfigurationError, PermanentError
from detectors.types import (
    Acquisition,
    Detection,
    Landslide,
    OutlineEdit,
    Review,
    Sensor,
    State,
    Tier,
    WatchedRegion,
)

#: Landslides in these states no longer take detections in.
ENDED = (State.CLOSED.value, State.REFUTED.value)

_TRANSITIONS = named_table(
    "landslide_transitions",
    *(column(name) for name in ("landslide_id", "revision", "state_before", "state")),
    *(column(name) for name in ("tier_before", "tier", "cause_kind", "cause", "item_id")),
    *(column(name) for name in ("reviewed_by", "valid_from", "recorded_at")),
    schema=SCHEMA,
)


def get_region(s: Session, region_id: str, *, include_removed: bool = False) -> WatchedRegion:
    """Return a watched region.

    Raises:
        ConfigurationError: no such region; the message names those there are.
    """
    found = select(tables.Region).where(tables.Region.id == region_id)
    known = select(tables.Region.id).order_by(tables.Region.id)
    if not include_removed:
        found = found.where(tables.Region.removed_at.is_(None))
        known = known.where(tables.Region.removed_at.is_(None))
    for row in rows(s, found):
        return convert.to_region(row)
    names = ", ".join(s.scalars(known)) or "none yet"
    raise ConfigurationError(f"no region {region_id!r} is watched; known regions: {names}")


def list_regions(
    s: Session, *, include_removed: bool = False, only: Collection[str] | None = None
) -> list[WatchedRegion]:
    """Return the regions, or ``only`` some by id, the urgent first."""
    query = select(tables.Region).order_by(tables.Region.priority, tables.Region.id)
    if only is not None:
        query = query.where(tables.Region.id.in_(only))
    if not include_removed:
        query = query.where(tables.Region.removed_at.is_(None))
    return [convert.to_region(row) for row in rows(s, query)]


def region_history(s: Session, region_id: str) -> list[RegionVersion]:
    """Return the versions of a region, first to last; none where it was never watched."""
    row = tables.RegionVersion
    query = select(row).where(row.region_id == region_id).order_by(row.revision)
    return [convert.to_region_version(version) for version in rows(s, query)]


def poll_watermarks(
    s: Session, source: str, region_ids: Collection[str]
) -> dict[str, datetime]:  # fmt: skip
    """Return up to which publication time a source was read for some regions, if it was."""
    row = tables.PollState
    query = select(row.region_id, row.watermark).where(
        row.source == source,
        among(row.region_id, region_ids),
        row.watermark.is_not(None),
    )
    return {region_id: mark for region_id, mark in s.execute(query) if mark is not None}


def list_polls(s: Session, *, only: Collection[str] | None = None) -> list[PollRecord]:
    """Return how far each region, or ``only`` some, has read each of its sources."""
    row = tables.PollState
    query = select(row).order_by(row.region_id, row.source)
    if only is not None:
        query = query.where(among(row.region_id, only))
    return [convert.to_poll(poll) for poll in rows(s, query)]


def list_refusals(s: Session, region_id: str) -> list[tuple[str, str, str]]:
    """Return the items of a region that cannot be used, as (source, item id, reason)."""
    row = tables.RefusedItem
    query = select(row).where(row.region_id == region_id).order_by(row.recorded_at, row.item_id)
    return [(item.source, item.item_id, item.reason) for item in rows(s, query)]


def get_acquisition(s: Session, acquisition_id: uuid.UUID) -> Acquisition:
    """Return a stored acquisition.

    Raises:
        PermanentError: no such acquisition.
    """
    query = select(tables.Acquisition).where(tables.Acquisition.id == acquisition_id)
    for row in rows(s, query):
        return convert.to_acquisition(row)
    raise PermanentError(f"no acquisition {acquisition_id} is stored")


def previous_acquisitions(
    s: Session,
    acquisition: Acquisition,
    before: datetime,
    limit_passes: int,
    published_until: datetime,
) -> list[Acquisition]:
    """Return earlier looks at the same ground from the same track and source.

    Args:
        s: Session.
        acquisition: The look to be judged.
        before: Sensed earlier than this.
        limit_passes: From at most so many passes; one pass may have several items.
        published_until: Published no later than this, so that a replay knows no future.

    Returns:
        Acquisitions known through any region, newest first.
    """
    row = tables.Acquisition
    query = (
        select(row)
        .where(
            row.source == acquisition.source,
            row.track == acquisition.track,
            row.sensed_at < before,
            row.published_at <= published_until,
            over(acquisition.footprint),
        )
        .order_by(row.sensed_at.desc(), row.item_id)
    )
    return of_passes(s, query, limit_passes)


def looks_over(
    s: Session,
    geometry: BaseGeometry,
    sensor: Sensor,
    *,
    since: datetime,
    until: datetime,
    published_until: datetime,
    sources: Collection[str],
) -> list[Acquisition]:
    """Return all looks of one kind at some ground in a time, the newest first.

    Args:
        s: Session.
        geometry: The ground, EPSG:4326, lon/lat.
        sensor: Radar or optical.
        since: Sensed at this time or later.
        until: Sensed at this time or earlier.
        published_until: Published no later than this, so that a replay knows no future.
        sources: ``catalogue/collection`` of the looks, so that a drill and the world never mix.

    Returns:
        Acquisitions of any tile or track, known through any region.
    """
    row = tables.Acquisition
    query = (
        select(row)
        .where(
            row.sensor == sensor,
            row.source.in_(sources),
            row.sensed_at.between(since, until),
            row.published_at <= published_until,
            over(geometry),
        )
        .order_by(row.sensed_at.desc(), row.item_id)
    )
    return [convert.to_acquisition(stored) for stored in rows(s, query)]


def list_looks(
    s: Session,
    *,
    region_id: str | None = None,
    item_id: str | None = None,
    state: str | None = None,
    limit: int | None = None,
    sensor: Sensor | None = None,
) -> list[LookRecord]:
    """Return looks, newest sensed first, with what they look at."""
    look, acquisition, observed = tables.Look, tables.Acquisition, tables.Observability
    query = (
        select(look, acquisition, observed)
        .join(acquisition, look.acquisition_id == acquisition.id)
        .outerjoin(
            observed,
            (observed.region_id == look.region_id)
            & (observed.acquisition_id == look.acquisition_id),
        )
        .order_by(acquisition.sensed_at.desc(), look.region_id, acquisition.item_id)
        .limit(limit)
    )
    if region_id is not None:
        query = query.where(look.region_id == region_id)
    if item_id is not None:
        query = query.where(acquisition.item_id == item_id)
    if state is not None:
        query = query.where(look.state == state)
    if sensor is not None:
        query = query.where(acquisition.sensor == sensor)
    found = s.execute(query, execution_options={"populate_existing": True})
    return [convert.to_look(*row) for row in found]


def open_landslides(s: Session, region_id: str) -> list[Landslide]:
    """Return the landslides of a region that can still take detections in, oldest first."""
    return landslides(s, latest_landslides(region_id).where(LandslideVersion.state.not_in(ENDED)))


def ended_landslides(
    s: Session,
    region_id: str,
    *,
    since: datetime | None = None,
    over_any: Collection[BaseGeometry] | None = None,
) -> list[Landslide]:
    """Return the refuted and closed landslides of a region, oldest first.

    Args:
        s: Session.
        region_id: Watched region.
        since: Only those first seen (``not_after``) at this time or later.
        over_any: Only those that share ground with one of these.
    """
    version = LandslideVersion
    query = latest_landslides(region_id).where(
        version.state.in_(ENDED), version.merged_into.is_(None)
    )
    if since is not None:
        query = query.where(version.not_after >= since)
    if over_any is not None:
        ground = convert.geometry_value(union_all(list(over_any)))
        query = query.where(version.geometry.ST_Intersects(ground))
    return landslides(s, query)


def overdue_landslides(
    s: Session, region_id: str, now: datetime, window: timedelta, close_after: timedelta
) -> list[Landslide]:
    """Return the landslides whose window is over, and the confirmed ones that are to be closed."""
    version = LandslideVersion
    waits_from = func.greatest(version.not_after, version.verdict_at)
    query = latest_landslides(region_id).where(
        ((version.state == State.SUSPECTED) & (waits_from < now - window))
        | ((version.state == State.CONFIRMED) & (version.valid_from < now - close_after))
    )
    return landslides(s, query)


def list_landslides(
    s: Session,
    region_id: str | None = None,
    state: State | str | None = None,
    tier: Tier | str | None = None,
    since: datetime | None = None,
) -> list[Landslide]:
    """Return the latest version of each landslide, oldest first.

    Args:
        s: Session.
        region_id: Only of this region.
        state: Only those now in this state.
        tier: Only those now of this tier.
        since: Only those first seen (``not_after``) at this time or later.
    """
    query = latest_landslides(region_id)
    if state is not None:
        query = query.where(LandslideVersion.state == State(state).value)
    if tier is not None:
        query = query.where(LandslideVersion.tier == Tier(tier).value)
    if since is not None:
        query = query.where(LandslideVersion.not_after >= since)
    return landslides(s, query)


def landslides_as_of(
    s: Session,
    at: datetime | None,
    valid_at: datetime | None = None,
    *,
    region_id: str | None = None,
    state: State | str | None = None,
    tier: Tier | str | None = None,
) -> list[Landslide]:
    """Return what was believed of each landslide at a past moment, oldest first.

    Args:
        s: Session.
        at: When it was believed, aware: what was recorded later counts for nothing. None: now.
        valid_at: Of which moment in the world; None: of the last that was known then.
        region_id: Only of this region.
        state: Only those in this state.
        tier: Only those of this tier.
    """
    query = believed(at, valid_at)
    if region_id is not None:
        query = query.where(tables.Landslide.region_id == region_id)
    if state is not None:
        query = query.where(LandslideVersion.state == State(state).value)
    if tier is not None:
        query = query.where(LandslideVersion.tier == Tier(tier).value)
    return landslides(s, query)


def landslide_timeline(s: Session, landslide_id: uuid.UUID) -> list[Landslide]:
    """Return the versions that stand today, in the order in which they held in the world."""
    query = standing(versions()).where(LandslideVersion.landslide_id == landslide_id)
    return landslides(s, query)


def list_transitions(s: Session, landslide_id: uuid.UUID) -> list[TransitionRecord]:
    """Return every step of state or tier of a landslide, in the order in which we learnt of it."""
    query = (
        select(_TRANSITIONS)
        .where(_TRANSITIONS.c.landslide_id == landslide_id)
        .order_by(_TRANSITIONS.c.revision)
    )
    return [convert.to_transition(row) for row in s.execute(query)]


def list_reviews(s: Session, landslides: Collection[uuid.UUID]) -> list[Review]:
    """Return what people decided about some landslides, oldest first."""
    row = tables.Review
    query = select(row).where(row.landslide_id.in_(landslides)).order_by(row.said_at, row.id)
    return [convert.to_review(review) for review in rows(s, query)] if landslides else []


def list_outline_edits(s: Session, landslides: Collection[uuid.UUID]) -> list[OutlineEdit]:
    """Return what people drew of some landslides, oldest first."""
    row = tables.OutlineEdit
    query = (
        select(row)
        .where(or_(row.landslide_id.in_(landslides), row.other_id.in_(landslides)))
        .order_by(row.said_at, row.id)
    )
    return [convert.to_outline_edit(edit) for edit in rows(s, query)] if landslides else []


def get_landslide(s: Session, landslide_id: uuid.UUID) -> Landslide | None:
    """Return the latest version of a landslide, None where there is no such landslide."""
    return next(reversed(landslide_history(s, landslide_id)), None)


def landslide_history(s: Session, landslide_id: uuid.UUID) -> list[Landslide]:
    """Return every version of a landslide, first to last."""
    query = versions().where(LandslideVersion.landslide_id == landslide_id)
    return landslides(s, query.order_by(LandslideVersion.revision))


def landslide_detections(s: Session, landslide_id: uuid.UUID) -> list[Detection]:
    """Return the detections a landslide is made of, in order of sensing."""
    row = tables.Detection
    made_of = referred(s, [landslide_id])
    query = select(row).where(made_of).order_by(row.not_after, row.id)
    return [convert.to_detection(detection) for detection in rows(s, query)]


def landslides_of_detection(s: Session, detection_id: uuid.UUID) -> list[Landslide]:
    """Return the latest versions of the landslides that a detection ever belonged to."""
    link = tables.LandslideDetection
    held = select(link.landslide_id).where(link.detection_id == detection_id)
    return landslides(s, latest_landslides().where(LandslideVersion.landslide_id.in_(held)))


def list_detections(
    s: Session, region_id: str, acquisition_id: uuid.UUID | None = None
) -> list[Detection]:
    """Return the detections of a region, or of one of its looks, in order of sensing."""
    row = tables.Detection
    query = select(row).where(row.region_id == region_id).order_by(row.not_after, row.id)
    if acquisition_id is not None:
        query = query.where(row.acquisition_id == acquisition_id)
    return [convert.to_detection(detection) for detection in rows(s, query)]
