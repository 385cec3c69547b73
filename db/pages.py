"""What pages show of many landslides: a list page by page, and a map that counts what is too much.

Read-only. The latest version of a landslide is the one that no later version of it follows; asked
so, a narrow filter never reads the other hundred thousand.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Select, and_, exists, func, literal_column, select
from sqlalchemy.orm import Session, aliased

from db import convert, tables
from db.selecting import landslides, versions
from db.tables import LandslideVersion
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


def latest(wanted: Wanted, box: Box | None = None) -> ColumnElement[bool]:
    """Return the condition on ``LandslideVersion`` joined with ``Landslide``."""
    version = LandslideVersion
    later = aliased(LandslideVersion)
    newer = exists().where(
        later.landslide_id == version.landslide_id, later.revision > version.revision
    )
    tests: list[ColumnElement[bool]] = [~newer]
    if wanted.region_id is not None:
        tests.append(tables.Landslide.region_id == wanted.region_id)
    if wanted.states:
        tests.append(version.state.in_([one.value for one in wanted.states]))
    if wanted.tiers:
        tests.append(version.tier.in_([one.value for one in wanted.tiers]))
    if wanted.since is not None:
        tests.append(version.not_after >= wanted.since)
    if wanted.until is not None:
        tests.append(version.not_after < wanted.until)
    if wanted.least_m2 is not None:
        tests.append(version.area_m2 >= wanted.least_m2)
    if wanted.most_m2 is not None:
        tests.append(version.area_m2 <= wanted.most_m2)
    if box is not None:
        tests.append(version.geometry.intersects(func.ST_MakeEnvelope(*box, 4326)))
    return and_(*tests)


def _chosen(columns: Sequence[Any], wanted: Wanted, box: Box | None = None) -> Select[Any]:
    return (
        select(*columns)
        .select_from(LandslideVersion)
        .join(tables.Landslide, LandslideVersion.landslide_id == tables.Landslide.id)
        .where(latest(wanted, box))
    )


def count_landslides(
    s: Session, wanted: Wanted, box: Box | None = None, limit: int | None = None
) -> int:
    """Return how many landslides are wanted; counting stops at ``limit``."""
    inner = _chosen([literal_column("1")], wanted, box).limit(limit).subquery()
    return s.scalar(select(func.count()).select_from(inner)) or 0


def page_of_landslides(s: Session, wanted: Wanted, offset: int, limit: int) -> list[Landslide]:
    """Return a page of the latest versions, what was first seen last in front."""
    query = (
        versions()
        .where(latest(wanted))
        .order_by(LandslideVersion.not_after.desc(), LandslideVersion.landslide_id)
        .offset(offset)
        .limit(limit)
    )
    return landslides(s, query)


def extent(s: Session, wanted: Wanted) -> Box | None:
    """Return the box around all that is wanted, None where there is nothing."""
    shape = LandslideVersion.geometry
    # Of their boxes: reading every vertex of a hundred thousand outlines takes a second.
    edges = [
        func.min(func.ST_XMin(shape)), func.min(func.ST_YMin(shape)),
        func.max(func.ST_XMax(shape)), func.max(func.ST_YMax(shape)),
    ]  # fmt: skip
    west, south, east, north = s.execute(_chosen(edges, wanted)).one()
    return None if west is None else (west, south, east, north)


def spots(s: Session, wanted: Wanted, box: Box, limit: int, *, outlines: bool) -> list[Spot]:
    """Return the landslides whose boxes meet a box, each by itself, the largest last."""
    version = LandslideVersion
    lon, lat = _middle()
    columns: list[Any] = [
        version.landslide_id, lon, lat, version.state, version.tier, version.kind, version.area_m2,
        version.not_after, version.simulated,
    ]  # fmt: skip
    if outlines:
        columns.append(version.geometry)
    query = _chosen(columns, wanted, box).order_by(version.area_m2).limit(limit)
    return [
        Spot(
            row[0], row[1], row[2], State(row[3]), Tier(row[4]), row[5], row[6], row[7], row[8],
            convert.to_shape_of(row[9]) if outlines else None,
        )
        for row in s.execute(query)
    ]  # fmt: skip


def heaps(s: Session, wanted: Wanted, box: Box, step: float) -> list[Heap]:
    """Return the landslides of a box counted in squares of ``step`` degrees."""
    version = LandslideVersion
    lon, lat = _middle()
    one = _chosen(
        [lon.label("lon"), lat.label("lat"), version.simulated, version.state], wanted, box
    ).subquery()
    column, row = func.floor(one.c.lon / step), func.floor(one.c.lat / step)
    query = select(
        func.avg(one.c.lon), func.avg(one.c.lat), func.count(),
        func.count().filter(one.c.simulated),
        func.count().filter(one.c.state == State.CONFIRMED.value),
    ).group_by(column, row)  # fmt: skip
    return [Heap(*found) for found in s.execute(query)]


def _middle() -> tuple[Any, Any]:
    shape = LandslideVersion.geometry
    return (
        (func.ST_XMin(shape) + func.ST_XMax(shape)) / 2,
        (func.ST_YMin(shape) + func.ST_YMax(shape)) / 2,
    )
