"""What people mapped: inventories, kept apart from what the monitoring believes."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from geoalchemy2 import WKBElement
from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, column, geometry, gist, outline, recorded


class Inventory(Base):
    """One inventory; its terms stand as they were given."""

    __tablename__ = "inventories"
    __table_args__ = (
        CheckConstraint("id <> ''", name="id"),
        CheckConstraint("licence <> '' AND author <> ''", name="terms"),
        {"comment": "Inventories of mapped landslides: truth, never alerted."},
    )
    id: Mapped[str] = column("Its name.", primary_key=True)
    file: Mapped[str] = column("Name of the file it was read from, and its layer.")
    sha256: Mapped[str] = column("Checksum of the file that was read last.")
    source: Mapped[str] = column("What it was mapped from, or where it was published.")
    licence: Mapped[str] = column("Its terms of use, as they were given.")
    author: Mapped[str] = column("Who mapped it, and is to be credited.")
    simulated: Mapped[bool] = column("Nothing of it ever happened.")
    recorded_at: Mapped[datetime] = recorded()


class InventoryLandslide(Base):
    """One mapped landslide."""

    __tablename__ = "inventory_landslides"
    __table_args__ = (
        CheckConstraint("file_row >= 1", name="file_row"),
        CheckConstraint("ST_Dimension(geometry) IN (0, 2)", name="shape"),
        CheckConstraint(
            "(ST_Dimension(geometry) = 0) = (area_m2 IS NULL) AND (area_m2 > 0) IS NOT FALSE",
            name="area_m2",
        ),
        CheckConstraint("not_before < not_after", name="bracket"),
        CheckConstraint("accuracy_m >= 0", name="accuracy_m"),
        CheckConstraint("duplicate_of <> id", name="duplicate_of"),
        outline("geometry"),
        gist("inventory_landslides", "geometry"),
        Index(None, "inventory_id", "file_row"),
        Index(None, "duplicate_of"),
        {"comment": "Landslides that people mapped, each with the words of its inventory."},
    )
    id: Mapped[uuid.UUID] = column("Derived from inventory, key, place and time.", primary_key=True)
    inventory_id: Mapped[str] = mapped_column(
        ForeignKey(Inventory.id, ondelete="CASCADE"), comment="The inventory it is of."
    )
    file_row: Mapped[int] = column("Its row in the file, the first is 1.")
    geometry: Mapped[WKBElement] = geometry("GEOMETRY", "Outline (MULTIPOLYGON), or a point.")
    area_m2: Mapped[float | None] = column("Area on the ellipsoid, m2; null for a point.")
    not_before: Mapped[datetime | None] = column("It had not happened yet; null: unknown.")
    not_after: Mapped[datetime | None] = column("It had happened; null: unknown.")
    key: Mapped[str] = column("What the inventory itself calls it, may be empty.")
    name: Mapped[str] = column("What people call it, may be empty.")
    category: Mapped[str] = column("Kind of movement, in the original wording.")
    trigger: Mapped[str] = column("Rain, earthquake and so on, in the original wording.")
    mapped_by: Mapped[str] = column("Image or person that this one was mapped by.")
    accuracy_m: Mapped[float | None] = column("How far off it may be, m; null: unknown.")
    duplicate_of: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey("scarpwatch.inventory_landslides.id", ondelete="SET NULL"),
        comment="Mapped landslide that this is again, of any inventory: each counts once.",
    )
    attributes: Mapped[dict[str, Any]] = column("All columns of the file as they came.")
    recorded_at: Mapped[datetime] = recorded()
