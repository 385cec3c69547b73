"""The tables, in PostgreSQL schema ``scarpwatch``. Alembic creates them; tests compare the two.

Every geometry is EPSG:4326, lon/lat; every time is timestamptz and read back as UTC. Spatial
columns say ``spatial_index=False`` and name their GiST index themselves, so it exists once.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from geoalchemy2 import WKBElement
from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, bracket, finite, geometry, gist, one_of, outline, recorded
from detectors.types import OrbitState, State, Tier

LOOK_STATES = ("due", "processing", "processed", "failed", "skipped", "baseline")
DELIVERY_STATES = ("due", "sending", "delivered", "abandoned")


def _c(comment: str, **options: Any) -> Mapped[Any]:
    """Return a column with the comment analysts see in the database."""
    return mapped_column(comment=comment, **options)


class Region(Base):
    """A watched region."""

    __tablename__ = "regions"
    __table_args__ = (
        CheckConstraint("id ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name="id"),
        CheckConstraint("name <> ''", name="name"),
        CheckConstraint("cardinality(sources) > 0", name="sources"),
        CheckConstraint("cardinality(detectors) > 0", name="detectors"),
        CheckConstraint("min_area_m2 >= 0 AND min_area_m2 < 'Infinity'", name="min_area_m2"),
        CheckConstraint("poll_every > interval '0'", name="poll_every"),
        outline("geometry"),
        gist("regions", "geometry"),
        {"comment": "Areas somebody wants to be told about."},
    )
    id: Mapped[str] = _c("Short name for commands and routing.", primary_key=True)
    name: Mapped[str] = _c("What people call it.")
    geometry: Mapped[WKBElement] = geometry("MULTIPOLYGON", "Area of interest.")
    sources: Mapped[list[str]] = _c("Where looks come from: catalogue/collection.")
    detectors: Mapped[list[str]] = _c("Detectors that must all agree.")
    watch_from: Mapped[datetime] = _c("Looks sensed before only feed pre stacks.")
    min_area_m2: Mapped[float] = _c("Smallest polygon stored, m2.")
    poll_every: Mapped[timedelta] = _c("Interval of the schedule.")
    priority: Mapped[int] = _c("Lower goes first.")
    paused: Mapped[bool] = _c("Keeps its history and is not polled.")
    simulated: Mapped[bool] = _c("A drill: what comes out goes out as Exercise.")
    tags: Mapped[list[str]] = _c("For routing alerts to channels.")
    removed_at: Mapped[datetime | None] = _c("When people stopped watching it; history stays.")
    recorded_at: Mapped[datetime] = recorded()


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
    source: Mapped[str] = _c("Catalogue/collection.", primary_key=True)
    watermark: Mapped[datetime | None] = _c("Everything published before has been seen.")
    polled_at: Mapped[datetime] = _c("Last attempt.")
    succeeded_at: Mapped[datetime | None] = _c("Last attempt that worked.")
    failures: Mapped[int] = _c("Attempts that failed since then.")
    error: Mapped[str | None] = _c("Why the last attempt failed, null where it worked.")


class Acquisition(Base):
    """A catalogue item we can use."""

    __tablename__ = "acquisitions"
    __table_args__ = (
        UniqueConstraint("source", "item_id"),
        one_of("orbit_state", OrbitState),
        CheckConstraint("relative_orbit BETWEEN 1 AND 175", name="relative_orbit"),
        CheckConstraint("cardinality(polarisations) > 0", name="polarisations"),
        # Catalogues deliver invalid outlines; they are kept as they came and mended when read.
        CheckConstraint(
            "GeometryType(footprint) IN ('POLYGON', 'MULTIPOLYGON') AND NOT ST_IsEmpty(footprint)",
            name="footprint",
        ),
        gist("acquisitions", "footprint"),
        Index(None, "source", "track", "sensed_at"),
        {"comment": "Catalogue items we can use: one burst or scene of one pass each."},
    )
    id: Mapped[uuid.UUID] = _c("Derived from source and item.", primary_key=True)
    source: Mapped[str] = _c("Catalogue/collection the item came from.")
    item_id: Mapped[str] = _c("STAC item id.")
    platform: Mapped[str] = _c("For instance sentinel-1a.")
    sensed_at: Mapped[datetime] = _c("Start of sensing.")
    published_at: Mapped[datetime] = _c("When the product became available.")
    footprint: Mapped[WKBElement] = geometry("GEOMETRY", "Outline of the image.")
    orbit_state: Mapped[str] = _c("Flight direction.")
    relative_orbit: Mapped[int] = _c("1 to 175.")
    track: Mapped[str] = _c("Viewing geometry; looks of different tracks are never mixed.")
    polarisations: Mapped[list[str]] = _c("Co-polarised first.")
    assets: Mapped[dict[str, Any]] = _c("Unsigned href by polarisation, as last seen.")
    burst_id: Mapped[str | None] = _c("Burst of the product, null for whole scenes.")
    processing_version: Mapped[str | None] = _c("Version of the producer's processor.")
    checksums: Mapped[dict[str, Any]] = _c("Multihash or e-tag by polarisation, as last seen.")
    created_at: Mapped[datetime | None] = _c("When the catalogue took the item in.")
    simulated: Mapped[bool] = _c("The pixels hold something that never happened.")
    recorded_at: Mapped[datetime] = recorded()


class RefusedItem(Base):
    """A catalogue item no detector can use."""

    __tablename__ = "refused_items"
    __table_args__ = ({"comment": "Catalogue items no detector can use, with the reason."},)
    region_id: Mapped[str] = mapped_column(
        ForeignKey(Region.id), primary_key=True, comment="Watched region."
    )
    source: Mapped[str] = _c("Catalogue/collection.", primary_key=True)
    item_id: Mapped[str] = _c("STAC item id.", primary_key=True)
    reason: Mapped[str] = _c("Why it cannot be used.")
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
    id: Mapped[uuid.UUID] = _c("Derived from region and acquisition.", primary_key=True)
    region_id: Mapped[str] = mapped_column(ForeignKey(Region.id), comment="Watched region.")
    acquisition_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Acquisition.id), comment="What is judged."
    )
    state: Mapped[str] = _c("due, processing, processed, failed, skipped or baseline.")
    attempts: Mapped[int] = _c("How often a worker has started on it.", server_default="0")
    owner: Mapped[str | None] = _c("Worker that holds the lease.")
    lease_until: Mapped[datetime | None] = _c("From then on another worker may take over.")
    retry_at: Mapped[datetime | None] = _c("Not to be tried again before.")
    reason: Mapped[str | None] = _c("Why it failed, was skipped or waits.")
    share_seen: Mapped[float | None] = _c("Share of the region that was observed, 0 to 1.")
    advisory: Mapped[str | None] = _c("Why to be careful with the look as a whole.")
    finished_at: Mapped[datetime | None] = _c("When it was judged.")
    recorded_at: Mapped[datetime] = recorded()


class Detection(Base):
    """What one look says about one place."""

    __tablename__ = "detections"
    __table_args__ = (
        ForeignKeyConstraint(
            ["region_id", "acquisition_id"], [Look.region_id, Look.acquisition_id]
        ),
        one_of("tier", Tier),
        CheckConstraint("area_m2 > 0", name="area_m2"),
        CheckConstraint("evidence >= 0", name="evidence"),
        finite("area_m2", "score_max", "score_mean", "evidence", "change_db"),
        bracket(),
        outline("polygon"),
        gist("detections", "polygon"),
        Index(None, "region_id", "acquisition_id"),
        {"comment": "What one look says about one place."},
    )
    id: Mapped[uuid.UUID] = _c(
        "Derived from region, look, detector, weights, configuration and outline.", primary_key=True
    )
    region_id: Mapped[str] = _c("Watched region.")
    acquisition_id: Mapped[uuid.UUID] = _c("The look that was judged.")
    polygon: Mapped[WKBElement] = geometry("POLYGON", "Outline.")
    area_m2: Mapped[float] = _c("Area on the projected grid, m2.")
    score_max: Mapped[float] = _c("Largest absolute score inside, sigma of quiet ground.")
    score_mean: Mapped[float] = _c("Mean absolute score inside, sigma of quiet ground.")
    evidence: Mapped[float] = _c("Evidence of the patch, decides the tier; not a probability.")
    change_db: Mapped[float] = _c("Mean co-polarised change inside, dB.")
    tier: Mapped[str] = _c("watch or likely: how far the evidence of this look goes.")
    not_before: Mapped[datetime] = _c("Last look of the pre stack: it had not happened yet.")
    not_after: Mapped[datetime] = _c("The judged look: it had happened.")
    item_ids: Mapped[list[str]] = _c("Every catalogue item that went in, pre and post.")
    detector: Mapped[str] = _c("Detectors that agreed, joined by +.")
    weights_version: Mapped[str] = _c("Name and sha256 prefix of the weights, or none.")
    config_hash: Mapped[str] = _c("Hash of detector and polygon parameters.")
    advisory: Mapped[str | None] = _c("Why to be careful.")
    simulated: Mapped[bool] = _c("A drill.")
    recorded_at: Mapped[datetime] = recorded()


class Landslide(Base):
    """Identity over time; what we believe is in its versions."""

    __tablename__ = "landslides"
    __table_args__ = (
        Index(None, "region_id"),
        {"comment": "Identity of a landslide over time; see landslides_current."},
    )
    id: Mapped[uuid.UUID] = _c("Derived from the first detection.", primary_key=True)
    region_id: Mapped[str] = mapped_column(ForeignKey(Region.id), comment="Watched region.")
    recorded_at: Mapped[datetime] = recorded()


class LandslideVersion(Base):
    """One version of what we believe; a trigger refuses to change or delete it."""

    __tablename__ = "landslide_versions"
    __table_args__ = (
        CheckConstraint("revision >= 1", name="revision"),
        one_of("state", State),
        one_of("tier", Tier),
        CheckConstraint("area_m2 > 0", name="area_m2"),
        CheckConstraint("evidence >= 0", name="evidence"),
        finite("area_m2", "score_max", "evidence", "change_db"),
        CheckConstraint("looks BETWEEN 1 AND cardinality(detections)", name="looks"),
        bracket(),
        outline("geometry"),
        gist("landslide_versions", "geometry"),
        {"comment": "Append-only versions of what we believe about each landslide."},
    )
    landslide_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Landslide.id), primary_key=True, comment="Identity over time."
    )
    revision: Mapped[int] = _c("1 for the first version, rising by one.", primary_key=True)
    state: Mapped[str] = _c("suspected, confirmed, refuted, unresolved or closed.")
    tier: Mapped[str] = _c("watch or likely: highest tier reached so far.")
    geometry: Mapped[WKBElement] = geometry("MULTIPOLYGON", "Outline.")
    area_m2: Mapped[float] = _c("Area of the outline, m2.")
    not_before: Mapped[datetime] = _c("Latest look known to be without it.")
    not_after: Mapped[datetime] = _c("Earliest look known to be with it.")
    detections: Mapped[list[uuid.UUID]] = _c("Every detection that joined, in order of sensing.")
    looks: Mapped[int] = _c("Number of distinct looks among the detections.")
    score_max: Mapped[float] = _c("Highest absolute score of any detection, sigma of quiet ground.")
    evidence: Mapped[float] = _c("Highest evidence of any detection; not a probability.")
    change_db: Mapped[float] = _c("Mean co-polarised change of that detection, dB.")
    cause: Mapped[str] = _c("Why this version exists.")
    advisory: Mapped[str | None] = _c("Why to be careful.")
    simulated: Mapped[bool] = _c("A drill.")
    recorded_at: Mapped[datetime] = recorded("When we came to believe this.")


class LandslideDetection(Base):
    """Which detections a landslide is made of."""

    __tablename__ = "landslide_detections"
    __table_args__ = (
        Index(None, "detection_id"),
        {"comment": "Which detections each landslide is made of."},
    )
    landslide_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Landslide.id), primary_key=True, comment="Landslide."
    )
    detection_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Detection.id), primary_key=True, comment="Detection that joined."
    )


class Alert(Base):
    """One message about one version of one landslide."""

    __tablename__ = "alerts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["landslide_id", "revision"], [LandslideVersion.landslide_id, LandslideVersion.revision]
        ),
        UniqueConstraint("landslide_id", "kind", "revision"),
        CheckConstraint("exercise OR NOT simulated", name="exercise"),
        Index(None, "region_id"),
        {"comment": "Messages to send; written in the transaction that stores the landslide."},
    )
    id: Mapped[uuid.UUID] = _c("Idempotency key: landslide, kind and revision.", primary_key=True)
    landslide_id: Mapped[uuid.UUID] = _c("Landslide the message speaks of.")
    revision: Mapped[int] = _c("Version the message speaks of.")
    region_id: Mapped[str] = mapped_column(ForeignKey(Region.id), comment="Watched region.")
    kind: Mapped[str] = _c("suspected.")
    exercise: Mapped[bool] = _c("Goes out as EXERCISE, to exercise channels only.")
    simulated: Mapped[bool] = _c("The landslide is a drill.")
    payload: Mapped[dict[str, Any]] = _c("The alert as it was when it was decided.")
    recorded_at: Mapped[datetime] = recorded()


class Delivery(Base):
    """One alert on its way to one channel."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("alert_id", "channel"),
        one_of("state", DELIVERY_STATES),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint(
            "(state = 'sending') = (owner IS NOT NULL AND lease_until IS NOT NULL)", name="lease"
        ),
        Index(
            "ix_deliveries_open", "retry_at", postgresql_where=sql("state IN ('due', 'sending')")
        ),
        {"comment": "One alert on its way to one channel."},
    )
    id: Mapped[uuid.UUID] = _c("Derived from alert and channel.", primary_key=True)
    alert_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Alert.id), comment="What is sent.")
    channel: Mapped[str] = _c("Name of the channel in the settings; its address is not stored.")
    state: Mapped[str] = _c("due, sending, delivered or abandoned.")
    attempts: Mapped[int] = _c("How often a worker has started to send.", server_default="0")
    owner: Mapped[str | None] = _c("Worker that holds the lease.")
    lease_until: Mapped[datetime | None] = _c("From then on another worker may take over.")
    retry_at: Mapped[datetime | None] = _c("Not to be tried again before.")
    reason: Mapped[str | None] = _c("Why the last attempt failed.")
    recorded_at: Mapped[datetime] = recorded()


class Receipt(Base):
    """What a channel answered to one attempt."""

    __tablename__ = "receipts"
    __table_args__ = ({"comment": "What each channel answered, one row per message it took."},)
    delivery_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Delivery.id), primary_key=True, comment="Delivery."
    )
    attempt: Mapped[int] = _c("Which attempt it answers.", primary_key=True)
    received_at: Mapped[datetime] = _c("When the answer came.")
    content: Mapped[dict[str, Any]] = _c("The answer.")
