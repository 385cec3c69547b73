"""Selections that several reads share: the latest version of landslides, looks pass by pass."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

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
    newest = select(
        LandslideVersion.landslide_id, func.max(LandslideVersion.revision).label("revision")
    ).group_by(LandslideVersion.landslide_id)
    if region_id is not None:
        newest = newest.join(
            tables.Landslide, tables.Landslide.id == LandslideVersion.landslide_id
        ).where(tables.Landslide.region_id == region_id)
    top = newest.subquery()
    return (
        versions()
        .join(
            top,
            (LandslideVersion.landslide_id == top.c.landslide_id)
            & (LandslideVersion.revision == top.c.revision),
        )
        .order_by(LandslideVersion.not_after, LandslideVersion.landslide_id)
    )


def landslides(s: Session, query: Select[Any]) -> list[Landslide]:
    """Return the records of a query that :func:`versions` or :func:`latest_landslides` began."""
    found = s.execute(query, execution_options={"populate_existing": True})
    return [convert.to_landslide(version, region_id) for version, region_id in found]


def joined() -> ColumnElement[bool]:
    """Return the condition that a reference of a landslide is to a detection, in its part alone."""
    link, found = tables.LandslideDetection, tables.Detection
    return (link.detection_id == found.id) & (link.not_after == found.not_after)


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
