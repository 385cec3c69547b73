"""What is told to whom: the outbox."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from db.base import Base, column, one_of, recorded
from db.tables.found import LandslideVersion
from db.tables.watched import Region
from detectors.bulletins import Sort

#: kept: for the summary of a region that catches up. listed: in it.
DELIVERY_STATES = ("due", "sending", "delivered", "abandoned", "kept", "listed")
#: waiting: to be ranked. sent: at once. kept: for the next digest. listed: in a digest.
NOTICE_STATES = ("waiting", "sent", "kept", "listed")


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
    id: Mapped[uuid.UUID] = column(
        "Idempotency key: landslide, kind and revision.", primary_key=True
    )
    landslide_id: Mapped[uuid.UUID] = column("Landslide the message speaks of.")
    revision: Mapped[int] = column("Version the message speaks of.")
    region_id: Mapped[str] = mapped_column(ForeignKey(Region.id), comment="Watched region.")
    kind: Mapped[str] = column("suspected, confirmed or withdrawn.")
    exercise: Mapped[bool] = column("Goes out as EXERCISE, to exercise channels only.")
    simulated: Mapped[bool] = column("The landslide is a drill.")
    payload: Mapped[dict[str, Any]] = column("The alert as it was when it was decided.")
    recorded_at: Mapped[datetime] = recorded()


class Bulletin(Base):
    """One message that is about no single landslide."""

    __tablename__ = "bulletins"
    __table_args__ = (
        one_of("sort", Sort),
        CheckConstraint("exercise OR NOT simulated", name="exercise"),
        Index(None, "region_id"),
        {"comment": "Digests, answers to a trigger, silence and its end, to be sent."},
    )
    id: Mapped[uuid.UUID] = column("Idempotency key.", primary_key=True)
    sort: Mapped[str] = column(
        "digest, summary, bulletin, silence, all-clear, quota or verification."
    )
    region_id: Mapped[str | None] = mapped_column(
        ForeignKey(Region.id), comment="Watched region; null for a digest."
    )
    exercise: Mapped[bool] = column("Goes out as EXERCISE, to exercise channels only.")
    simulated: Mapped[bool] = column("Something in it never happened.")
    payload: Mapped[dict[str, Any]] = column("The bulletin as it was when it was decided.")
    recorded_at: Mapped[datetime] = recorded()


class CapMessage(Base):
    """One alert as it went out in CAP."""

    __tablename__ = "cap_messages"
    __table_args__ = (
        UniqueConstraint("sender", "identifier", name="uq_cap_messages_sender_identifier"),
        one_of("msg_type", ("Alert", "Update", "Cancel")),
        {"comment": "Append-only: each alert as a CAP 1.2 message, as it was sent."},
    )
    alert_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Alert.id), primary_key=True, comment="Alert that the message tells."
    )
    sender: Mapped[str] = column("Who sent it.")
    identifier: Mapped[str] = column("Idempotency key of the alert.")
    sent: Mapped[str] = column("When, as it stands in the message: later ones copy it.")
    msg_type: Mapped[str] = column("Alert, Update or Cancel.")
    document: Mapped[str] = column("The message, XML.")
    recorded_at: Mapped[datetime] = recorded()


class Delivery(Base):
    """One alert or bulletin on its way to one channel."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("alert_id", "channel"),
        UniqueConstraint("bulletin_id", "channel"),
        CheckConstraint("num_nonnulls(alert_id, bulletin_id) = 1", name="what"),
        one_of("state", DELIVERY_STATES),
        CheckConstraint("attempts >= 0", name="attempts"),
        CheckConstraint(
            "(state = 'sending') = (owner IS NOT NULL AND lease_until IS NOT NULL)", name="lease"
        ),
        Index(
            "ix_deliveries_open", "retry_at", postgresql_where=sql("state IN ('due', 'sending')")
        ),
        {"comment": "One alert or bulletin on its way to one channel."},
    )
    id: Mapped[uuid.UUID] = column("Derived from what is sent and channel.", primary_key=True)
    alert_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(Alert.id), comment="What is sent; null for a bulletin."
    )
    bulletin_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(Bulletin.id), comment="What is sent; null for an alert."
    )
    remark: Mapped[str | None] = column("Said above the message to this channel alone.")
    channel: Mapped[str] = column("Name of the channel in the settings; its address is not stored.")
    state: Mapped[str] = column(
        "due, sending, delivered, abandoned, kept (for a summary) or listed (in one)."
    )
    attempts: Mapped[int] = column("How often a worker has started to send.", server_default="0")
    owner: Mapped[str | None] = column("Worker that holds the lease.")
    lease_until: Mapped[datetime | None] = column("From then on another worker may take over.")
    retry_at: Mapped[datetime | None] = column("Not to be tried again before.")
    reason: Mapped[str | None] = column("Why the last attempt failed.")
    recorded_at: Mapped[datetime] = recorded()


