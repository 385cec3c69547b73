"""What looks say about landslides they did not find, and the work of asking optical ones."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from geoalchemy2 import WKBElement
from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, column, finite, geometry, gist, one_of, outline, recorded
from db.tables.found import Landslide, LandslideVersion
from db.tables.watched import Acquisition
from detectors.types import Finding, Tier


class OpticalCheck(Base):
    """The evidence behind a verdict; a trigger refuses to change or delete it."""

    __tablename__ = "optical_checks"
    __table_args__ = (
        ForeignKeyConstraint(
            ["landslide_id", "revision"], [LandslideVersion.landslide_id, LandslideVersion.revision]
        ),
        UniqueConstraint("landslide_id", "acquisition_id"),
        one_of("finding", Finding),
        CheckConstraint("share_clear BETWEEN 0 AND 1", name="share_clear"),
        CheckConstraint("d_ndvi BETWEEN -2 AND 2", name="d_ndvi"),
        CheckConstraint("share_changed BETWEEN 0 AND 1", name="share_changed"),
        CheckConstraint("ensemble_score BETWEEN 0 AND 1", name="ensemble_score"),
        finite("ndvi_before", "ensemble_spread", "outline_area_m2"),
        outline("outline"),
        CheckConstraint("outline_area_m2 > 0", name="outline_area_m2"),
        gist("optical_checks", "outline"),
        {"comment": "Append-only: what each optical look says about each landslide."},
    )
    id: Mapped[uuid.UUID] = column("Derived from landslide and look.", primary_key=True)
    landslide_id: Mapped[uuid.UUID] = column("Landslide that was looked at.")
    revision: Mapped[int] = column("Its version whose outline was judged.")
    acquisition_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Acquisition.id), comment="The optical look."
    )
    sensed_at: Mapped[datetime] = column("When the look was taken.")
    finding: Mapped[str] = column("agrees, disagrees, undecided or not seen.")
    reason: Mapped[str] = column("Why, in words.")
    share_clear: Mapped[float] = column(
        "Share of the landslide's own pixels clear in this look and before, 0 to 1."
    )
    unseen: Mapped[dict[str, Any]] = column(
        "Share of its pixels that could not be seen, by reason."
    )
    ndvi_before: Mapped[float | None] = column("Median NDVI of its pixels before.")
    d_ndvi: Mapped[float | None] = column(
        "Median NDVI change of its pixels against the surroundings, -2 to 2."
    )
    share_changed: Mapped[float | None] = column(
        "Share of its clear pixels that lost vegetation, 0 to 1."
    )
    ensemble_score: Mapped[float | None] = column(
        "Mean of the ensemble over the changed pixels, 0 to 1; not a probability."
    )
    ensemble_spread: Mapped[float | None] = column("Mean spread of the members there.")
    outline: Mapped[WKBElement | None] = geometry(
        "MULTIPOLYGON", "Optical outline, where the look agrees.", nullable=True
    )
    outline_area_m2: Mapped[float | None] = column("Area of that outline, m2.")
    item_ids: Mapped[list[str]] = column("Every catalogue item that went in, pre and post.")
    weights_version: Mapped[str] = column("Weights of the ensemble.")
    config_hash: Mapped[str] = column("Hash of every parameter of the rule.")
    recorded_at: Mapped[datetime] = recorded()


class OpticalAttempt(Base):
    """A check that could not be made yet; gone once it was made."""

    __tablename__ = "optical_attempts"
    __table_args__ = (
        CheckConstraint("attempts >= 1", name="attempts"),
        {"comment": "Optical checks that could not be made, to be tried again or parked."},
    )
    landslide_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Landslide.id), primary_key=True, comment="Landslide to be looked at."
    )
    acquisition_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Acquisition.id), primary_key=True, comment="The optical look."
    )
    attempts: Mapped[int] = column("How often it failed.")
    retry_at: Mapped[datetime | None] = column("Not to be tried again before; null: never.")
    reason: Mapped[str] = column("Why the last attempt failed.")
    recorded_at: Mapped[datetime] = recorded("When the last attempt failed.")


class OpticalLease(Base):
    """Which look a worker asks about a landslide just now; gone when it is done."""

    __tablename__ = "optical_leases"
    __table_args__ = (
        CheckConstraint("owner <> ''", name="owner"),
        {"comment": "Landslides that a worker asks an optical look about just now."},
    )
    landslide_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Landslide.id), primary_key=True, comment="Landslide."
    )
    acquisition_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Acquisition.id), comment="The look that is being asked."
    )
    owner: Mapped[str] = column("Worker: machine, process and start.")
    lease_until: Mapped[datetime] = column("Another worker may take over after this.")


class RadarCheck(Base):
    """The evidence behind a tier; a look that is judged again speaks anew."""

    __tablename__ = "radar_checks"
    __table_args__ = (
        one_of("finding", Finding),
        one_of("tier", Tier),
        CheckConstraint("share_seen BETWEEN 0 AND 1", name="share_seen"),
        CheckConstraint("evidence >= 0", name="evidence"),
        finite("score_mean", "evidence"),
        {"comment": "What each radar look says of each landslide: the evidence behind its tier."},
    )
    landslide_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Landslide.id), primary_key=True, comment="Landslide that was looked at."
    )
    acquisition_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Acquisition.id), primary_key=True, comment="The radar look."
    )
    sensed_at: Mapped[datetime] = column("When the look was taken.")
    finding: Mapped[str] = column("agrees, disagrees, undecided or not seen.")
    reason: Mapped[str] = column("Why, in words.")
    share_seen: Mapped[float] = column(
        "Share of the landslide's own pixels that could be judged, 0 to 1."
    )
    unseen: Mapped[dict[str, Any]] = column(
        "Share of its pixels that could not be judged, by reason."
    )
    score_mean: Mapped[float | None] = column(
        "Mean absolute score of its pixels, sigma of quiet ground."
    )
    evidence: Mapped[float | None] = column(
        "Evidence of the landslide in this look; not a probability."
    )
    tier: Mapped[str | None] = column(
        "watch or likely: what this look alone found here; null where no detection joined."
    )
    recorded_at: Mapped[datetime] = recorded("When the look was judged last.")
