"""What people drew and said of landslides, what is measured on them, and who sees what."""

from __future__ import annotations

import uuid
from datetime import datetime

from geoalchemy2 import WKBElement
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, column, geometry, gist, one_of, outline, recorded
from db.tables.found import Landslide, LandslideVersion
from detectors.attributes import Movement, Trigger
from detectors.types import Drawn


class OutlineEdit(Base):
    """What a person drew; a trigger refuses to change or delete it."""

    __tablename__ = "outline_edits"
    __table_args__ = (
        one_of("kind", Drawn),
        CheckConstraint("(kind = 'redraw') = (other_id IS NULL)", name="other_id"),
        CheckConstraint("author <> ''", name="author"),
        CheckConstraint("area_m2 > 0 AND area_m2 < 'Infinity'", name="area_m2"),
        outline("geometry"),
        gist("outline_edits", "geometry"),
        Index(None, "landslide_id"),
        Index(None, "other_id"),
        {"comment": "Append-only: outlines as people drew, merged and split them."},
    )
    id: Mapped[uuid.UUID] = column(
        "Identity of the edit.", primary_key=True, server_default=func.gen_random_uuid()
    )
    kind: Mapped[str] = column("redraw, merge or split.")
    landslide_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Landslide.id), comment="Landslide whose outline it is; split: the new one."
    )
    other_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(Landslide.id),
        comment="merge: what became part of it. split: what it was a part of.",
    )
    geometry: Mapped[WKBElement] = geometry("MULTIPOLYGON", "Its outline.")
    area_m2: Mapped[float] = column("Area of that outline, m2.")
    author: Mapped[str] = column("Who drew it: the database login.")
    reason: Mapped[str] = column("Why, in the person's words; may be empty.")
    said_at: Mapped[datetime] = column("When it was drawn.")
    recorded_at: Mapped[datetime] = recorded()


class LandslideAttributes(Base):
    """What a person said; a trigger refuses to change or delete it."""

    __tablename__ = "landslide_attributes"
    __table_args__ = (
        one_of("trigger", Trigger),
        one_of("type", Movement),
        CheckConstraint(
            "land_cover <> '' AND mapping_source <> '' AND author <> ''", name="words"
        ),
        Index(None, "landslide_id", "number"),
        {"comment": "Append-only: what people said of landslides; the last statement counts."},
    )  # fmt: skip
    number: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Rises with each statement."
    )
    landslide_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Landslide.id), comment="Landslide.")
    land_cover: Mapped[str | None] = column("What covered the ground before; null: not said.")
    mapping_source: Mapped[str | None] = column("What the outline was drawn from; null: not said.")
    trigger: Mapped[str | None] = column("What set it off; null: not said.")
    type: Mapped[str] = column(
        "Type of movement after Hungr, Leroueil and Picarelli (2014).", server_default="unknown"
    )
    note: Mapped[str] = column("Why, in the person's words; may be empty.", server_default="")
    author: Mapped[str] = column("Who said so: the database login.")
    recorded_at: Mapped[datetime] = recorded("When it was said.")


class LandslideMeasures(Base):
    """What is measured on an outline: its sides by a trigger, the ground where heights are read."""

    __tablename__ = "landslide_measures"
    __table_args__ = (
        ForeignKeyConstraint(
            ["landslide_id", "revision"], [LandslideVersion.landslide_id, LandslideVersion.revision]
        ),
        CheckConstraint("width_m > 0 AND length_m >= width_m", name="rectangle"),
        CheckConstraint("elevation_min_m <= elevation_max_m", name="elevation"),
        CheckConstraint("slope_deg >= 0 AND slope_deg < 90", name="slope_deg"),
        CheckConstraint("aspect_deg >= 0 AND aspect_deg < 360", name="aspect_deg"),
        CheckConstraint(
            "num_nulls(land_cover, land_cover_share, land_cover_map) IN (0, 3)"
            " AND land_cover <> '' AND land_cover_map <> ''"
            " AND land_cover_share > 0 AND land_cover_share <= 1",
            name="land_cover",
        ),
        {"comment": "What is measured on the outline of each version; can be measured anew."},
    )
    landslide_id: Mapped[uuid.UUID] = column("Landslide.", primary_key=True)
    revision: Mapped[int] = column("Its version whose outline was measured.", primary_key=True)
    length_m: Mapped[float | None] = column(
        "Longer side of the narrowest rectangle around the outline, m."
    )
    width_m: Mapped[float | None] = column("Shorter side of that rectangle, m.")
    elevation_min_m: Mapped[float | None] = column("Lowest ground inside, m; null: not read.")
    elevation_max_m: Mapped[float | None] = column("Highest ground inside, m; null: not read.")
    slope_deg: Mapped[float | None] = column("Mean slope inside, degrees; null: not read.")
    aspect_deg: Mapped[float | None] = column(
        "Mean direction the ground falls in, degrees clockwise from north; null: flat, or not read."
    )
    land_cover: Mapped[str | None] = column(
        "Commonest class of the land-cover map inside; null: not read."
    )
    land_cover_share: Mapped[float | None] = column(
        "Share of the outline in it, 0 to 1; null: not read."
    )
    land_cover_map: Mapped[str | None] = column("Map it was read from; null: not read.")
    recorded_at: Mapped[datetime] = recorded()


class Reader(Base):
    """A login that reads the views."""

    __tablename__ = "readers"
    __table_args__ = (
        CheckConstraint("cardinality(groups) > 0", name="groups"),
        {"comment": "Who sees which regions through the views in schema analysts."},
    )
    login: Mapped[str] = column("Database login of a person or a program.", primary_key=True)
    groups: Mapped[list[str] | None] = column("Tags of the regions it sees; null: all regions.")
    recorded_at: Mapped[datetime] = recorded()
