"""Landslides on their way out: batches with their lineage, read through a cursor of the server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import (
    ColumnElement,
    FromClause,
    LargeBinary,
    Select,
    Uuid,
    column,
    func,
    select,
    table,
)
from sqlalchemy.orm import Session

from db import tables
from db.selecting import among, believed, latest_landslides
from db.tables import LandslideVersion
from detectors.types import Kind, State, Tier

#: Landslides fetched at a time.
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which landslides; None and the empty tuple leave a question open."""

    region_id: str | None = None
    """Only of this region."""
    states: tuple[State, ...] = ()
    """Only in one of these states."""
    tier: Tier | None = None
    """Only of this tier."""
    kind: Kind | None = None
    """Only of this kind."""
    bbox: tuple[float, float, float, float] | None = None
    """Only those that meet this box: west, south, east, north, degrees."""
    since: datetime | None = None
    """Only those first seen (``not_after``) then or later, UTC."""
    until: datetime | None = None
    """Only those first seen before, UTC."""
    as_of: datetime | None = None
    """As believed then, UTC; None: now."""
    simulated: bool | None = None
    """Only those that never happened, or only those that did."""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a landslide came of."""

    items: tuple[str, ...]
    """Catalogue items, radar and optical, before and after."""
    sources: tuple[str, ...]
    """Catalogues and collections of the looks that found or checked it."""
    detectors: tuple[str, ...]
    """Detectors that saw it."""
    weights: tuple[str, ...]
    """Versions of their weights."""
    configs: tuple[str, ...]
    """Hashes of their configuration."""


@dataclass(frozen=True, slots=True)
class Described:
    """What analysts see beside the outline; None: unknown."""

    length_m: float | None = None
    """Longer side of the narrowest rectangle around it."""
    width_m: float | None = None
    """Shorter side of that rectangle."""
    elevation_min_m: float | None = None
    """Lowest ground inside."""
    elevation_max_m: float | None = None
    """Highest ground inside."""
    slope_deg: float | None = None
    """Mean slope inside."""
    aspect_deg: float | None = None
    """Direction the ground falls in, clockwise from north."""
    land_cover: str | None = None
    """What covered the ground."""
    land_cover_share: float | None = None
    """Share of the outline in it, where a map says so."""
    land_cover_source: str | None = None
    """``person``, or the map."""
    mapping_source: str | None = None
    """What the outline was drawn from."""
    trigger: str | None = None
    """What set it off, as a person said."""
    type: str = "unknown"
    """Type of movement after Hungr, as a person said; else unknown."""


@dataclass(frozen=True, slots=True)
class Exported:
    """A landslide as it goes out."""

    version: Any
    """What is, or was, believed: a row with ``region_id`` and the columns of ``VERSION``."""
    geometry: BaseGeometry
    """Outline, degrees."""
    lineage: Lineage
    """What it came of."""
    described: Described
    """What analysts see beside the outline."""
    backfilled: bool = False
    """First seen by a look from before its region was watched."""


#: Columns of ``tables.LandslideVersion`` that an export needs, as they are stored. Objects made
#: of whole rows take four times as long, which counts with a hundred thousand of them.
VERSION = (
    "landslide_id", "revision", "state", "tier", "kind", "area_m2", "not_before", "not_after",
    "detections", "looks", "evidence", "score_max", "source", "change_db", "d_ndvi",
    "ensemble_score", "verdict_at", "reviewed_by", "cause", "advisory", "simulated", "recorded_at",
    "valid_from", "merged_into",
)  # fmt: skip
#: Fields of ``Described``.
DESCRIBED = tuple(one.name for one in fields(Described))
#: Of a landslide that the login may not see through the views.
_UNKNOWN = Described()
_COLUMNS = [column("id", Uuid()), *(column(name) for name in DESCRIBED)]
_CURRENT = table("landslides_current", *_COLUMNS, schema="analysts")


def wanted_query(wanted: Wanted) -> Select[Any]:
    """Return the query for (version, region id) of what is wanted, oldest first."""
    version = LandslideVersion
    query = latest_landslides() if wanted.as_of is None else believed(wanted.as_of)
    asked: list[ColumnElement[bool]] = []
    if wanted.region_id is not None:
        asked.append(tables.Landslide.region_id == wanted.region_id)
    if wanted.states:
        asked.append(version.state.in_([one.value for one in wanted.states]))
    if wanted.tier is not None:
        asked.append(version.tier == wanted.tier.value)
    if wanted.kind is not None:
        asked.append(version.kind == wanted.kind.value)
    if wanted.bbox is not None:
        asked.append(func.ST_Intersects(version.geometry, func.ST_MakeEnvelope(*wanted.bbox, 4326)))
    if wanted.since is not None:
        asked.append(version.not_after >= wanted.since)
    if wanted.until is not None:
        asked.append(version.not_after < wanted.until)
    if wanted.simulated is not None:
        asked.append(version.simulated.is_(wanted.simulated))
    return query.where(*asked)


def count_landslides(s: Session, wanted: Wanted) -> int:
    """Return how many landslides there are of what is wanted."""
    inner = wanted_query(wanted).with_only_columns(LandslideVersion.landslide_id).order_by(None)
    return s.scalar(select(func.count()).select_from(inner.subquery())) or 0


def read_landslides(s: Session, wanted: Wanted) -> Iterator[list[Exported]]:
    """Yield what is wanted in batches, oldest first; memory stays flat."""
    region = tables.Region
    watched = dict(s.execute(select(region.id, region.watch_from)).tuples().all())
    for part in _batches(s, wanted):
        lineage = _lineages(s, part, wanted.as_of)
        described = _described(s, [version.landslide_id for version in part], wanted.as_of)
        shapes = shapely.from_wkb([version.outline for version in part])
        yield [
            Exported(
                version,
                shape,
                lineage[version.landslide_id],
                described.get(version.landslide_id, _UNKNOWN),
                version.not_after < watched[version.region_id],
            )
            for version, shape in zip(part, shapes, strict=True)
        ]


def _batches(s: Session, wanted: Wanted) -> Iterator[Sequence[Any]]:
    outline = func.ST_AsBinary(LandslideVersion.geometry, type_=LargeBinary).label("outline")
    query = wanted_query(wanted).with_only_columns(
        tables.Landslide.region_id, outline, *(getattr(LandslideVersion, name) for name in VERSION)
    )
    with s.execute(query, execution_options={"yield_per": BATCH}) as found:
        yield from found.partitions()


def _described(
    s: Session, ids: Sequence[uuid.UUID], as_of: datetime | None
) -> Mapping[uuid.UUID, Described]:
    held: FromClause = _CURRENT
    if as_of is not None:
        held = func.analysts.landslides_as_of(as_of).table_valued(*_COLUMNS, name="held")
    query = select(*(held.c[one.name] for one in _COLUMNS)).where(among(held.c["id"], ids))
    return {key: Described(*told) for key, *told in s.execute(query)}


def land_covers(s: Session) -> Mapping[uuid.UUID, str]:
    """Return what covers the ground of each landslide of which that is known."""
    query = select(_CURRENT.c["id"], _CURRENT.c.land_cover)
    return dict(s.execute(query.where(_CURRENT.c.land_cover.is_not(None))).tuples().all())


def _lineages(
    s: Session, versions: Sequence[Any], as_of: datetime | None
) -> Mapping[uuid.UUID, Lineage]:
    found, seen, check = tables.Detection, tables.Acquisition, tables.OpticalCheck
    wanted = list({key for version in versions for key in version.detections})
    columns = (found.item_ids, found.detector, found.weights_version, found.config_hash)
    detections = {
        row.id: row
        for row in s.execute(
            select(found.id, seen.source, *columns)
            .join(seen, seen.id == found.acquisition_id)
            .where(among(found.id, wanted))
        )
    }
    checked = (
        select(
            check.landslide_id, seen.source, check.item_ids, check.weights_version,
            check.config_hash,
        )
        .join(seen, seen.id == check.acquisition_id)
        .where(among(check.landslide_id, [version.landslide_id for version in versions]))
    )  # fmt: skip
    if as_of is not None:
        checked = checked.where(check.recorded_at <= as_of)
    checks: dict[uuid.UUID, list[Any]] = {}
    for row in s.execute(checked):
        checks.setdefault(row.landslide_id, []).append(row)
    return {
        version.landslide_id: _lineage(
            [detections[key] for key in version.detections if key in detections],
            checks.get(version.landslide_id, ()),
        )
        for version in versions
    }


def _lineage(detections: Sequence[Any], checks: Sequence[Any]) -> Lineage:
    looks = [*detections, *checks]
    return Lineage(
        items=_all_of({item for look in looks for item in look.item_ids}),
        sources=_all_of({look.source for look in looks}),
        detectors=_all_of({name for one in detections for name in one.detector.split("+")}),
        weights=_all_of({look.weights_version for look in looks}),
        configs=_all_of({look.config_hash for look in looks}),
    )


def _all_of(values: set[str]) -> tuple[str, ...]:
    return tuple(sorted(filter(None, values)))
