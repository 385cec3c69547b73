"""Rasters that are kept of judged looks: what was compared, what came out, what could be seen."""

from __future__ import annotations

import uuid
from datetime import datetime

from geoalchemy2 import WKBElement
from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, column, finite, geometry, gist, one_of, outline, recorded
from db.records import Layer
from db.tables.found import Landslide
from db.tables.watched import Acquisition, Region
from detectors.types import Sensor


class Composite(Base):
    """One file; the layers of one judgement share a STAC item and are replaced together."""

    __tablename__ = "composites"
    __table_args__ = (
        UniqueConstraint("stac_id", "kind"),
        UniqueConstraint("path"),
        one_of("kind", Layer),
        one_of("sensor", Sensor),
        CheckConstraint("(sensor = 'optical') = (landslide_id IS NOT NULL)", name="landslide_id"),
        CheckConstraint("version >= 1", name="version"),
        CheckConstraint("begins_at <= ends_at", name="span"),
        CheckConstraint("cardinality(bands) > 0", name="bands"),
        CheckConstraint("height > 0 AND width > 0", name="size"),
        CheckConstraint("cardinality(transform) = 6", name="transform"),
        # What is served over HTTP by its name must be a name below the folder.
        CheckConstraint("path ~ '^[a-z0-9][A-Za-z0-9_./-]*[.]tif$' AND path !~ '[.][.]'",
                        name="path"),
        CheckConstraint("bytes > 0", name="bytes"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256"),
        finite("scale", "nodata"),
        outline("geometry"),
        gist("composites", "geometry"),
        Index(None, "sensed_at"),
        Index(None, "region_id", "acquisition_id"),
        Index(None, "landslide_id"),
        {"comment": "GeoTIFFs (COG) kept of judged looks; the files lie in the state folder."},
    )  # fmt: skip
    id: Mapped[uuid.UUID] = column("Derived from the STAC item and the layer.", primary_key=True)
    stac_id: Mapped[str] = column("STAC item that the layers of one judgement share.")
    kind: Mapped[str] = column("pre, post, score or unseen: which layer.")
    sensor: Mapped[str] = column("sar: a look at a region. optical: a look at one landslide.")
    region_id: Mapped[str] = mapped_column(ForeignKey(Region.id), comment="Watched region.")
    acquisition_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Acquisition.id), comment="The look that was judged."
    )
    landslide_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(Landslide.id), comment="optical: the landslide that was examined."
    )
    sensed_at: Mapped[datetime] = column("When the judged look was taken.")
    begins_at: Mapped[datetime] = column("When the oldest look in this layer was taken.")
    ends_at: Mapped[datetime] = column("When the newest look in this layer was taken.")
    looks: Mapped[int] = column("Number of looks in this layer.")
    item_ids: Mapped[list[str]] = column("STAC item ids of the looks in this layer.")
    bands: Mapped[list[str]] = column("Names of the bands, in order.")
    unit: Mapped[str] = column("Unit of the values: number in the file times scale.")
    scale: Mapped[float] = column("What numbers in the file are multiplied by.")
    nodata: Mapped[float] = column("Number in the file that stands for no data.")
    data_type: Mapped[str] = column("int16 or uint8.")
    epsg: Mapped[int] = column("Coordinate system of the pixels, metres.")
    transform: Mapped[list[float]] = mapped_column(
        ARRAY(DOUBLE_PRECISION()), comment="Pixel (column, row) to metres: a, b, c, d, e, f."
    )
    height: Mapped[int] = column("Rows.")
    width: Mapped[int] = column("Columns.")
    detector: Mapped[str | None] = column("score: what scored it; null for other layers.")
    weights_version: Mapped[str | None] = column("score: name and sha256 prefix of the weights.")
    config_hash: Mapped[str | None] = column("score: hash of every parameter.")
    software: Mapped[str] = column("Program and version that made it.")
    path: Mapped[str] = column("File, below composites/ in the state folder.")
    bytes: Mapped[int] = mapped_column(BigInteger, comment="Size of the file.")
    sha256: Mapped[str] = column("Checksum of the file.")
    version: Mapped[int] = column("Rises where a look that is judged again gives other pixels.")
    simulated: Mapped[bool] = column("A drill, or pixels that hold what never happened.")
    geometry: Mapped[WKBElement] = geometry("GEOMETRY", "Outline of the raster.")
    recorded_at: Mapped[datetime] = recorded()
