"""The outbox: what is to be told, to which channel, and what the channel answered.

An alert is enqueued in the transaction that stores its landslide, so "stored before sent" is true.
Delivery is at least once: a kill between sending and the receipt repeats a message under the same
key, which receivers drop.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Update, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from db import convert, leases, notices, tables
from db.records import (
    AlertRecord,
    BulletinRecord,
    ClaimedDelivery,
    DeliveryRecord,
    ReceiptRecord,
)
from db.tables import Delivery
from detectors.bulletins import Bulletin
from detectors.errors import ConfigurationError, LeaseLost
from detectors.types import Alert, derive_id, require_utc

#: State of a message that a worker is sending.
HELD = "sending"


def enqueue(s: Session, alert: Alert, channels: Iterable[str], *, kept: bool = False) -> None:
    """Write an alert and one delivery per channel; what is already there stays as it is.

    With ``kept`` nothing is sent: it waits for a summary (``db.backlog``).

    Raises:
        PermanentError: the version the alert speaks of is not stored, or a simulated landslide is
            to go out as real.
    """
    s.execute(
        insert(tables.Alert)
        .values(
            id=alert.id,
            landslide_id=alert.landslide.id,
            revision=alert.landslide.revision,
            region_id=alert.landslide.region_id,
            kind=alert.kind,
            exercise=alert.exercise,
            simulated=alert.landslide.simulated,
            payload=convert.alert_json(alert),
        )
        .on_conflict_do_nothing(index_elements=["id"])
    )
    _add(s, "alert_id", alert.id, channels, None, "kept" if kept else "due")


def add_deliveries(
    s: Session, alert_id: uuid.UUID, channels: Iterable[str], remark: str | None = None
) -> None:
    """Send a stored alert to further channels; where it goes already nothing changes."""
    _add(s, "alert_id", alert_id, channels, remark)


def enqueue_bulletin(s: Session, bulletin: Bulletin, channels: Iterable[str]) -> bool:
    """Write a bulletin and one delivery per channel; what is already there stays as it is.

    Returns:
        Whether it was new.

    Raises:
        PermanentError: a simulated bulletin is to go out as real.
    """
    written = s.scalar(
        insert(tables.Bulletin)
        .values(
            id=bulletin.id, sort=bulletin.sort.value, region_id=bulletin.region_id,
            exercise=bulletin.exercise, simulated=bulletin.simulated,
            payload=convert.bulletin_json(bulletin),
        )
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(tables.Bulletin.id)
    )  # fmt: skip
    if written is not None:
        _add(s, "bulletin_id", bulletin.id, channels, None)
    return written is not None


def _add(
    s: Session,
    column: str,
    what: uuid.UUID,
    channels: Iterable[str],
    remark: str | None,
    state: str = "due",
) -> None:
    rows = [
        {
            "id": derive_id("delivery", what, channel),
            column: what,
            "channel": channel,
            "state": state,
            "remark": remark,
        }
        for channel in sorted(set(channels))
    ]
    if rows:
        s.execute(insert(Delivery).on_conflict_do_nothing(index_elements=["id"]), rows)


def claim_delivery(
    s: Session, now: datetime, owner: str, lease: timedelta, without: Collection[str] = ()
) -> ClaimedDelivery | None:
    """Take the oldest message that is due, or whose worker let its lease run out.

    Args:
        s: Session; commit before sending, so that a kill is seen as an attempt.
        now: Wall clock, aware.
        owner: Name of this worker, unlike that of any other (process and start).
        lease: How long nobody else may send it.
        without: Channels to leave out.

    Returns:
        The message, or None where nothing is due.
    """
    due = (
        select(Delivery.id)
        .where(leases.is_due(Delivery, HELD, now), Delivery.channel.not_in(without))
        .order_by(Delivery.recorded_at, Delivery.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    delivery_id = s.scalar(due)
    if delivery_id is None:
        return None
    until = require_utc(now, "now") + lease
    claimed = s.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id)
        .values(state=HELD, owner=owner, lease_until=until, attempts=Delivery.attempts + 1)
        .returning(
            Delivery.alert_id, Delivery.bulletin_id, Delivery.channel, Delivery.attempts,
            Delivery.remark,
        )
    ).one()  # fmt: skip
    return ClaimedDelivery(
        id=delivery_id,
        alert=_message(s, claimed.alert_id, claimed.bulletin_id),
        channel=claimed.channel,
        attempts=claimed.attempts,
        lease_until=until,
        remark=claimed.remark,
    )


def _message(
    s: Session, alert_id: uuid.UUID | None, bulletin_id: uuid.UUID | None
) -> Alert | Bulletin:
    if alert_id is not None:
        alert = select(tables.Alert.payload).where(tables.Alert.id == alert_id)
        return convert.alert_from_json(s.execute(alert).scalar_one())
    bulletin = select(tables.Bulletin.payload).where(tables.Bulletin.id == bulletin_id)
    return convert.bulletin_from_json(s.execute(bulletin).scalar_one())


def any_delivery_due(s: Session, now: datetime) -> bool:
    """Tell whether ``claim_delivery`` would find something."""
    query = select(literal(1)).where(leases.is_due(Delivery, HELD, now)).limit(1)
    return s.scalar(query) is not None


def delivery_owners(s: Session) -> set[str]:
    """Return the workers that are sending."""
    return leases.owners(s, Delivery, HELD)


def release_deliveries(s: Session, owners: Collection[str], now: datetime) -> None:
    """End the leases of workers that are known to be dead; their messages are repeated."""
    leases.release(s, Delivery, HELD, owners, now)


def record_receipt(
    s: Session, delivery_id: uuid.UUID, owner: str, receipt: Mapping[str, Any], at: datetime
) -> None:
    """Close a delivery with what the channel answered.

    Raises:
        LeaseLost: another worker has taken it over.
    """
    attempt = _held(
        s,
        delivery_id,
        _mine(delivery_id, owner).values(
            state="delivered", owner=None, lease_until=None, retry_at=None, reason=None
        ),
    )
    s.execute(
        insert(tables.Receipt).values(
            delivery_id=delivery_id, attempt=attempt, received_at=at, content=dict(receipt)
        )
    )


def record_failure(
    s: Session, delivery_id: uuid.UUID, owner: str, reason: str, retry_at: datetime | None
) -> None:
    """Give a delivery back, to be tried again from ``retry_at`` on; None gives up.

    Raises:
        LeaseLost: another worker has taken it over.
    """
    state = "abandoned" if retry_at is None else "due"
    _held(
        s,
        delivery_id,
        _mine(delivery_id, owner).values(
            state=state, owner=None, lease_until=None, retry_at=retry_at, reason=reason
        ),
    )


def requeue(s: Session, alert_id: uuid.UUID, channels: Iterable[str] = ()) -> int:
    """Send an alert again under the same key; earlier receipts are kept.

    Args:
        s: Session.
        alert_id: Which alert.
        channels: Channels to add to those it went to.

    Returns:
        Messages now due; one that is being sent just now is left alone.

    Raises:
        ConfigurationError: no such alert.
    """
    if s.scalar(select(literal(1)).where(tables.Alert.id == alert_id)) is None:
        raise ConfigurationError(f"there is no alert {alert_id}")
    add_deliveries(s, alert_id, channels)
    due = s.scalars(
        update(Delivery)
        .where(Delivery.alert_id == alert_id, Delivery.state != HELD)
        .values(state="due", retry_at=None, reason=None)
        .returning(Delivery.id)
    )
    return len(due.all())


def list_alerts(
    s: Session,
    region_id: str | None = None,
    since: datetime | None = None,
    limit: int | None = None,
    *,
    alert_id: uuid.UUID | None = None,
    landslide_id: uuid.UUID | None = None,
) -> list[AlertRecord]:
    """Return alerts with their deliveries and receipts, newest first.

    Args:
        s: Session.
        region_id: Only of this region.
        since: Only those enqueued at this time or later.
        limit: At most so many.
        alert_id: Only this one.
        landslide_id: Only of this landslide.
    """
    query = select(tables.Alert).order_by(tables.Alert.recorded_at.desc(), tables.Alert.id)
    if region_id is not None:
        query = query.where(tables.Alert.region_id == region_id)
    if since is not None:
        query = query.where(tables.Alert.recorded_at >= since)
    if alert_id is not None:
        query = query.where(tables.Alert.id == alert_id)
    if landslide_id is not None:
        query = query.where(tables.Alert.landslide_id == landslide_id)
    alerts = s.scalars(query.limit(limit), execution_options={"populate_existing": True}).all()
    ids = [alert.id for alert in alerts]
    deliveries = _deliveries(s, Delivery.alert_id, ids)
    told, answered = notices.notices_of(s, ids), notices.acknowledgements_of(s, ids)
    return [
        AlertRecord(
            alert=convert.alert_from_json(alert.payload),
            recorded_at=alert.recorded_at,
            deliveries=tuple(deliveries[alert.id]),
            notices=tuple(told.get(alert.id, ())),
            acknowledged=tuple(answered.get(alert.id, ())),
        )
        for alert in alerts
    ]


def list_bulletins(s: Session, limit: int | None = None) -> list[BulletinRecord]:
    """Return bulletins with their deliveries and receipts, newest first."""
    row = tables.Bulletin
    query = select(row).order_by(row.recorded_at.desc(), row.id).limit(limit)
    found = s.scalars(query, execution_options={"populate_existing": True}).all()
    deliveries = _deliveries(s, Delivery.bulletin_id, [one.id for one in found])
    return [
        BulletinRecord(
            convert.bulletin_from_json(one.payload), one.recorded_at, tuple(deliveries[one.id])
        )
        for one in found
    ]


def _deliveries(
    s: Session, column: InstrumentedAttribute[uuid.UUID | None], ids: list[uuid.UUID]
) -> defaultdict[uuid.UUID, list[DeliveryRecord]]:
    fresh = {"populate_existing": True}
    receipts: defaultdict[uuid.UUID, list[ReceiptRecord]] = defaultdict(list)
    answered = (
        select(tables.Receipt)
        .join(Delivery, Delivery.id == tables.Receipt.delivery_id)
        .where(column.in_(ids))
        .order_by(tables.Receipt.attempt)
    )
    for row in s.scalars(answered, execution_options=fresh):
        receipts[row.delivery_id].append(ReceiptRecord(row.attempt, row.received_at, row.content))
    found: defaultdict[uuid.UUID, list[DeliveryRecord]] = defaultdict(list)
    sent = select(column, Delivery).where(column.in_(ids)).order_by(Delivery.channel)
    for what, delivery in s.execute(sent, execution_options=fresh):
        found[what].append(
            DeliveryRecord(
                id=delivery.id,
                channel=delivery.channel,
                state=delivery.state,
                attempts=delivery.attempts,
                retry_at=delivery.retry_at,
                reason=delivery.reason,
                receipts=tuple(receipts[delivery.id]),
            )
        )
    return found


def _mine(delivery_id: uuid.UUID, owner: str) -> Update:
    return update(Delivery).where(
        Delivery.id == delivery_id, Delivery.state == HELD, Delivery.owner == owner
    )


def _held(s: Session, delivery_id: uuid.UUID, statement: Update) -> int:
    attempt: int | None = s.scalar(statement.returning(Delivery.attempts))
    if attempt is None:
        raise LeaseLost(f"delivery {delivery_id} is no longer held by this worker")
    return attempt
