"""Rasters kept of judged looks: which there are, whose they are, and which may go.

A row names a file; the file is there before the row. Whoever writes rows holds a lock together with
others who do, and whoever removes files holds it alone, so that no file goes between the moment
somebody wrote it and the moment its row is there.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import convert, tables
from db.records import CompositeRecord, Layer
from db.selecting import joined, rows
from db.tables import Composite
from detectors.errors import ConfigurationError
from detectors.types import Acquisition, Sensor

_LOCK = func.hashtextextended("scarpwatch:composites", 0)
#: Layers of an item in the order people look at them.
ORDER = (Layer.PRE, Layer.POST, Layer.SCORE, Layer.UNSEEN)


def keep_files(s: Session) -> None:
    """Let nobody remove files until this transaction ends."""
    s.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))


def keep_rows(s: Session) -> None:
    """Let nobody store rows until this transaction ends."""
    s.execute(select(func.pg_advisory_xact_lock(_LOCK)))


def store_composites(s: Session, stac_id: str, layers: Sequence[CompositeRecord]) -> None:
    """Store the layers of one judgement in place of those of an earlier one; none: none remain.

    The same layers once more change nothing; others are the item's next version.

    Raises:
        PermanentError: the region has no such look, or a layer stands twice.
    """
    row = Composite
    held = _ordered(s, select(row).where(row.stac_id == stac_id))
    version = max((one.version for one in held), default=0)
    known = [replace(one, version=1, recorded_at=None) for one in held]
    if known == sorted(layers, key=lambda one: ORDER.index(one.kind)):
        return
    s.execute(delete(row).where(row.stac_id == stac_id))
    if layers:
        fresh = [convert.composite_values(replace(one, version=version + 1)) for one in layers]
        s.execute(insert(row), fresh)


def remove_composites(s: Session, paths: Collection[str]) -> None:
    """Forget layers by the names of their files."""
    s.execute(delete(Composite).where(Composite.path.in_(list(paths))))


def expired(s: Session, before: datetime) -> list[CompositeRecord]:
    """Return the layers stored before a moment whose look no landslide was seen or sought in.

    What an optical look was examined by stays, and so does a radar look that found a landslide, or
    was asked about one.
    """
    row, link, found = Composite, tables.LandslideDetection, tables.Detection
    asked, landslide = tables.RadarCheck, tables.Landslide
    detected = exists(
        select(link.detection_id)
        .join(found, joined())
        .where(found.acquisition_id == row.acquisition_id, found.region_id == row.region_id)
    )
    examined = exists(
        select(asked.landslide_id)
        .join(landslide, landslide.id == asked.landslide_id)
        .where(asked.acquisition_id == row.acquisition_id, landslide.region_id == row.region_id)
    )
    return _ordered(
        s, select(row).where(row.recorded_at < before, row.landslide_id.is_(None), ~detected,
                             ~examined)
    )  # fmt: skip


def named(s: Session, paths: Collection[str] | None = None) -> set[str]:
    """Return the files that rows name, out of some, or all of them."""
    query = select(Composite.path)
    if paths is not None:
        query = query.where(Composite.path.in_(list(paths)))
    return set(s.scalars(query))


def composite_at(s: Session, path: str) -> CompositeRecord | None:
    """Return the layer whose file has a name, None where no row names it."""
    found = s.scalar(select(Composite).where(Composite.path == path))
    return None if found is None else convert.to_composite(found)


def list_composites(
    s: Session,
    region_id: str | None = None,
    *,
    sensor: Sensor | None = None,
    since: datetime | None = None,
    limit: int | None = None,
) -> list[CompositeRecord]:
    """Return layers by the time of their look, newest first, then by item and layer.

    Args:
        s: Session.
        region_id: Only of this region.
        sensor: Only of this one.
        since: Only of looks taken then or later, UTC.
        limit: At most so many items.
    """
    row = Composite
    asked: list[ColumnElement[bool]] = []
    if region_id is not None:
        asked.append(row.region_id == region_id)
    if sensor is not None:
        asked.append(row.sensor == sensor)
    if since is not None:
        asked.append(row.sensed_at >= since)
    query = select(row).where(*asked)
    if limit is not None:
        items = select(row.stac_id).where(*asked).group_by(row.stac_id)
        items = items.order_by(func.max(row.sensed_at).desc(), row.stac_id).limit(limit)
        query = query.where(row.stac_id.in_(items))
    return _ordered(s, query)


def composites_of(s: Session, landslide_id: uuid.UUID) -> list[CompositeRecord]:
    """Return the layers a landslide was seen in, newest look first: before, after, score, unseen.

    Those of radar looks that found it, or were asked about it, and those of optical looks that
    examined it.

    Raises:
        ConfigurationError: there is no such landslide.
    """
    row, link, found = Composite, tables.LandslideDetection, tables.Detection
    region_id = s.scalar(
        select(tables.Landslide.region_id).where(tables.Landslide.id == landslide_id)
    )
    if region_id is None:
        raise ConfigurationError(f"there is no landslide {landslide_id}")
    looks = (
        select(found.acquisition_id)
        .join(link, joined())
        .where(link.landslide_id == landslide_id)
        .union(
            select(tables.RadarCheck.acquisition_id).where(
                tables.RadarCheck.landslide_id == landslide_id
            )
        )
    )
    of_radar = (row.region_id == region_id) & row.acquisition_id.in_(looks)
    mine = or_(row.landslide_id == landslide_id, row.landslide_id.is_(None) & of_radar)
    return _ordered(s, select(row).where(mine))


def items(s: Session, stac_ids: Collection[str]) -> dict[str, list[CompositeRecord]]:
    """Return the layers of some STAC items, by item."""
    found: dict[str, list[CompositeRecord]] = {}
    for one in _ordered(s, select(Composite).where(Composite.stac_id.in_(list(stac_ids)))):
        found.setdefault(one.stac_id, []).append(one)
    return found


def looks_of(s: Session, layers: Collection[CompositeRecord]) -> dict[str, list[Acquisition]]:
    """Return the looks that layers show, by item id; more than one where sources share an id."""
    row = tables.Acquisition
    ids = {item for one in layers for item in one.item_ids}
    found: dict[str, list[Acquisition]] = {}
    query = select(row).where(row.item_id.in_(ids)).order_by(row.item_id, row.source)
    for one in rows(s, query):
        found.setdefault(one.item_id, []).append(convert.to_acquisition(one))
    return found


def _ordered(s: Session, query: Select[Any]) -> list[CompositeRecord]:
    found = [convert.to_composite(row) for row in rows(s, query)]
    found.sort(key=lambda one: (one.stac_id, ORDER.index(one.kind)))
    return sorted(found, key=lambda one: one.sensed_at, reverse=True)
