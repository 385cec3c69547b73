"""What looks and deliveries share as work: a state, a lease with an owner, a time to retry."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, select, update
from sqlalchemy.orm import Session

from db.tables import Delivery, Look

type Work = type[Look] | type[Delivery]


def is_due(work: Work, held: str, now: datetime) -> ColumnElement[bool]:
    """Return the condition that work waits, or that its worker let the lease run out.

    Args:
        work: The table.
        held: State of work that somebody has.
        now: Wall clock, aware.
    """
    return or_(
        and_(work.state == "due", or_(work.retry_at.is_(None), work.retry_at <= now)),
        and_(work.state == held, work.lease_until <= now),
    )


def owners(s: Session, work: Work, held: str) -> set[str]:
    """Return the workers that hold something."""
    found = s.scalars(select(work.owner).where(work.state == held).distinct())
    return {owner for owner in found if owner}


def release(s: Session, work: Work, held: str, dead: Collection[str], now: datetime) -> None:
    """End the leases of workers that are known to be dead."""
    s.execute(update(work).where(work.state == held, work.owner.in_(dead)).values(lease_until=now))
