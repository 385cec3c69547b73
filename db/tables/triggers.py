"""What may have set off landslides, as feeds tell it."""

from __future__ import annotations

from datetime import datetime, timedelta

from geoalchemy2 import WKBElement
from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped

from db.base import Base, column, geometry, gist, recorded


class TriggerEvent(Base):
    """One version of one event of a feed."""

    __tablename__ = "trigger_events"
    __table_args__ = (
        CheckConstraint("begins_at <= ends_at", name="times"),
        CheckConstraint("reach_m >= 0 AND reach_m < 'Infinity'", name="reach_m"),
        CheckConstraint("poll_every > interval '0'", name="poll_every"),
        gist("trigger_events", "place"),
        {"comment": "Append-only: earthquakes and warnings of feeds, every version of each."},
    )
    trigger: Mapped[str] = column("Name of the trigger in the settings.", primary_key=True)
    event_id: Mapped[str] = column("What the feed calls it.", primary_key=True)
    version: Mapped[datetime] = column("When the feed wrote this version.", primary_key=True)
    title: Mapped[str] = column("In the feed's words.")
    begins_at: Mapped[datetime] = column("When the earth shook, or from when on it rains.")
    ends_at: Mapped[datetime] = column("Until when; of an earthquake the same moment.")
    place: Mapped[WKBElement] = geometry("GEOMETRY", "Epicentre, or the warned areas.")
    reach_m: Mapped[float] = column("How far around it landslides are to be expected, m.")
    magnitude: Mapped[float | None] = column("Of an earthquake.")
    severity: Mapped[str | None] = column("Of a warning, in the words of CAP.")
    cancelled: Mapped[bool] = column("Deleted, cancelled, or weaker by now than asked for.")
    poll_every: Mapped[timedelta] = column("Interval of polls it asks for.")
    raised_until: Mapped[datetime] = column("Until when it asks for them.")
    recorded_at: Mapped[datetime] = recorded()


class TriggerFeed(Base):
    """How reading one feed went."""

    __tablename__ = "trigger_feeds"
    __table_args__ = (
        CheckConstraint("failures >= 0", name="failures"),
        {"comment": "How reading each feed of triggers went."},
    )
    trigger: Mapped[str] = column("Name of the trigger in the settings.", primary_key=True)
    read_at: Mapped[datetime] = column("Last attempt.")
    succeeded_at: Mapped[datetime | None] = column("Last attempt that worked.")
    failures: Mapped[int] = column("Attempts that failed since then.")
    error: Mapped[str | None] = column("Why the last attempt failed, null where it worked.")
    left_out: Mapped[list[str]] = column("Entries that could not be read, and why.")
