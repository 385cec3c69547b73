"""Areas of the operator where findings are stored and counted, and never alerted."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from geoalchemy2 import Geography
from shapely.geometry import MultiPolygon
from shapely.geometry.base import BaseGeometry
from sqlalchemy import cast, func, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import convert, tables
from db.selecting import latest_landslides
from db.tables import Exclusion, Withheld
from detectors.types import Landslide, derive_id


@dataclass(frozen=True, slots=True)
class ExclusionRecord:
    """One area, and what lies in it."""

    id: uuid.UUID
    """Derived from outline and reason."""
    name: str
    """What people call it, may be empty."""
    reason: str
    """Why."""
    geometry: MultiPolygon
    """The area, EPSG:4326."""
    recorded_at: datetime
    """Since when it holds, UTC."""
    removed_at: datetime | None
    """Until when it held, UTC; None: it holds."""
    landslides: int
    """Landslides whose outline meets it now."""
    detections: int
    """Detections that meet it."""
    withheld: int
    """Alerts it kept back."""


@dataclass(frozen=True, slots=True)
class Covered:
    """How far exclusions cover an outline."""

    share: float
    """Of its area, 0 to 1."""
    exclusion_id: uuid.UUID
    """The one that covers most of it."""
    reason: str
    """Its reason."""
    name: str
    """Its name, may be empty."""


def add_exclusion(s: Session, area: MultiPolygon, reason: str, name: str) -> tuple[uuid.UUID, bool]:
    """Store an area; the same area for the same reason is one, and holds again if it had ended.

    Returns:
        Its id, and whether it did not hold before.
    """
    made = derive_id("exclusion", area.normalize().wkb_hex, reason)
    held = s.scalar(
        select(literal(1)).where(Exclusion.id == made, Exclusion.removed_at.is_(None))
    )  # fmt: skip
    s.execute(
        insert(Exclusion)
        .values(id=made, name=name, reason=reason, geometry=convert.geometry_value(area))
        .on_conflict_do_update(index_elements=["id"], set_={"name": name, "removed_at": None})
    )
    return made, held is None


def end_exclusion(s: Session, exclusion_id: uuid.UUID) -> None:
    """Let an exclusion end now; what it kept back stays known."""
    s.execute(
        update(Exclusion)
        .where(Exclusion.id == exclusion_id, Exclusion.removed_at.is_(None))
        .values(removed_at=func.clock_timestamp())
    )


def list_exclusions(s: Session, *, ended: bool = False) -> list[ExclusionRecord]:
    """Return the exclusions with what lies in each, oldest first.

    Args:
        s: Session.
        ended: Those that hold no longer, too.
    """
    latest = latest_landslides().order_by(None).subquery()
    inside = (
        select(func.count())
        .select_from(latest)
        .where(func.ST_Intersects(latest.c.geometry, Exclusion.geometry))
        .scalar_subquery()
    )
    found = tables.Detection
    seen = (
        select(func.count(found.id))
        .where(func.ST_Intersects(found.polygon, Exclusion.geometry))
        .scalar_subquery()
    )
    kept_back = (
        select(func.count())
        .select_from(Withheld)
        .where(Withheld.exclusion_id == Exclusion.id)
        .scalar_subquery()
    )
    query = select(Exclusion, inside, seen, kept_back).order_by(
        Exclusion.recorded_at, Exclusion.id
    )  # fmt: skip
    if not ended:
        query = query.where(Exclusion.removed_at.is_(None))
    return [
        ExclusionRecord(
            row.id, row.name, row.reason, convert.to_shape_of(row.geometry), row.recorded_at,
            row.removed_at, landslides, detections, withheld,
        )
        for row, landslides, detections, withheld in s.execute(
            query, execution_options={"populate_existing": True}
        )
    ]  # fmt: skip


def covered(s: Session, outline: BaseGeometry) -> Covered | None:
    """Return how far the exclusions that hold cover an outline, None where none meets it.

    Overlapping exclusions count once.
    """
    shape = convert.geometry_value(outline)
    part = func.ST_Intersection(Exclusion.geometry, shape)
    size = func.ST_Area(cast(part, Geography()))
    query = (
        select(Exclusion.id, Exclusion.reason, Exclusion.name)
        .where(
            Exclusion.removed_at.is_(None), func.ST_Intersects(Exclusion.geometry, shape)
        )
        .order_by(size.desc(), Exclusion.id)
    )  # fmt: skip
    found = s.execute(query).all()
    if not found:
        return None
    joined = select(
        func.ST_Area(cast(func.ST_Union(part), Geography()))
        / func.ST_Area(cast(func.ST_GeomFromEWKB(shape), Geography()))
    ).where(Exclusion.id.in_([row.id for row in found]))
    share = float(s.scalar(joined) or 0.0)
    return Covered(min(share, 1.0), found[0].id, found[0].reason, found[0].name)


def covered_landslides(
    s: Session, landslides: Collection[Landslide], least: float
) -> Mapping[uuid.UUID, Covered]:
    """Return those of some landslides that exclusions cover by ``least`` or more."""
    any_holds = s.scalar(select(literal(1)).where(Exclusion.removed_at.is_(None)).limit(1))
    if any_holds is None:
        return {}
    shares = {one.id: covered(s, one.geometry) for one in landslides}
    return {key: c for key, c in shares.items() if c is not None and c.share >= least}


def withhold(s: Session, landslide: Landslide, kind: str, by: Covered) -> None:
    """Store that an alert was kept back."""
    s.execute(
        insert(Withheld)
        .values(
            landslide_id=landslide.id, revision=landslide.revision, kind=kind,
            exclusion_id=by.exclusion_id, share=by.share,
        )
        .on_conflict_do_nothing()
    )  # fmt: skip


def withheld_kinds(s: Session, landslide_id: uuid.UUID) -> set[str]:
    """Return the kinds of alerts of a landslide that were kept back."""
    return set(s.scalars(select(Withheld.kind).where(Withheld.landslide_id == landslide_id)))


def withheld_counts(s: Session) -> Mapping[str, int]:
    """Return how many alerts were kept back, by region."""
    query = (
        select(tables.Landslide.region_id, func.count())
        .join(Withheld, Withheld.landslide_id == tables.Landslide.id)
        .group_by(tables.Landslide.region_id)
    )
    return {row[0]: row[1] for row in s.execute(query)}