class Receipt(Base):
    """What a channel answered to one attempt."""

    __tablename__ = "receipts"
    __table_args__ = ({"comment": "What each channel answered, one row per message it took."},)
    delivery_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Delivery.id), primary_key=True, comment="Delivery."
    )
    attempt: Mapped[int] = column("Which attempt it answers.", primary_key=True)
    received_at: Mapped[datetime] = column("When the answer came.")
    content: Mapped[dict[str, Any]] = column("The answer.")


class Notice(Base):
    """What one subscriber is to learn of one alert, and how."""

    __tablename__ = "notices"
    __table_args__ = (
        one_of("state", NOTICE_STATES),
        CheckConstraint("(state = 'listed') = (digest_id IS NOT NULL)", name="digest"),
        CheckConstraint("(state = 'waiting') = (decided_at IS NULL)", name="decided"),
        Index("ix_notices_open", "subscriber", postgresql_where=sql("state <> 'listed'")),
        {"comment": "What each subscriber is to learn of each alert: at once, or in a digest."},
    )
    alert_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey(Alert.id), primary_key=True, comment="Alert."
    )
    subscriber: Mapped[str] = column("Name in the settings.", primary_key=True)
    state: Mapped[str] = column("waiting, sent (at once), kept (for a digest) or listed (in one).")
    follows: Mapped[bool] = column("Follows an alert the subscriber was told: outside the budget.")
    reason: Mapped[str | None] = column("Why it was not sent at once.")
    decided_at: Mapped[datetime | None] = column("When it was decided how; null while it waits.")
    digest_id: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(Bulletin.id), comment="The digest it is listed in."
    )
    escalate_at: Mapped[datetime | None] = column(
        "When the second target is told, unless somebody acknowledges; null: never."
    )
    escalated_at: Mapped[datetime | None] = column("When the second target was told.")
    recorded_at: Mapped[datetime] = recorded()


class Acknowledgement(Base):
    """Somebody has taken an alert in hand."""

    __tablename__ = "acknowledgements"
    __table_args__ = (
        CheckConstraint("by_whom <> ''", name="by_whom"),
        Index(None, "alert_id"),
        {"comment": "Who has taken an alert in hand; escalation ends with it."},
    )
    id: Mapped[uuid.UUID] = column("Derived from alert, person and channel.", primary_key=True)
    alert_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Alert.id), comment="Alert.")
    by_whom: Mapped[str] = column("Who.")
    subscriber: Mapped[str | None] = column("For which subscriber; null: for all of them.")
    channel: Mapped[str | None] = column("Channel whose receipt said so; null: a command.")
    recorded_at: Mapped[datetime] = recorded()


class Silence(Base):
    """A look that was expected and did not come."""

    __tablename__ = "silences"
    __table_args__ = ({"comment": "Looks that were expected of a track and did not come."},)
    region_id: Mapped[str] = mapped_column(
        ForeignKey(Region.id), primary_key=True, comment="Watched region."
    )
    track: Mapped[str] = column("Relative orbit and direction, or tile.", primary_key=True)
    expected_at: Mapped[datetime] = column("When it should have been taken.", primary_key=True)
    cycle_s: Mapped[float] = column("The cycle learned of this track, seconds.")
    alarm_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Bulletin.id), comment="The alarm.")
    cleared_by: Mapped[uuid.UUID | None] = mapped_column(
        ForeignKey(Bulletin.id), comment="The all-clear; null while it is silent."
    )
    recorded_at: Mapped[datetime] = recorded("When the alarm was raised.")
