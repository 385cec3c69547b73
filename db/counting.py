"""Landslides as they are counted and compared: columns and no objects, through a server's cursor.

Whole outlines come where somebody asks for them; else a point inside, which the server finds.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry
from sqlalchemy import ColumnElement, Select, func, literal, null, select
from sqlalchemy.orm import Session

from db import exporting, inventories
from db.exporting import Wanted
from db.tables import InventoryLandslide, LandslideVersion

#: Landslides fetched at a time.
BATCH = 5_000


@dataclass(slots=True)
class Counted:
    """A landslide that was found or mapped."""

    id: uuid.UUID
    """Its id."""
    geometry: BaseGeometry
    """Outline or, where that was not asked for, a point inside; EPSG:4326."""
    area_m2: float | None
    """Area; None for what was mapped as a point."""
    not_before: datetime | None
    """It had not happened yet, UTC."""
    not_after: datetime | None
    """It had happened, UTC."""
    accuracy_m: float | None
    """How far off it may be, where that was mapped."""
    simulated: bool
    """It never happened."""


def read_found(s: Session, wanted: Wanted, *, whole: bool) -> Iterator[Counted]:
    """Yield what the monitoring believes, oldest first, without parts of others.

    Args:
        s: session.
        wanted: which.
        whole: outlines; else points inside.
    """
    row = LandslideVersion
    query = exporting.wanted_query(wanted).where(row.merged_into.is_(None))
    yield from _read(
        s,
        query.with_only_columns(
            row.landslide_id, _place(row.geometry, whole=whole), row.area_m2, row.not_before,
            row.not_after, null(), row.simulated,
        ),
    )  # fmt: skip


def read_mapped(s: Session, name: str, *, simulated: bool, whole: bool) -> Iterator[Counted]:
    """Yield the landslides of one inventory in the order of its file, each once.

    Args:
        s: session.
        name: of the inventory.
        simulated: what its terms say.
        whole: outlines; else points inside.
    """
    row = InventoryLandslide
    query = (
        select(
            row.id, _place(row.geometry, whole=whole), row.area_m2, row.not_before, row.not_after,
            row.accuracy_m, literal(simulated),
        )
        .where(row.inventory_id == name, ~inventories.said_before())
        .order_by(row.file_row, row.id)
    )  # fmt: skip
    yield from _read(s, query)


def _place(geometry: Any, *, whole: bool) -> ColumnElement[Any]:
    return func.ST_AsBinary(geometry if whole else func.ST_PointOnSurface(geometry))


def _read(s: Session, query: Select[Any]) -> Iterator[Counted]:
    with s.execute(query, execution_options={"yield_per": BATCH}) as found:
        for part in found.partitions():
            shapes = shapely.from_wkb([bytes(row[1]) for row in part])
            for row, shape in zip(part, shapes, strict=True):
                yield Counted(row[0], shape, *row[2:])
