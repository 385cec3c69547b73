"""CAP messages as they were sent: kept for ever, since later ones name them exactly."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import tables
from db.records import CapRecord


def keep_message(s: Session, alert_id: uuid.UUID, message: CapRecord) -> None:
    """Keep the message of an alert that is in the outbox; the first one kept stays.

    Raises:
        PermanentError: there is no such alert, or another one's message has this identifier.
    """
    s.execute(
        insert(tables.CapMessage)
        .values(
            alert_id=alert_id,
            sender=message.sender,
            identifier=message.identifier,
            sent=message.sent,
            msg_type=message.msg_type,
            document=message.document,
        )
        .on_conflict_do_nothing(index_elements=["alert_id"])
    )


def messages(s: Session, alert_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, CapRecord]:
    """Return the messages of alerts; one decided before there was CAP has none."""
    query = select(tables.CapMessage).where(tables.CapMessage.alert_id.in_(alert_ids))
    return {
        row.alert_id: CapRecord(row.sender, row.identifier, row.sent, row.msg_type, row.document)
        for row in s.scalars(query, execution_options={"populate_existing": True})
    }
