"""How long work waits and takes, by the server's own clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from db.tables import Delivery, Look, Receipt

#: Over which medians are taken.
LATELY = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Progress:
    """Waits, and how long work took; seconds, None where there is nothing to time."""

    oldest_look_s: float | None
    """Since the oldest look that is due or being judged was found."""
    oldest_delivery_s: float | None
    """Since the oldest message that is due or being sent was decided."""
    look_delay_s: float | None
    """From finding a look to its judgement, median of a week."""
    delivery_delay_s: float | None
    """From decision to receipt, median of a week."""


def progress(s: Session) -> Progress:
    """Read how long work waits and takes."""
    return Progress(
        _oldest(s, select(func.min(Look.recorded_at)).where(Look.state.in_(("due", "processing")))),
        _oldest(
            s,
            select(func.min(Delivery.recorded_at)).where(Delivery.state.in_(("due", "sending"))),
        ),
        _median(
            s,
            select(_seconds(Look.finished_at - Look.recorded_at)).where(
                Look.state == "processed", Look.finished_at > func.clock_timestamp() - LATELY
            ),
        ),
        _median(
            s,
            select(_seconds(Receipt.received_at - Delivery.recorded_at)).where(
                Receipt.delivery_id == Delivery.id,
                Receipt.received_at > func.clock_timestamp() - LATELY,
            ),
        ),
    )


def _seconds(span: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.extract("epoch", span)


def _oldest(s: Session, query: Select[Any]) -> float | None:
    found = s.scalar(select(_seconds(func.clock_timestamp() - query.scalar_subquery())))
    return None if found is None else float(found)


def _median(s: Session, query: Select[Any]) -> float | None:
    took = query.subquery()
    (column,) = took.c
    found = s.scalar(select(func.percentile_cont(0.5).within_group(column)))
    return None if found is None else float(found)
