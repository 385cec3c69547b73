"""Selections that several reads share: the latest version of landslides, looks pass by pass."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import ARRAY, ColumnElement, Select, and_, any_, func, literal, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from db import convert, tables
from db.tables import LandslideVersion
from detectors.types import SAME_PASS, Acquisition, Landslide, require_utc


def rows[Row](s: Session, query: Select[tuple[Row]]) -> Iterable[Row]:
    """Return the rows as they are stored now."""
    # A session may still hold an older state of a row than a plain UPDATE has written.
    return s.scalars(query, execution_options={"populate_existing": True})


def versions() -> Select[Any]:
    """Return the query for (version, region id) of every landslide."""
    return select(LandslideVersion, tables.Landslide.region_id).join(
        tables.Landslide, LandslideVersion.landslide_id == tables.Landslide.id
    )


def standing(query: Select[Any]) -> Select[Any]:
    """Restrict :func:`versions` to those that stand today, as they hold in the world."""
    period = tables.LandslidePeriod
    return (
        query.join(
            period,
            (period.landslide_id == LandslideVersion.landslide_id)
            & (period.revision == LandslideVersion.revision),
        )
        .where(func.upper_inf(period.system_time))
        .order_by(func.lower(period.valid_time), LandslideVersion.landslide_id)
    )


def believed(at: datetime | None, valid_at: datetime | None = None) -> Select[Any]:
    """Return the query for (version, region id) of what was believed, oldest first.

    Args:
        at: When it was believed, aware: what was recorded later counts for nothing. None: now.
        valid_at: Of which moment in the world; None: of the last that was known then.
    """
    period, version = tables.LandslidePeriod, LandslideVersion
    known = (
        func.upper_inf(period.system_time)
        if at is None
        else period.system_time.contains(require_utc(at, "at"))
    )
    held = (
        period.valid_time.contains(require_utc(valid_at, "valid_at"))
        if valid_at is not None
        else func.upper_inf(period.valid_time)
    )
    return (
        versions()
        .join(
            period,
            (period.landslide_id == version.landslide_id) & (period.revision == version.revision),
        )
        .where(known, held)
        .order_by(version.not_after, version.landslide_id)
    )


def latest_landslides(region_id: str | None = None) -> Select[Any]:
    """Return the query for (latest version, region id) of each landslide, oldest first."""
    mark = tables.LandslideMark
    query = (
        versions()
        .join(
            mark,
            (LandslideVersion.landslide_id == mark.landslide_id)
            & (LandslideVersion.revision == mark.revision),
        )
        .order_by(LandslideVersion.not_after, LandslideVersion.landslide_id)
    )
    return query if region_id is None else query.where(mark.region_id == region_id)


def landslides(s: Session, query: Select[Any]) -> list[Landslide]:
    """Return the records of a query that :func:`versions` or :func:`latest_landslides` began."""
    found = s.execute(query, execution_options={"populate_existing": True})
    return [convert.to_landslide(version, region_id) for version, region_id in found]


def joined() -> ColumnElement[bool]:
    """Return the condition that a reference of a landslide is to a detection, in its part alone."""
    link, found = tables.LandslideDetection, tables.Detection
    return (link.detection_id == found.id) & (link.not_after == found.not_after)


def among[T](
    column: ColumnElement[T] | InstrumentedAttribute[T], values: Collection[T]
) -> ColumnElement[bool]:
    """Return the condition that a column is one of some values, however many they are."""
    # As an array: a statement takes 65,535 single values at most.
    return column == any_(literal(list(values), ARRAY(column.type)))


def referred(s: Session, landslides: Collection[uuid.UUID]) -> ColumnElement[bool]:
    """Return the condition that a detection is one that some landslides are made of.

    Told with their times, as they are: PostgreSQL then plans for their parts alone, and would plan
    a join for all.
    """
    link, found = tables.LandslideDetection, tables.Detection
    query = select(link.detection_id, link.not_after).where(link.landslide_id.in_(landslides))
    held = s.execute(query).all()
    ids = [detection for detection, _ in held]
    times = sorted({at for _, at in held})
    return among(found.id, ids) & among(found.not_after, times)


def over(geometry: BaseGeometry) -> ColumnElement[bool]:
    """Return the condition that an acquisition's footprint meets a geometry (EPSG:4326)."""
    ground = func.ST_MakeValid(convert.geometry_value(geometry))
    footprint = tables.Acquisition.footprint
    return and_(
        footprint.intersects(ground), func.ST_Intersects(func.ST_MakeValid(footprint), ground)
    )


def of_passes(
    s: Session, query: Select[tuple[tables.Acquisition]], limit_passes: int
) -> list[Acquisition]:
    """Return the acquisitions of the first passes of a query that is ordered by sensing time."""
    found: list[Acquisition] = []
    passes = 0
    options = {"yield_per": 50, "populate_existing": True}
    with s.scalars(query, execution_options=options) as in_order:
        for stored in in_order:
            if not found or abs(found[-1].sensed_at - stored.sensed_at) > SAME_PASS:
                passes += 1
            if passes > limit_passes:
                break
            found.append(convert.to_acquisition(stored))
    return found
