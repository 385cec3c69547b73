"""The CAP message of an alert: composed once, in the transaction that decides it, and kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from alerts.cap import CapMessage, Context, Header, Profile, compose
from alerts.rules import is_exercise
from db import cap
from db.records import AlertRecord, CapRecord
from detectors.types import Alert


def keep_cap(
    s: Session,
    profile: Profile,
    alert: Alert,
    earlier: Sequence[AlertRecord],
    context: Context | None = None,
) -> None:
    """Compose the CAP message of an alert that was just enqueued, and keep it.

    Args:
        s: The transaction that enqueued it.
        profile: What all messages say of their sender.
        alert: What is told.
        earlier: The alerts it follows, of its landslide and of those it was made of.
        context: What else is known.
    """
    # A real message must not be read together with exercises, nor the other way round.
    alike = [one for one in earlier if is_exercise(one.alert) is is_exercise(alert)]
    kept = cap.messages(s, [record.alert.id for record in alike])
    ordered = sorted(alike, key=lambda record: record.recorded_at)
    headers = [_header(kept[record.alert.id]) for record in ordered if record.alert.id in kept]
    message = compose(alert, profile, headers, datetime.now(UTC), context)
    cap.keep_message(s, alert.id, _record(message))


def _header(kept: CapRecord) -> Header:
    return Header(kept.sender, kept.identifier, kept.sent, kept.msg_type)


def _record(message: CapMessage) -> CapRecord:
    header = message.header
    return CapRecord(header.sender, header.identifier, header.sent, header.msg_type, message.xml)
