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

DELIVERY_STATES = ("due", "sending", "delivered", "abandoned")


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
    id: Mapped[uuid.UUID] = column("Derived from alert and channel.", primary_key=True)
    alert_id: Mapped[uuid.UUID] = mapped_column(ForeignKey(Alert.id), comment="What is sent.")
    channel: Mapped[str] = column("Name of the channel in the settings; its address is not stored.")
    state: Mapped[str] = column("due, sending, delivered or abandoned.")
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
