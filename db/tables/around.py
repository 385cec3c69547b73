"""What lies around: maps of what could be hit, and areas that are never alerted."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from geoalchemy2 import Geography, WKBElement
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, column, geometry, gist, one_of, outline, recorded
from db.tables.found import LandslideVersion
from detectors.exposure import Thing


class ExposureMap(Base):
    """One loaded map; loading it again replaces what it held."""

    __tablename__ = "exposure_maps"
    __table_args__ = (
        CheckConstraint("id <> ''", name="id"),
        CheckConstraint("jsonb_typeof(counts) = 'object'", name="counts"),
        outline("extent"),
        gist("exposure_maps", "extent"),
        {"comment": "Maps of what could be hit, as the operator loaded them."},
    )
    id: Mapped[str] = column(
        "Name of the map; loading the same name replaces it.", primary_key=True
    )
    file: Mapped[str] = column("Name of the file it was read from, and its layer.")
    sha256: Mapped[str] = column("Checksum of that file and of how it was read.")
    credit: Mapped[str] = column("Whose data they are and under which licence.")
    counts: Mapped[dict[str, Any]] = column("Features by kind.")
    extent: Mapped[WKBElement] = geometry(
        "POLYGON", "Box around all of them: beyond it the map says nothing."
    )
    recorded_at: Mapped[datetime] = recorded("When it was loaded.")


class ExposureFeature(Base):
    """A road, rail, building, river or place of a map."""

    __tablename__ = "exposure_features"
    __table_args__ = (
        one_of("kind", Thing),
        Index("idx_exposure_features_place", "place", postgresql_using="gist"),
        # The nearest one may be far away, with a city's buildings in between.
        Index(
            "idx_exposure_features_towns",
            "place",
            postgresql_using="gist",
            postgresql_where=sql("kind = 'place'"),
        ),
        Index(None, "map_id"),
        {"comment": "Roads, rails, buildings, rivers and places that could be hit."},
    )
    id: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Counts up; means nothing."
    )
    map_id: Mapped[str] = mapped_column(
        ForeignKey(ExposureMap.id, ondelete="CASCADE"), comment="The map it is of."
    )
    kind: Mapped[str] = column("road, rail, building, river or place.")
    name: Mapped[str] = column("What people call it, empty where the map has no name.")
    what: Mapped[str] = column("The map's own class, empty where it has none.")
    flows: Mapped[bool] = column("river: its line runs the way the water does.")
    place: Mapped[WKBElement] = mapped_column(
        Geography("GEOMETRY", srid=4326, spatial_index=False),
        comment="Where it is; lengths and distances of it are in metres.",
    )


class Exclusion(Base):
    """An area where nothing is alerted; it is ended, never deleted."""

    __tablename__ = "exclusions"
    __table_args__ = (
        CheckConstraint("reason <> ''", name="reason"),
        outline("geometry"),
        gist("exclusions", "geometry"),
        {"comment": "Areas of the operator where findings are stored and never alerted."},
    )
    id: Mapped[uuid.UUID] = column("Derived from outline and reason.", primary_key=True)
    name: Mapped[str] = column("What people call it, empty where nobody said.")
    reason: Mapped[str] = column("Why: quarry, reservoir, works, or any other word.")
    geometry: Mapped[WKBElement] = geometry("MULTIPOLYGON", "The area.")
    removed_at: Mapped[datetime | None] = column("When it ended; null: it holds.")
    recorded_at: Mapped[datetime] = recorded()


class Withheld(Base):
    """An alert that an exclusion kept back."""

    __tablename__ = "withheld"
    __table_args__ = (
        ForeignKeyConstraint(
            ["landslide_id", "revision"], [LandslideVersion.landslide_id, LandslideVersion.revision]
        ),
        CheckConstraint("share BETWEEN 0 AND 1", name="share"),
        Index(None, "exclusion_id"),
        {"comment": "Alerts that were not sent, because the place is excluded."},
    )
    landslide_id: Mapped[uuid.UUID] = column("Landslide.", primary_key=True)
    revision: Mapped[int] = column("Its version that would have been told.", primary_key=True)
    kind: Mapped[str] = column("The kind of alert it would have been.")
    exclusion_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Exclusion.id), comment="The exclusion that covers most of it."
    )
    share: Mapped[float] = column("Share of the outline inside exclusions, 0 to 1.")
    recorded_at: Mapped[datetime] = recorded()
