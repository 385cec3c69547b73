"""Inventories of mapped landslides: stored once, listed, read in batches, removed."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched
from typing import Any

from geoalchemy2 import Geography
from shapely.geometry.base import BaseGeometry
from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, aliased

from db import convert, tables
from detectors.errors import ConfigurationError
from detectors.inventories import Inventory, MappedLandslide

#: Rows sent to the server, and fetched from it, at a time.
BATCH = 1_000


@dataclass(frozen=True, slots=True)
class InventorySummary:
    """An inventory and what it holds."""

    inventory: Inventory
    """Where it comes from, and its terms."""
    recorded_at: datetime
    """When it was stored first, UTC."""
    landslides: int
    """Mapped landslides."""
    duplicates: int
    """Of these, those that were mapped before."""
    points: int
    """Of these, those without outline."""
    area_m2: float
    """Area of all outlines, duplicates left out."""
    not_before: datetime | None
    """Earliest beginning of a bracket."""
    not_after: datetime | None
    """Latest end of a bracket."""


@dataclass(frozen=True, slots=True)
class StoredLandslide:
    """A mapped landslide as it is stored."""

    id: uuid.UUID
    """Its id."""
    mapped: MappedLandslide
    """What was mapped."""
    area_m2: float | None
    """Area on the ellipsoid; None for a point."""


def store_inventory(
    s: Session, inventory: Inventory, mapped: Iterable[MappedLandslide]
) -> tuple[int, int]:
    """Store an inventory, or what is new of one that is stored.

    Returns:
        How many were stored, and how many were there before.

    Raises:
        ConfigurationError: its name is taken by an inventory with other terms.
    """
    held = s.get(tables.Inventory, inventory.id, populate_existing=True)
    if held is None:
        s.add(tables.Inventory(**_inventory_values(inventory)))
    else:
        _same_terms(held, inventory)
        s.execute(
            update(tables.Inventory)
            .where(tables.Inventory.id == inventory.id)
            .values(file=inventory.file, sha256=inventory.sha256)
        )
    s.flush()
    row = tables.InventoryLandslide
    shape = bindparam("shape", type_=row.geometry.type)
    statement = (
        insert(row)
        .values(
            geometry=shape,
            area_m2=func.nullif(func.ST_Area(cast(shape, Geography("GEOMETRY", srid=4326))), 0),
        )
        .on_conflict_do_nothing()
        .returning(row.id)
    )
    stored = seen = 0
    for batch in batched(mapped, BATCH):
        values = [_values(one) for one in batch]
        seen += len(values)
        stored += len(s.scalars(statement, values).all())
    return stored, seen - stored


def _inventory_values(inventory: Inventory) -> dict[str, Any]:
    names = ("id", "file", "sha256", "source", "licence", "author", "simulated")
    return {name: getattr(inventory, name) for name in names}


def _same_terms(held: tables.Inventory, told: Inventory) -> None:
    for name in ("licence", "author", "source", "simulated"):
        if getattr(held, name) != getattr(told, name):
            raise ConfigurationError(
                f"inventory {told.id!r} is stored with {name} {getattr(held, name)!r}, not "
                f"{getattr(told, name)!r}: take another --name, or first run: "
                f"scarpwatch inventories remove {told.id}"
            )


def _values(one: MappedLandslide) -> dict[str, Any]:
    names = (
        "inventory_id", "file_row", "not_before", "not_after", "key", "name", "category",
        "trigger", "mapped_by", "accuracy_m", "duplicate_of",
    )  # fmt: skip
    return {name: getattr(one, name) for name in names} | {
        "id": one.id,
        "attributes": dict(one.attributes),
        "shape": convert.geometry_value(one.geometry),
    }


def known_ids(s: Session, ids: Sequence[uuid.UUID]) -> set[uuid.UUID]:
    """Return those of some ids that are stored."""
    row, found = tables.InventoryLandslide, set()
    for batch in batched(ids, BATCH):
        found |= set(s.scalars(select(row.id).where(row.id.in_(batch))))
    return found


def list_inventories(s: Session, name: str | None = None) -> list[InventorySummary]:
    """Return the stored inventories by name, or one of them."""
    held, row = tables.Inventory, tables.InventoryLandslide
    again = row.duplicate_of.is_not(None)
    query = (
        select(
            held,
            func.count(row.id),
            func.count(row.id).filter(again),
            func.count(row.id).filter(row.area_m2.is_(None)),
            func.coalesce(func.sum(row.area_m2).filter(~again), 0.0),
            func.min(row.not_before),
            func.max(row.not_after),
        )
        .outerjoin(row, row.inventory_id == held.id)
        .group_by(held.id)
        .order_by(held.id)
    )
    if name is not None:
        query = query.where(held.id == name)
    found = s.execute(query, execution_options={"populate_existing": True})
    return [
        InventorySummary(Inventory(**_inventory_values(one)), one.recorded_at, *counts)
        for one, *counts in found
    ]


def get_inventory(s: Session, name: str) -> InventorySummary:
    """Return one inventory.

    Raises:
        ConfigurationError: there is none of this name; the message names those there are.
    """
    found = list_inventories(s, name)
    if not found:
        names = ", ".join(one.inventory.id for one in list_inventories(s)) or "none yet"
        raise ConfigurationError(f"no inventory {name!r} is stored; known: {names}")
    return found[0]


def remove_inventory(s: Session, name: str) -> int:
    """Remove an inventory with all it holds; what repeated it elsewhere counts again.

    Returns:
        How many landslides it held.
    """
    held = get_inventory(s, name)
    s.execute(delete(tables.Inventory).where(tables.Inventory.id == name))
    return held.landslides


def read_mapped(
    s: Session,
    name: str | None = None,
    *,
    ground: BaseGeometry | None = None,
    duplicates: bool = False,
    simulated: bool | None = None,
) -> Iterator[list[StoredLandslide]]:
    """Yield mapped landslides in batches, in the order of the file; memory stays flat.

    Args:
        s: Session.
        name: Only of this inventory.
        ground: Only those that meet it, EPSG:4326.
        duplicates: All rows; else each landslide once: of an inventory asked by name its first
            row, whatever other inventories hold.
        simulated: Only of inventories that never happened, or only of those that did.
    """
    row = tables.InventoryLandslide
    query: Select[Any] = select(row).order_by(row.inventory_id, row.file_row, row.id)
    if name is not None:
        query = query.where(row.inventory_id == name)
    if ground is not None:
        query = query.where(func.ST_Intersects(row.geometry, convert.geometry_value(ground)))
    if simulated is not None:
        theirs = select(tables.Inventory.id).where(tables.Inventory.simulated.is_(simulated))
        query = query.where(row.inventory_id.in_(theirs))
    if not duplicates:
        query = query.where(row.duplicate_of.is_(None) if name is None else ~said_before())
    options = {"yield_per": BATCH, "populate_existing": True}
    with s.scalars(query, execution_options=options) as found:
        for part in found.partitions():
            yield [_stored(one) for one in part]


def said_before() -> ColumnElement[bool]:
    """Return the condition that a row repeats an earlier one of its own inventory."""
    row, first = tables.InventoryLandslide, aliased(tables.InventoryLandslide)
    alike = or_(
        first.id == row.duplicate_of,
        and_(first.duplicate_of == row.duplicate_of, first.file_row < row.file_row),
    )
    return exists().where(first.inventory_id == row.inventory_id, alike)


def count_mapped(s: Session, name: str) -> int:
    """Return how many landslides an inventory holds, duplicates too."""
    row = tables.InventoryLandslide
    return s.scalar(select(func.count()).select_from(row).where(row.inventory_id == name)) or 0


def _stored(row: tables.InventoryLandslide) -> StoredLandslide:
    mapped = MappedLandslide(
        row.inventory_id, row.file_row, convert.to_shape_of(row.geometry), row.not_before,
        row.not_after, row.key, row.name, row.category, row.trigger, row.mapped_by,
        row.accuracy_m, row.duplicate_of, row.attributes,
    )  # fmt: skip
    return StoredLandslide(row.id, mapped, row.area_m2)
