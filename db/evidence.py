"""All that is stored about one place: what a late piece of evidence is judged together with."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Select, delete, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from db import convert, optical, queries, radar, tables
from db.selecting import (
    among,
    landslides,
    latest_landslides,
    referred,
    rows,
    standing,
    versions,
)
from db.tables import LandslideVersion
from detectors.types import Detection, Landslide, OpticalCheck, OutlineEdit, RadarCheck, Review


@dataclass(frozen=True, slots=True)
class Place:
    """Landslides that share ground or detections, and all that was said of them."""

    landslides: tuple[Landslide, ...]
    """Latest versions, ended ones too; what was told of first in front."""
    stands: Mapping[uuid.UUID, Sequence[Landslide]]
    """By landslide the versions that stand today, in the order in which they hold."""
    detections: tuple[Detection, ...]
    """As each look was judged last."""
    superseded: tuple[Detection, ...]
    """What a later judgement of the same look no longer says."""
    radar: tuple[RadarCheck, ...]
    """What radar looks said that no detection came of."""
    optical: tuple[OpticalCheck, ...]
    """What optical looks said."""
    reviews: tuple[Review, ...]
    """What people said."""
    drawn: tuple[OutlineEdit, ...]
    """What people drew."""


def supersede(
    s: Session, region_id: str, acquisition_id: uuid.UUID, says: Collection[uuid.UUID]
) -> bool:
    """Note what a look, judged again, no longer says; what it says again stands again.

    Returns:
        Whether anything changed.
    """
    row = tables.Detection
    of_look = (row.region_id == region_id, row.acquisition_id == acquisition_id)
    gone = update(row).where(*of_look, row.superseded_at.is_(None), row.id.not_in(says))
    back = update(row).where(*of_look, row.superseded_at.is_not(None), row.id.in_(says))
    changed = [
        *s.scalars(gone.values(superseded_at=func.clock_timestamp()).returning(row.id)),
        *s.scalars(back.values(superseded_at=None).returning(row.id)),
    ]
    return bool(changed)


def anything_since(s: Session, region_id: str, at: datetime, look: uuid.UUID | None = None) -> bool:
    """Tell whether a region has anything of a later time, or of the same from another look.

    Args:
        s: Session.
        region_id: Watched region.
        at: When the new evidence was sensed or said.
        look: The look it comes of, whose own evidence does not count.
    """
    found, heard, seen, said = (
        tables.Detection, tables.RadarCheck, tables.OpticalCheck, tables.Review
    )  # fmt: skip
    ours = select(tables.Landslide.id).where(tables.Landslide.region_id == region_id)

    def other(column: InstrumentedAttribute[uuid.UUID]) -> ColumnElement[bool]:
        return literal(value=True) if look is None else column != look

    questions: tuple[Select[Any], ...] = (
        select(found.id).where(
            found.region_id == region_id, found.not_after >= at, other(found.acquisition_id)
        ),
        *(
            select(row.landslide_id).where(
                row.landslide_id.in_(ours), row.sensed_at >= at, other(row.acquisition_id)
            )
            for row in (heard, seen)
        ),
        select(said.id).where(said.landslide_id.in_(ours), said.said_at >= at),
        # Windows that ended since, and what closed.
        select(LandslideVersion.revision).where(
            LandslideVersion.landslide_id.in_(ours), LandslideVersion.valid_from > at
        ),
    )
    return any(s.scalar(select(question.exists())) for question in questions)


def places(s: Session, region_id: str, seeds: Iterable[BaseGeometry]) -> list[Place]:
    """Return the places that some ground belongs to, each with all that is stored of it."""
    found: list[Place] = []
    known: set[uuid.UUID] = set()
    for seed in seeds:
        detections, members = _connected(s, region_id, seed)
        fresh = (set(detections) | set(members)) - known
        if fresh:
            known |= fresh
            found.append(_place(s, detections, members))
    return found


def _connected(
    s: Session, region_id: str, ground: BaseGeometry
) -> tuple[dict[uuid.UUID, Detection], dict[uuid.UUID, Landslide]]:
    """Follow overlaps and shared detections until nothing more comes in."""
    row, link = tables.Detection, tables.LandslideDetection
    detections: dict[uuid.UUID, Detection] = {}
    members: dict[uuid.UUID, Landslide] = {}
    while True:
        here = convert.geometry_value(ground)
        query = select(row).where(
            row.region_id == region_id,
            or_(
                row.polygon.ST_Intersects(here),
                referred(s, list(members)),
            ),
        )
        more = {one.id: convert.to_detection(one) for one in rows(s, query)}
        made_of = select(link.landslide_id).where(among(link.detection_id, list(more))).distinct()
        # Told as they are: with a subquery in its place, every version would be looked at.
        named = among(LandslideVersion.landslide_id, list(s.scalars(made_of)))
        over = latest_landslides(region_id).where(
            or_(LandslideVersion.geometry.ST_Intersects(here), named)
        )
        theirs = {one.id: one for one in landslides(s, over)}
        if more.keys() <= detections.keys() and theirs.keys() <= members.keys():
            return detections, members
        detections |= more
        members |= theirs
        ground = shapely.union_all(
            [*(d.polygon for d in detections.values()), *(m.geometry for m in members.values())]
        )


def _place(
    s: Session, detections: Mapping[uuid.UUID, Detection], members: Mapping[uuid.UUID, Landslide]
) -> Place:
    alert, identity = tables.Alert, tables.Landslide
    told = (
        select(identity.id)
        .outerjoin(alert, alert.landslide_id == identity.id)
        .where(identity.id.in_(list(members)))
        .group_by(identity.id, identity.recorded_at)
        .order_by(func.min(alert.recorded_at).nulls_last(), identity.recorded_at, identity.id)
    )
    order = list(s.scalars(told))
    gone = set(
        s.scalars(
            select(tables.Detection.id).where(
                tables.Detection.id.in_(list(detections)),
                tables.Detection.superseded_at.is_not(None),
            )
        )
    )
    heard = radar.radar_checks(s, order)
    stands: dict[uuid.UUID, list[Landslide]] = {one: [] for one in order}
    for version in landslides(s, standing(versions()).where(identity.id.in_(list(members)))):
        stands[version.id].append(version)
    return Place(
        landslides=tuple(members[one] for one in order),
        stands=stands,
        detections=tuple(d for d in detections.values() if d.id not in gone),
        superseded=tuple(d for d in detections.values() if d.id in gone),
        radar=tuple(c for one in order for c in heard.get(one, ()) if c.tier is None),
        optical=tuple(c for one in order for c in optical.optical_checks(s, one)),
        reviews=tuple(queries.list_reviews(s, order)),
        drawn=tuple(queries.list_outline_edits(s, order)),
    )


def name_landslides(s: Session, region_id: str, identities: Sequence[uuid.UUID]) -> None:
    """Store identities, so that versions may point to each other in any order."""
    if identities:
        s.execute(
            insert(tables.Landslide).on_conflict_do_nothing(index_elements=["id"]),
            [{"id": one, "region_id": region_id} for one in identities],
        )


def replace_sightings(
    s: Session, members: Collection[uuid.UUID], said: Sequence[RadarCheck]
) -> None:
    """Store which detections speak for landslides, in place of those that did."""
    row = tables.RadarCheck
    s.execute(delete(row).where(row.landslide_id.in_(members), row.tier.is_not(None)))
    radar.record_radar_checks(s, said)
