"""What subscribers are to learn of alerts: at once, or kept for a digest and listed in one."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Update, exists, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import convert, tables
from db.records import AckRecord, NoticeRecord
from db.tables import Acknowledgement, Notice
from detectors.errors import ConfigurationError
from detectors.types import Alert, derive_id


def lock_subscriber(s: Session, subscriber: str) -> None:
    """Wait until no other transaction decides for this subscriber; let go at the end of this."""
    key = func.hashtextextended(f"scarpwatch:subscriber:{subscriber}", 0)
    s.execute(select(func.pg_advisory_xact_lock(key)))


def add_notices(
    s: Session, alert_id: uuid.UUID, subscribers: Iterable[str], kept: str | None = None
) -> None:
    """Let subscribers wait for a decision on an alert; what is there stays as it is.

    With ``kept``, the reason, it is decided: it goes into the next digest.
    """
    decided: dict[str, Any] = {"state": "waiting"}
    if kept is not None:
        decided = {"state": "kept", "reason": kept, "decided_at": func.clock_timestamp()}
    rows = [
        {"alert_id": alert_id, "subscriber": name, "follows": False, **decided}
        for name in sorted(set(subscribers))
    ]
    if rows:
        s.execute(insert(Notice).values(rows).on_conflict_do_nothing())


def concerned(s: Session, landslide_id: uuid.UUID) -> set[str]:
    """Return the subscribers that were told of a landslide, or are to be."""
    query = (
        select(Notice.subscriber)
        .join(tables.Alert, tables.Alert.id == Notice.alert_id)
        .where(tables.Alert.landslide_id == landslide_id)
        .distinct()
    )
    return set(s.scalars(query))


def waiting(s: Session, subscriber: str) -> list[Alert]:
    """Return the alerts nobody has decided on for a subscriber, oldest first."""
    return _alerts(s, subscriber, "waiting")


def any_waiting(s: Session, subscribers: Collection[str]) -> bool:
    """Tell whether an alert waits for a decision."""
    found = exists().where(Notice.state == "waiting", Notice.subscriber.in_(subscribers))
    return bool(s.scalar(select(found)))


def kept(s: Session, subscriber: str, before: datetime) -> list[tuple[Alert, str]]:
    """Return the alerts kept for a digest until a moment, with the reason, oldest first."""
    query = (
        select(tables.Alert.payload, Notice.reason)
        .join(Notice, Notice.alert_id == tables.Alert.id)
        .where(Notice.subscriber == subscriber, Notice.state == "kept", Notice.decided_at < before)
        .order_by(Notice.decided_at, tables.Alert.id)
    )
    return [(convert.alert_from_json(payload), why or "") for payload, why in s.execute(query)]


def told_landslides(
    s: Session, subscriber: str, landslides: Collection[uuid.UUID]
) -> set[uuid.UUID]:
    """Return those of some landslides of which a subscriber was told, at once or in a digest."""
    query = (
        select(tables.Alert.landslide_id)
        .join(Notice, Notice.alert_id == tables.Alert.id)
        .where(
            Notice.subscriber == subscriber,
            Notice.state.in_(["sent", "listed"]),
            tables.Alert.landslide_id.in_(landslides),
        )
    )
    return set(s.scalars(query))


def sent_since(s: Session, subscriber: str, since: datetime, *, exercise: bool) -> list[datetime]:
    """Return when alerts were sent at once within the budget, exercises or real ones."""
    query = (
        select(Notice.decided_at)
        .join(tables.Alert, tables.Alert.id == Notice.alert_id)
        .where(
            Notice.subscriber == subscriber,
            Notice.state == "sent",
            ~Notice.follows,
            Notice.decided_at > since,
            tables.Alert.exercise == exercise,
        )
    )
    return [at for at in s.scalars(query) if at is not None]


def decide(
    s: Session,
    subscriber: str,
    alert_id: uuid.UUID,
    *,
    at_once: bool,
    follows: bool,
    reason: str | None,
    now: datetime,
    escalate_at: datetime | None,
) -> None:
    """Store how a subscriber learns of an alert that waited."""
    s.execute(
        _mine(subscriber, [alert_id])
        .where(Notice.state == "waiting")
        .values(
            state="sent" if at_once else "kept", follows=follows, reason=reason, decided_at=now,
            escalate_at=escalate_at,
        )
    )  # fmt: skip


def list_in(
    s: Session, subscriber: str, alerts: Collection[uuid.UUID], digest_id: uuid.UUID
) -> None:
    """Store in which digest kept alerts are."""
    s.execute(
        _mine(subscriber, alerts)
        .where(Notice.state == "kept")
        .values(state="listed", digest_id=digest_id)
    )


def unanswered(s: Session, subscriber: str, now: datetime) -> list[Alert]:
    """Return the alerts whose time to be acknowledged ran out, oldest first.

    Not those that were withdrawn since: there is nothing left to act on.
    """
    ack, later = Acknowledgement, tables.Alert.__table__.alias()
    answered = exists().where(
        ack.alert_id == Notice.alert_id,
        or_(ack.subscriber.is_(None), ack.subscriber == subscriber),
    )
    withdrawn = exists().where(
        later.c.landslide_id == tables.Alert.landslide_id,
        later.c.kind == "withdrawn",
        later.c.recorded_at >= tables.Alert.recorded_at,
    )
    query = (
        select(tables.Alert.payload)
        .join(Notice, Notice.alert_id == tables.Alert.id)
        .where(
            Notice.subscriber == subscriber,
            Notice.escalate_at <= now,
            Notice.escalated_at.is_(None),
            ~answered,
            ~withdrawn,
        )
        .order_by(Notice.escalate_at, tables.Alert.id)
    )
    return [convert.alert_from_json(payload) for payload in s.scalars(query)]


def escalated(s: Session, subscriber: str, landslide_id: uuid.UUID) -> bool:
    """Tell whether the second target of a subscriber was told of a landslide."""
    found = exists().where(
        Notice.subscriber == subscriber,
        Notice.escalated_at.is_not(None),
        Notice.alert_id == tables.Alert.id,
        tables.Alert.landslide_id == landslide_id,
    )
    return bool(s.scalar(select(found)))


def mark_escalated(s: Session, subscriber: str, alert_id: uuid.UUID, now: datetime) -> None:
    """Store that the second target is told."""
    s.execute(_mine(subscriber, [alert_id]).values(escalated_at=now))


def acknowledge(
    s: Session,
    alert_id: uuid.UUID,
    by_whom: str,
    *,
    subscriber: str | None = None,
    channel: str | None = None,
) -> bool:
    """Store that somebody has taken an alert in hand; said twice it is one.

    Returns:
        Whether it was new.

    Raises:
        ConfigurationError: nobody is named.
        PermanentError: no such alert.
    """
    if not by_whom.strip():
        raise ConfigurationError("say who acknowledges: --by NAME")
    statement = (
        insert(Acknowledgement)
        .values(
            id=derive_id("ack", alert_id, by_whom, subscriber, channel), alert_id=alert_id,
            by_whom=by_whom.strip(), subscriber=subscriber, channel=channel,
        )
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(Acknowledgement.id)
    )  # fmt: skip
    return s.scalar(statement) is not None


def notices_of(s: Session, alerts: Collection[uuid.UUID]) -> Mapping[uuid.UUID, list[NoticeRecord]]:
    """Return what subscribers learned of alerts, by alert, in order of their names."""
    found: defaultdict[uuid.UUID, list[NoticeRecord]] = defaultdict(list)
    query = select(Notice).where(Notice.alert_id.in_(alerts)).order_by(Notice.subscriber)
    for row in s.scalars(query, execution_options={"populate_existing": True}):
        found[row.alert_id].append(
            NoticeRecord(
                row.subscriber, row.state, row.reason, row.decided_at, row.digest_id,
                row.escalated_at,
            )
        )  # fmt: skip
    return found


def acknowledgements_of(
    s: Session, alerts: Collection[uuid.UUID]
) -> Mapping[uuid.UUID, list[AckRecord]]:
    """Return who took alerts in hand, by alert, oldest first."""
    found: defaultdict[uuid.UUID, list[AckRecord]] = defaultdict(list)
    row = Acknowledgement
    query = select(row).where(row.alert_id.in_(alerts)).order_by(row.recorded_at, row.id)
    for ack in s.scalars(query, execution_options={"populate_existing": True}):
        found[ack.alert_id].append(
            AckRecord(ack.by_whom, ack.subscriber, ack.channel, ack.recorded_at)
        )
    return found


def _alerts(s: Session, subscriber: str, state: str) -> list[Alert]:
    query = (
        select(tables.Alert.payload)
        .join(Notice, Notice.alert_id == tables.Alert.id)
        .where(Notice.subscriber == subscriber, Notice.state == state)
        .order_by(tables.Alert.recorded_at, tables.Alert.id)
    )
    return [convert.alert_from_json(payload) for payload in s.scalars(query)]


def _mine(subscriber: str, alerts: Collection[uuid.UUID]) -> Update:
    return update(Notice).where(Notice.subscriber == subscriber, Notice.alert_id.in_(alerts))
