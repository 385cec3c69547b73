"""Optical checks as work: a worker takes a landslide while it asks a look about it.

One look of a landslide at a time: what one says may close the landslide, and others need not be
asked then. Whoever is second finds nothing to do there.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, literal, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from db import tables
from db.tables import LandslideVersion, OpticalLease
from detectors.types import Acquisition, Landslide, require_utc


def being_checked(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a worker has the landslide of a version.

    Args:
        now: Wall clock, aware.
    """
    held = OpticalLease
    of_version = held.landslide_id == LandslideVersion.landslide_id
    return select(literal(1)).where(of_version, held.lease_until > now).exists()


def claim_check(
    s: Session, landslide: Landslide, look: Acquisition, now: datetime, owner: str, lease: timedelta
) -> bool:
    """Take a landslide to ask a look about it, unless somebody has it or the answer is there.

    Args:
        s: Session; commit before the work begins.
        landslide: Version that is to be looked at.
        look: The optical look.
        now: Wall clock, aware.
        owner: Name of this worker, unlike that of any other (process and start).
        lease: How long nobody else may take it.
    """
    row = OpticalLease
    until = require_utc(now, "now") + lease
    taken = (
        insert(row)
        .values(
            landslide_id=landslide.id, acquisition_id=look.id, owner=owner, lease_until=until
        )
        .on_conflict_do_update(
            index_elements=["landslide_id"],
            set_={"acquisition_id": look.id, "owner": owner, "lease_until": until},
            where=row.lease_until <= now,
        )
        .returning(literal(value=True))
    )  # fmt: skip
    if s.scalar(taken) is None:
        return False
    # Asked once the landslide is ours: whoever had it before has stored what came of it.
    if _still_open(s, landslide, look, now):
        return True
    release_check(s, landslide.id, owner)
    return False


def _still_open(s: Session, landslide: Landslide, look: Acquisition, now: datetime) -> bool:
    check, attempt, version = tables.OpticalCheck, tables.OpticalAttempt, LandslideVersion
    told = select(check.id).where(
        check.landslide_id == landslide.id, check.acquisition_id == look.id
    )
    put_off = select(attempt.landslide_id).where(
        attempt.landslide_id == landslide.id, attempt.acquisition_id == look.id,
        attempt.retry_at.is_(None) | (attempt.retry_at > now),
    )  # fmt: skip
    newer = select(version.revision).where(
        version.landslide_id == landslide.id, version.revision > landslide.revision
    )
    return not s.scalar(select(told.exists() | put_off.exists() | newer.exists()))


def release_check(s: Session, landslide_id: uuid.UUID, owner: str) -> None:
    """Let others have a landslide again; one that was taken over stays with whoever has it."""
    row = OpticalLease
    s.execute(delete(row).where(row.landslide_id == landslide_id, row.owner == owner))


def check_owners(s: Session) -> set[str]:
    """Return the workers that have landslides."""
    return set(s.scalars(select(OpticalLease.owner).distinct()))


def release_checks(s: Session, owners: Collection[str]) -> None:
    """End the leases of workers that are known to be dead, so that others need not wait."""
    s.execute(delete(OpticalLease).where(OpticalLease.owner.in_(owners)))
