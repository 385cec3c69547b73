"""Looks as work: claimed under a lease, finished, given back. Part of ``db.store``.

Two workers never hold the same look, nor two looks of one sensor in one region: claims in a region
wait for each other, and every later step asks for the owner's name again.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Select, Update, delete, exists, literal, select, update
from sqlalchemy.orm import Session, aliased

from db import leases, queries, tables
from db.records import ClaimedLook
from db.tables import Look, Region
from detectors.errors import LeaseLost
from detectors.types import Sensor, require_utc

#: State of a look that a worker has.
HELD = "processing"


def claim_look(
    s: Session,
    region_id: str,
    now: datetime,
    owner: str,
    lease: timedelta,
    sensor: Sensor = Sensor.SAR,
    look_id: uuid.UUID | None = None,
    *,
    newest: bool = False,
) -> ClaimedLook | None:
    """Take the oldest sensed look of a region that is due, or whose worker let its lease run out.

    A region's looks of one sensor are judged one after the other: what an earlier look found is
    left out of a later one's history, so that judging both at once would tell other landslides.

    Args:
        s: Session; commit soon, since other claims in the region wait for it.
        region_id: Watched region.
        now: Wall clock, aware.
        owner: Name of this worker, unlike that of any other (process and start).
        lease: How long nobody else may take it.
        sensor: Only looks of this kind, also where ``look_id`` names one.
        look_id: Only this look; None takes any.
        newest: The newest sensed look instead; those to be judged again come after all others,
            since each older look may ask for them once more.

    Returns:
        The look, or None where nothing is due or another look of the region is being judged.
    """
    # Two claims at once would not see each other; writers of looks need no such lock.
    s.execute(select(Region.id).where(Region.id == region_id).with_for_update(key_share=True))
    seen = tables.Acquisition
    forward = (seen.sensed_at, seen.published_at, Look.id)
    order = (Look.share_seen.is_not(None), *(one.desc() for one in forward)) if newest else forward
    due = (
        _claimable(select(Look.id), region_id, sensor, now)
        .order_by(*order)
        .limit(1)
        .with_for_update(of=Look, skip_locked=True)
    )
    if look_id is not None:
        due = due.where(Look.id == look_id)
    found = s.scalar(due)
    if found is None:
        return None
    until = require_utc(now, "now") + lease
    claimed = s.execute(
        update(Look)
        .where(Look.id == found)
        .values(state=HELD, owner=owner, lease_until=until, attempts=Look.attempts + 1)
        .returning(Look.acquisition_id, Look.attempts)
    ).one()
    return ClaimedLook(
        id=found,
        region_id=region_id,
        acquisition=queries.get_acquisition(s, claimed.acquisition_id),
        attempts=claimed.attempts,
        lease_until=until,
    )


def any_look_due(s: Session, region_id: str, now: datetime, sensor: Sensor = Sensor.SAR) -> bool:
    """Tell whether ``claim_look`` would find something."""
    query = _claimable(select(literal(1)), region_id, sensor, now).limit(1)
    return s.scalar(query) is not None


def _claimable[T](
    chosen: Select[tuple[T]], region_id: str, sensor: Sensor, now: datetime
) -> Select[tuple[T]]:
    """Restrict to the looks of a region that are due, none while one of them is being judged."""
    held, its = aliased(Look), aliased(tables.Acquisition)
    being_judged = exists().where(
        held.region_id == region_id,
        held.state == HELD,
        held.lease_until > now,
        its.id == held.acquisition_id,
        its.sensor == sensor,
    )
    return (
        chosen.select_from(Look)
        .join(tables.Acquisition)
        .where(
            Look.region_id == region_id,
            tables.Acquisition.sensor == sensor,
            leases.is_due(Look, HELD, now),
            ~being_judged,
        )
    )


def look_owners(s: Session) -> set[str]:
    """Return the workers that hold looks."""
    return leases.owners(s, Look, HELD)


def release_looks(s: Session, owners: Collection[str], now: datetime) -> None:
    """End the leases of workers that are known to be dead, so that others need not wait."""
    leases.release(s, Look, HELD, owners, now)


def extend_look(s: Session, look_id: uuid.UUID, owner: str, until: datetime) -> None:
    """Keep a look longer.

    Raises:
        LeaseLost: another worker has taken it over.
    """
    _held(s, look_id, _mine(look_id, owner).values(lease_until=until))


def finish_look(
    s: Session,
    look_id: uuid.UUID,
    owner: str,
    state: str,
    reason: str | None,
    share_seen: float | None,
    advisory: str | None,
    finished_at: datetime,
) -> None:
    """Close a look as ``processed``, ``failed`` or ``skipped``, in the transaction that stores it.

    Raises:
        LeaseLost: another worker has taken it over; let the exception roll everything back.
    """
    _held(
        s,
        look_id,
        _mine(look_id, owner).values(
            state=state,
            owner=None,
            lease_until=None,
            retry_at=None,
            reason=reason,
            share_seen=share_seen,
            advisory=advisory,
            finished_at=finished_at,
        ),
    )


def retry_look(
    s: Session,
    look_id: uuid.UUID,
    owner: str,
    reason: str,
    not_before: datetime,
    *,
    counts: bool = True,
) -> None:
    """Give a look back, to be tried again from ``not_before`` on.

    Args:
        s: open transaction.
        look_id: the look.
        owner: who holds it.
        reason: why.
        not_before: when to try again, UTC.
        counts: it was an attempt; False where nothing could be tried.

    Raises:
        LeaseLost: another worker has taken it over.
    """
    _held(
        s,
        look_id,
        _mine(look_id, owner).values(
            state="due",
            owner=None,
            lease_until=None,
            retry_at=not_before,
            reason=reason,
            attempts=Look.attempts - (0 if counts else 1),
        ),
    )


def explain_looks(s: Session, region_id: str, sensor: Sensor, reason: str, now: datetime) -> int:
    """Say why the looks of a region that are due are not judged just now; return how many wait.

    They stay due: nothing has to be undone once they may be judged.
    """
    waiting = _claimable(select(Look.id), region_id, sensor, now)
    found = s.scalars(waiting).all()
    s.execute(
        update(Look)
        .where(Look.id.in_(found), Look.state == "due", Look.reason.is_distinct_from(reason))
        .values(reason=reason)
    )
    return len(found)


def reopen_look(s: Session, look_id: uuid.UUID) -> None:
    """Make a finished or baseline look due again, to be judged anew; others stay as they are.

    What an optical look could not tell of the region's landslides is asked again as well.
    """
    s.execute(
        update(Look)
        .where(Look.id == look_id, Look.state != HELD)
        .values(state="due", attempts=0, retry_at=None, reason=None, finished_at=None)
    )
    attempt = tables.OpticalAttempt
    s.execute(
        delete(attempt).where(
            Look.id == look_id,
            attempt.acquisition_id == Look.acquisition_id,
            attempt.landslide_id == tables.Landslide.id,
            tables.Landslide.region_id == Look.region_id,
        )
    )


def _mine(look_id: uuid.UUID, owner: str) -> Update:
    return update(Look).where(Look.id == look_id, Look.state == HELD, Look.owner == owner)


def _held(s: Session, look_id: uuid.UUID, statement: Update) -> None:
    if s.scalar(statement.returning(literal(1))) is None:
        raise LeaseLost(f"look {look_id} is no longer held by this worker")
