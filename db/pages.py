"""What pages show of many landslides: a list page by page, and a map that counts what is too much.

Read-only. All of it goes by ``landslide_marks``, which has the newest version of each landslide.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, and_, func, select, true
from sqlalchemy.orm import Session

from db import convert
from db.selecting import landslides, versions
from db.tables import LandslideMark, LandslideVersion
from detectors.types import Landslide, State, Tier

#: West, south, east, north, degrees.
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which landslides are shown; what is left out restricts nothing."""

    region_id: str | None = None
    """Of this region."""
    states: tuple[State, ...] = ()
    """In one of these states."""
    tiers: tuple[Tier, ...] = ()
    """Of one of these tiers."""
    since: datetime | None = None
    """First seen (``not_after``) at this time or later, UTC."""
    until: datetime | None = None
    """First seen before this time, UTC."""
    least_m2: float | None = None
    """At least so large, m2."""
    most_m2: float | None = None
    """At most so large, m2."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A landslide as a dot on a map."""

    id: uuid.UUID
    """Landslide."""
    lon: float
    """Middle of its box, degrees."""
    lat: float
    """Likewise."""
    state: State
    """What is believed now."""
    tier: Tier
    """Of how far the evidence goes."""
    kind: str
    """landslide or ponding."""
    area_m2: float
    """Of the outline, m2."""
    not_after: datetime
    """First seen, UTC."""
    simulated: bool
    """A drill."""
    outline: BaseGeometry | None
    """EPSG:4326; None unless it was asked for."""


@dataclass(frozen=True, slots=True)
class Heap:
    """Many landslides as one mark on a map."""

    lon: float
    """Mean of their middles, degrees."""
    lat: float
    """Likewise."""
    count: int
    """How many."""
    simulated: int
    """How many of them are drills."""
    confirmed: int
    """How many of them are confirmed."""


def _tests(wanted: Wanted, box: Box | None = None) -> ColumnElement[bool]:
    """Return the condition on ``LandslideMark``."""
    tests: list[ColumnElement[bool]] = []
    if wanted.region_id is not None:
        tests.append(LandslideMark.region_id == wanted.region_id)
    if wanted.states:
        tests.append(LandslideMark.state.in_([one.value for one in wanted.states]))
    if wanted.tiers:
        tests.append(LandslideMark.tier.in_([one.value for one in wanted.tiers]))
    if wanted.since is not None:
        tests.append(LandslideMark.not_after >= wanted.since)
    if wanted.until is not None:
        tests.append(LandslideMark.not_after < wanted.until)
    if wanted.least_m2 is not None:
        tests.append(LandslideMark.area_m2 >= wanted.least_m2)
    if wanted.most_m2 is not None:
        tests.append(LandslideMark.area_m2 <= wanted.most_m2)
    if box is not None:
        tests.append(LandslideMark.place.intersects(func.ST_MakeEnvelope(*box, 4326)))
    return and_(true(), *tests)


def count_landslides(
    s: Session, wanted: Wanted, box: Box | None = None, limit: int | None = None
) -> int:
    """Return how many landslides are wanted; counting stops at ``limit``."""
    inner = select(LandslideMark.landslide_id).where(_tests(wanted, box)).limit(limit).subquery()
    return s.scalar(select(func.count()).select_from(inner)) or 0


def page_of_landslides(s: Session, wanted: Wanted, offset: int, limit: int) -> list[Landslide]:
    """Return a page of the latest versions, what was first seen last in front."""
    page = (
        select(LandslideMark.landslide_id, LandslideMark.revision)
        .where(_tests(wanted))
        .order_by(LandslideMark.not_after.desc(), LandslideMark.landslide_id.desc())
        .offset(offset)
        .limit(limit)
        .subquery()
    )
    version = LandslideVersion
    query = (
        versions()
        .join(
            page,
            (version.landslide_id == page.c.landslide_id) & (version.revision == page.c.revision),
        )
        .order_by(version.not_after.desc(), version.landslide_id.desc())
    )
    return landslides(s, query)


def extent(s: Session, wanted: Wanted) -> Box | None:
    """Return the box around all that is wanted, None where there is nothing."""
    place = LandslideMark.place
    edges = (
        func.min(func.ST_XMin(place)), func.min(func.ST_YMin(place)),
        func.max(func.ST_XMax(place)), func.max(func.ST_YMax(place)),
    )  # fmt: skip
    west, south, east, north = s.execute(select(*edges).where(_tests(wanted))).one()
    return None if west is None else (west, south, east, north)


def spots(s: Session, wanted: Wanted, box: Box, limit: int, *, outlines: bool) -> list[Spot]:
    """Return the landslides whose boxes meet a box, each by itself, the largest first."""
    mark, version = LandslideMark, LandslideVersion
    columns: list[Any] = [
        mark.landslide_id, mark.lon, mark.lat, mark.state, mark.tier, mark.kind, mark.area_m2,
        mark.not_after, mark.simulated,
    ]  # fmt: skip
    query = select(*columns, version.geometry) if outlines else select(*columns)
    if outlines:
        query = query.join_from(
            mark,
            version,
            (version.landslide_id == mark.landslide_id) & (version.revision == mark.revision),
        )
    query = query.where(_tests(wanted, box)).order_by(mark.area_m2.desc()).limit(limit)
    return [
        Spot(
            row[0], row[1], row[2], State(row[3]), Tier(row[4]), row[5], row[6], row[7], row[8],
            convert.to_shape_of(row[9]) if outlines else None,
        )
        for row in s.execute(query)
    ]  # fmt: skip


def heaps(s: Session, wanted: Wanted, box: Box, step: float) -> list[Heap]:
    """Return the landslides of a box counted in squares of ``step`` degrees."""
    mark = LandslideMark
    query = (
        select(
            func.avg(mark.lon), func.avg(mark.lat), func.count(),
            func.count().filter(mark.simulated),
            func.count().filter(mark.state == State.CONFIRMED.value),
        )
        .where(_tests(wanted, box))
        .group_by(func.floor(mark.lon / step), func.floor(mark.lat / step))
    )  # fmt: skip
    return [Heap(*found) for found in s.execute(query)]
