"""The service's own books: expected looks, what reading costs, platforms that are checked."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, column, finite, one_of, recorded
from db.tables.found import LandslideVersion
from db.tables.watched import Acquisition, Look, Region
from detectors.ledger import Outcome

#: What money, bandwidth and time are spent on.
WORK = ("poll", "judge", "confirm", "measure")
DECISIONS = ("approved", "rejected")


class ExpectedLook(Base):
    """A pass that was expected, and what became of it."""

    __tablename__ = "expected_looks"
    __table_args__ = (
        one_of("outcome", Outcome),
        {
            "comment": "Passes that were expected, and what became of each; written anew by each"
            " poll."
        },
    )
    region_id: Mapped[str] = mapped_column(
        ForeignKey(Region.id), primary_key=True, comment="Watched region."
    )
    track: Mapped[str] = column("Relative orbit and direction, or tile.", primary_key=True)
    expected_at: Mapped[datetime] = column(
        "When the pass was taken, or should have been.", primary_key=True
    )
    outcome: Mapped[str] = column(
        "processed, waiting, skipped, expected, late, missing (upstream) or failed (here)."
    )
    reason: Mapped[str | None] = column("Why, where it was not processed.")
    sensed_at: Mapped[datetime | None] = column("When the pass was taken; null: none came.")
    published_at: Mapped[datetime | None] = column(
        "When the last of its products became available."
    )
    finished_at: Mapped[datetime | None] = column("When the last of its looks was judged.")
    recorded_at: Mapped[datetime] = recorded("When this was found to be so.")


class Cost(Base):
    """What one kind of work cost a region in a day."""

    __tablename__ = "costs"
    __table_args__ = (
        CheckConstraint(
            "requests >= 0 AND bytes >= 0 AND seconds >= 0 AND seconds < 'Infinity'"
            " AND units >= 0 AND units < 'Infinity'",
            name="amounts",
        ),
        one_of("work", WORK),
        {
            "comment": "What reading cost, by region, day, work and look: spent is spent, whatever"
            " came of it."
        },
    )
    region_id: Mapped[str] = mapped_column(
        ForeignKey(Region.id), primary_key=True, comment="Watched region."
    )
    day: Mapped[date] = column(
        "Day it was spent on, UTC, by the clock of the machine.", primary_key=True
    )
    source: Mapped[str] = column("Catalogue/collection that was asked.", primary_key=True)
    work: Mapped[str] = column("poll, judge, confirm or measure.", primary_key=True)
    item_id: Mapped[str] = column(
        "Look it was spent on; empty where on none alone.", primary_key=True
    )
    requests: Mapped[int] = mapped_column(
        BigInteger, comment="Requests made, those that failed included."
    )
    bytes: Mapped[int] = mapped_column(
        BigInteger,
        comment="Bytes of the answers as they came over the network, without headers.",
    )
    seconds: Mapped[float] = column("Time the work took, with whatever was computed meanwhile.")
    units: Mapped[float] = column("Processing units as the service says, or else as estimated.")
    recorded_at: Mapped[datetime] = recorded("When something was added last.")


class LookBias(Base):
    """How far one look departs on stable ground from known platforms, by polarisation."""

    __tablename__ = "look_biases"
    __table_args__ = (
        ForeignKeyConstraint(
            ["region_id", "acquisition_id"], [Look.region_id, Look.acquisition_id]
        ),
        CheckConstraint("pixels > 0", name="pixels"),
        CheckConstraint("spread_db >= 0", name="spread_db"),
        finite("median_db", "spread_db"),
        {
            "comment": "How far each judged radar look departs on stable ground from known"
            " platforms."
        },
    )
    region_id: Mapped[str] = column("Watched region.", primary_key=True)
    acquisition_id: Mapped[uuid.UUID] = column("The look.", primary_key=True)
    polarisation: Mapped[str] = column("VV, VH, HH or HV.", primary_key=True)
    median_db: Mapped[float] = column(
        "Median over stable ground of the look against known platforms, dB."
    )
    spread_db: Mapped[float] = column("Spread of the same, 1.4826 x median absolute deviation, dB.")
    pixels: Mapped[int] = column("Pixels of stable ground it was measured on.")
    recorded_at: Mapped[datetime] = recorded("When the look was judged last.")


class PlatformDecision(Base):
    """What a person decided about a platform."""

    __tablename__ = "platform_decisions"
    __table_args__ = (
        one_of("decision", DECISIONS),
        CheckConstraint("platform <> '' AND reason <> '' AND decided_by <> ''", name="words"),
        CheckConstraint("track IS NULL OR region_id IS NOT NULL", name="track"),
        {
            "comment": "Append-only: which platforms people approved or rejected; the last one"
            " counts."
        },
    )
    number: Mapped[int] = mapped_column(
        BigInteger, Identity(always=True), primary_key=True, comment="Rises with each decision."
    )
    platform: Mapped[str] = column("Satellite.")
    processing_version: Mapped[str] = column(
        "Of the producer's processor; empty: any.", server_default=""
    )
    region_id: Mapped[str | None] = mapped_column(
        ForeignKey(Region.id), comment="Only in this region; null: everywhere."
    )
    track: Mapped[str | None] = column("Only on this track; null: on all.")
    decision: Mapped[str] = column("approved: its looks may alert. rejected: never.")
    reason: Mapped[str] = column("Why, in the person's words.")
    decided_by: Mapped[str] = column("Who said so.")
    recorded_at: Mapped[datetime] = recorded("When it was said.")


class HeldAlert(Base):
    """An alert that waits until the platform of its look is approved."""

    __tablename__ = "held_alerts"
    __table_args__ = (
        ForeignKeyConstraint(
            ["landslide_id", "revision"], [LandslideVersion.landslide_id, LandslideVersion.revision]
        ),
        Index(None, "acquisition_id"),
        {"comment": "Alerts that wait until the platform of their look is approved."},
    )
    landslide_id: Mapped[uuid.UUID] = column("Landslide.", primary_key=True)
    revision: Mapped[int] = column("Its version that would have been told.", primary_key=True)
    kind: Mapped[str] = column("The kind of alert it would have been.")
    acquisition_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Acquisition.id), comment="The look of a platform that is not approved."
    )
    advisory: Mapped[str] = column("Why it was held.")
    released_at: Mapped[datetime | None] = column("When it was decided anew; null: it is held.")
    recorded_at: Mapped[datetime] = recorded()
