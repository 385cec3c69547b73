"""What is watched, what the catalogues had, and the work of judging it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from geoalchemy2 import WKBElement
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, column, geometry, gist, one_of, outline, recorded
from detectors.types import Level, OrbitState, Sensor

LOOK_STATES = ("due", "processing", "processed", "failed", "skipped", "baseline")


class _Watched:
    """What a region and each of its versions say."""

    name: Mapped[str] = column("What people call it.")
    geometry: Mapped[WKBElement] = geometry("MULTIPOLYGON", "Area of interest.")
    sources: Mapped[list[str]] = column("Where looks come from: catalogue/collection.")
    detectors: Mapped[list[str]] = column("Detectors that must all agree.")
    watch_from: Mapped[datetime] = column("Looks sensed before only feed pre stacks.")
    min_area_m2: Mapped[float] = column("Smallest polygon stored, m2.")
    poll_every: Mapped[timedelta] = column("Interval of the schedule.")
    priority: Mapped[int] = column("Lower goes first.")
    paused: Mapped[bool] = column("Keeps its history and is not polled.")
    simulated: Mapped[bool] = column("A drill: what comes out goes out as Exercise.")
    tags: Mapped[list[str]] = column("For routing alerts to channels.")
    requests_a_month: Mapped[int | None] = mapped_column(
        BigInteger, comment="Requests in a calendar month, UTC; null: no limit."
    )
    bytes_a_month: Mapped[int | None] = mapped_column(
        BigInteger, comment="Bytes fetched in a calendar month, UTC; null: no limit."
    )
    units_a_month: Mapped[float | None] = column(
        "Processing units in a calendar month, UTC; null: no limit."
    )
    removed_at: Mapped[datetime | None] = column("When people stopped watching it; history stays.")
    poll_cron: Mapped[str | None] = column("Polled by cron instead; null: by poll_every.")
    windows: Mapped[list[str]] = column(
        "Times of the year in which it is watched; empty: always.", server_default="{}"
    )
    sensors: Mapped[list[str]] = column("Whose looks are judged.", server_default="{sar,optical}")
    alert_from: Mapped[str] = column(
        "watch, likely or confirmed: how sure it must be to alert.", server_default="likely"
    )


class Region(_Watched, Base):
    """A watched region."""

    __tablename__ = "regions"
    __table_args__ = (
        CheckConstraint("id ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name="id"),
        CheckConstraint("name <> ''", name="name"),
        CheckConstraint("cardinality(sources) > 0", name="sources"),
        CheckConstraint("cardinality(detectors) > 0", name="detectors"),
        CheckConstraint("min_area_m2 >= 0 AND min_area_m2 < 'Infinity'", name="min_area_m2"),
        CheckConstraint("poll_every > interval '0'", name="poll_every"),
        CheckConstraint("requests_a_month > 0", name="requests_a_month"),
        CheckConstraint("bytes_a_month > 0", name="bytes_a_month"),
        CheckConstraint("units_a_month > 0", name="units_a_month"),
        CheckConstraint("poll_cron <> ''", name="poll_cron"),
        CheckConstraint("cardinality(sensors) > 0", name="sensors"),
        one_of("alert_from", Level),
        outline("geometry"),
        gist("regions", "geometry"),
        {"comment": "Areas somebody wants to be told about."},
    )
    id: Mapped[str] = column("Short name for commands and routing.", primary_key=True)
    recorded_at: Mapped[datetime] = recorded()


class RegionVersion(_Watched, Base):
    """What a region was, from one change to the next; a trigger on ``regions`` writes it."""

    __tablename__ = "region_versions"
    __table_args__ = (
        gist("region_versions", "geometry"),
        {"comment": "Every version of each watched region; a trigger keeps it."},
    )
    region_id: Mapped[str] = mapped_column(
        ForeignKey(Region.id), primary_key=True, comment="Watched region."
    )
    revision: Mapped[int] = column("1 for the first version, rising by one.", primary_key=True)
    changed_by: Mapped[str | None] = column("Login on the page; null for commands.")
    recorded_at: Mapped[datetime] = recorded("When it was changed to this.")


class PollState(Base):
    """How far one region has read one source."""

    __tablename__ = "poll_states"
    __table_args__ = (
        CheckConstraint("failures >= 0", name="failures"),
        {"comment": "How far each region has read each source."},
    )
    region_id: Mapped[str] = mapped_column(
        ForeignKey(Region.id), primary_key=True, comment="Watched region."
    )
    source: Mapped[str] = column("Catalogue/collection.", primary_key=True)
    watermark: Mapped[datetime | None] = column("Everything published before has been seen.")
    polled_at: Mapped[datetime] = column("Last attempt.")
    succeeded_at: Mapped[datetime | None] = column("Last attempt that worked.")
    failures: Mapped[int] = column("Attempts that failed since then.")
    error: Mapped[str | None] = column("Why the last attempt failed, null where it worked.")


class Acquisition(Base):
    """A catalogue item we can use."""

    __tablename__ = "acquisitions"
    __table_args__ = (
        UniqueConstraint("source", "item_id"),
        one_of("sensor", Sensor),
        one_of("orbit_state", OrbitState),
        CheckConstraint("relative_orbit BETWEEN 1 AND 175", name="relative_orbit"),
        CheckConstraint(
            "sensor <> 'sar' OR (orbit_state IS NOT NULL AND relative_orbit IS NOT NULL"
            " AND cardinality(polarisations) > 0)",
            name="sar",
        ),
        CheckConstraint("cloud_cover BETWEEN 0 AND 100", name="cloud_cover"),
        # Catalogues deliver invalid outlines; they are kept as they came and mended when read.
        CheckConstraint(
            "GeometryType(footprint) IN ('POLYGON', 'MULTIPOLYGON') AND NOT ST_IsEmpty(footprint)",
            name="footprint",
        ),
        gist("acquisitions", "footprint"),
        Index(None, "source", "track", "sensed_at"),
        Index(None, "sensed_at"),
        {"comment": "Catalogue items we can use: one burst, scene or tile of a pass each."},
    )
    id: Mapped[uuid.UUID] = column("Derived from source and item.", primary_key=True)
    source: Mapped[str] = column("Catalogue/collection the item came from.")
    item_id: Mapped[str] = column("STAC item id.")
    platform: Mapped[str] = column("For instance sentinel-1a.")
    sensor: Mapped[str] = column("sar (terrain-corrected gamma0) or optical (reflectance).")
    sensed_at: Mapped[datetime] = column("Start of sensing.")
    published_at: Mapped[datetime] = column("When the product became available.")
    footprint: Mapped[WKBElement] = geometry("GEOMETRY", "Outline of the image.")
    orbit_state: Mapped[str | None] = column("Flight direction; sar always has one.")
    relative_orbit: Mapped[int | None] = column("1 to 175; sar always has one.")
    track: Mapped[str] = column(
        "sar: viewing geometry, looks of different tracks are never mixed. optical: tile."
    )
    polarisations: Mapped[list[str]] = column("sar: co-polarised first. optical: none.")
    assets: Mapped[dict[str, Any]] = column(
        "Unsigned href by polarisation (sar) or by band (optical), as last seen."
    )
    burst_id: Mapped[str | None] = column("Burst of the product, null for whole scenes.")
    processing_version: Mapped[str | None] = column("Version of the producer's processor.")
    checksums: Mapped[dict[str, Any]] = column("Multihash or e-tag by asset, as last seen.")
    created_at: Mapped[datetime | None] = column("When the catalogue took the item in.")
    tile: Mapped[str | None] = column("MGRS tile of an optical item, leading zero included.")
    cloud_cover: Mapped[float | None] = column("Per cent of the whole tile; decides nothing.")
    scale: Mapped[dict[str, Any]] = column(
        "optical, by band: reflectance = stored number x scale + offset; as last seen.",
        server_default="{}",
    )
    offset: Mapped[dict[str, Any]] = column(
        "optical, by band: see scale; 0 where the producer has applied it; as last seen.",
        server_default="{}",
    )
    simulated: Mapped[bool] = column("The pixels hold something that never happened.")
    recorded_at: Mapped[datetime] = recorded()


class RefusedItem(Base):
    """A catalogue item no detector can use."""

    __tablename__ = "refused_items"
    __table_args__ = ({"comment": "Catalogue items no detector can use, with the reason."},)
    region_id: Mapped[str] = mapped_column(
        ForeignKey(Region.id), primary_key=True, comment="Watched region."
    )
    source: Mapped[str] = column("Catalogue/collection.", primary_key=True)
    item_id: Mapped[str] = column("STAC item id.", primary_key=True)
    reason: Mapped[str] = column("Why it cannot be used.")
    recorded_at: Mapped[datetime] = recorded()


class Look(Base):
    """The work of judging one acquisition for one region."""

    __tablename__ = "looks"
    __table_args__ = (
        UniqueConstraint("region_id", "acquisition_id"),
        one_of("state", LOOK_STATES),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint("share_seen BETWEEN 0 AND 1", name="share_seen"),
        CheckConstraint(
            "(state = 'processing') = (owner IS NOT NULL AND lease_until IS NOT NULL)", name="lease"
        ),
        CheckConstraint(
            "(state IN ('processed', 'failed', 'skipped')) = (finished_at IS NOT NULL)",
            name="finished",
        ),
        Index("ix_looks_open", "region_id", postgresql_where=sql("state IN ('due', 'processing')")),
        Index(None, "acquisition_id"),
        {"comment": "One judgement of one acquisition for one region, and how far it has got."},
    )
    id: Mapped[uuid.UUID] = column("Derived from region and acquisition.", primary_key=True)
    region_id: Mapped[str] = mapped_column(ForeignKey(Region.id), comment="Watched region.")
    acquisition_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Acquisition.id), comment="What is judged."
    )
    state: Mapped[str] = column("due, processing, processed, failed, skipped or baseline.")
    attempts: Mapped[int] = column("How often a worker has started on it.", server_default="0")
    owner: Mapped[str | None] = column("Worker that holds the lease.")
    lease_until: Mapped[datetime | None] = column("From then on another worker may take over.")
    retry_at: Mapped[datetime | None] = column("Not to be tried again before.")
    reason: Mapped[str | None] = column("Why it failed, was skipped or waits.")
    share_seen: Mapped[float | None] = column("Share of the region that was observed, 0 to 1.")
    advisory: Mapped[str | None] = column("Why to be careful with the look as a whole.")
    finished_at: Mapped[datetime | None] = column("When it was judged.")
    recorded_at: Mapped[datetime] = recorded()


class Observability(Base):
    """What one look could see of a region."""

    __tablename__ = "observability"
    __table_args__ = (
        ForeignKeyConstraint(
            ["region_id", "acquisition_id"], [Look.region_id, Look.acquisition_id]
        ),
        CheckConstraint("km2 >= 0 AND km2 < 'Infinity'", name="km2"),
        CheckConstraint("share_seen BETWEEN 0 AND 1", name="share_seen"),
        CheckConstraint("jsonb_typeof(unseen) = 'object'", name="unseen"),
        {"comment": "What each look could see of a region, and why not the rest."},
    )
    region_id: Mapped[str] = column("Watched region.", primary_key=True)
    acquisition_id: Mapped[uuid.UUID] = column("The look.", primary_key=True)
    km2: Mapped[float] = column("Ground of the region inside the look, km2.")
    share_seen: Mapped[float] = column("Share of that ground that could be judged, 0 to 1.")
    unseen: Mapped[dict[str, Any]] = column(
        "Share of that ground that could not be judged, 0 to 1, by reason: no_data, too_few_looks,"
        " water, layover, radar_shadow; optical: cloud, cloud_shadow, snow, saturated."
    )
    simulated: Mapped[bool] = column("A drill.")
    recorded_at: Mapped[datetime] = recorded("When the look was judged last.")
