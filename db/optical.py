"""Optical looks and landslides: what is to be checked, with what, and what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, literal, or_, select
from sqlalchemy.dialects.postgresql import INTERVAL, insert
from sqlalchemy.orm import Session, aliased

from db import convert, tables
from db.check_leases import being_checked
from db.selecting import latest_landslides, rows
from db.tables import LandslideVersion, OpticalAttempt
from detectors.types import SAME_PASS, Acquisition, Landslide, OpticalCheck, Sensor
from detectors.verdicts import OPEN


def optical_pending(
    s: Session,
    region_id: str,
    published_until: datetime,
    now: datetime,
    window: timedelta,
    limit: int | None = None,
) -> list[tuple[Landslide, Acquisition]]:
    """Return what optical looks have not yet said about landslides that are still open to them.

    Open to a look is what nobody has decided, and what was decided by something later: a late look
    is judged as of its own time.

    A pair is pending where the look came to this region, its footprint meets the outline of the
    landslide's latest version, it was sensed no earlier than the landslide was first seen and no
    later than ``window`` after, it left no check, and it is neither parked nor waiting for a retry.
    Landslides that a worker asks a look about just now are left to it.
    A landslide that an optical look found needs another pass, and a real one is never judged by
    pixels that were made for a drill.

    Args:
        s: Session.
        region_id: Watched region.
        published_until: Published no later than this, so that a replay knows no future.
        now: Wall clock, aware: what retries and leases wait for.
        window: How long after ``not_after`` a look may still decide.
        limit: At most so many pairs.

    Returns:
        Pairs, the oldest look first.
    """
    version, look, seen = LandslideVersion, tables.Look, tables.Acquisition
    check, attempt = tables.OpticalCheck, OpticalAttempt
    first_seen = version.not_after
    query = (
        latest_landslides(region_id)
        .join(look, look.region_id == tables.Landslide.region_id)
        .join(seen, seen.id == look.acquisition_id)
        .outerjoin(
            attempt,
            and_(attempt.landslide_id == version.landslide_id, attempt.acquisition_id == seen.id),
        )
        .add_columns(seen)
        .where(
            or_(version.state.in_(OPEN), seen.sensed_at < version.verdict_at),
            version.merged_into.is_(None),
            seen.sensor == Sensor.OPTICAL,
            or_(version.simulated, ~seen.simulated),
            seen.published_at <= published_until,
            or_(
                and_(version.source == Sensor.SAR, seen.sensed_at >= first_seen),
                # Neighbouring tiles and reprocessed products of the same pass are no second look.
                seen.sensed_at > first_seen + literal(SAME_PASS, INTERVAL()),
            ),
            seen.sensed_at
            <= func.greatest(first_seen, version.verdict_at) + literal(window, INTERVAL()),
            seen.footprint.intersects(version.geometry),
            func.ST_Intersects(func.ST_MakeValid(seen.footprint), version.geometry),
            ~select(check.id)
            .where(check.landslide_id == version.landslide_id, check.acquisition_id == seen.id)
            .exists(),
            or_(attempt.landslide_id.is_(None), attempt.retry_at <= now),
            ~being_checked(now),
        )
        .order_by(None)
        .order_by(seen.sensed_at, seen.item_id, seen.id, version.landslide_id)
        .limit(limit)
    )
    found = s.execute(query, execution_options={"populate_existing": True})
    return [
        (convert.to_landslide(latest, region), convert.to_acquisition(acquisition))
        for latest, region, acquisition in found
    ]


def optical_checks(s: Session, landslide_id: uuid.UUID) -> list[OpticalCheck]:
    """Return what optical looks said about a landslide, in order of sensing."""
    row = tables.OpticalCheck
    query = select(row).where(row.landslide_id == landslide_id).order_by(row.sensed_at, row.id)
    return [convert.to_check(check) for check in rows(s, query)]


def attempts(s: Session, landslide_id: uuid.UUID, acquisition_id: uuid.UUID) -> int:
    """Return how often a check could not be made so far; 0 once it was made."""
    row = OpticalAttempt
    return (
        s.scalar(
            select(row.attempts).where(
                row.landslide_id == landslide_id, row.acquisition_id == acquisition_id
            )
        )
        or 0
    )


def record_optical_check(s: Session, check: OpticalCheck) -> bool:
    """Store what a look says about a landslide, once and for all; earlier failures are forgotten.

    Returns:
        False where this look was heard on this landslide before; that check stays.

    Raises:
        PermanentError: the version that was judged, or the look, is not stored.
    """
    written = s.scalar(
        insert(tables.OpticalCheck)
        .values(convert.check_values(check))
        .on_conflict_do_nothing()
        .returning(literal(value=True))
    )
    attempt = OpticalAttempt
    s.execute(
        delete(attempt).where(
            attempt.landslide_id == check.landslide_id,
            attempt.acquisition_id == check.acquisition_id,
        )
    )
    return bool(written)


def defer_optical_check(
    s: Session,
    landslide_id: uuid.UUID,
    acquisition_id: uuid.UUID,
    reason: str,
    retry_at: datetime | None,
) -> int:
    """Note that a check could not be made; it is pending again from ``retry_at`` on, None parks it.

    Returns:
        Attempts so far, this one counted.
    """
    row = OpticalAttempt
    statement = insert(row).values(
        landslide_id=landslide_id,
        acquisition_id=acquisition_id,
        attempts=1,
        retry_at=retry_at,
        reason=reason,
    )
    new = statement.excluded
    attempts = s.scalar(
        statement.on_conflict_do_update(
            index_elements=["landslide_id", "acquisition_id"],
            set_={
                "attempts": row.attempts + 1,
                "retry_at": new.retry_at,
                "reason": new.reason,
                "recorded_at": func.clock_timestamp(),
            },
        ).returning(row.attempts)
    )
    return int(attempts or 0)


def unpark(s: Session, region_id: str, found: Collection[uuid.UUID]) -> None:
    """Let checks be made after all that were given up, where older optical looks have come.

    Args:
        s: Session.
        region_id: Watched region.
        found: Acquisitions new to it.
    """
    row, judged = OpticalAttempt, aliased(tables.Acquisition)
    older = tables.Acquisition
    s.execute(
        delete(row).where(
            row.retry_at.is_(None),
            row.landslide_id == tables.Landslide.id,
            tables.Landslide.region_id == region_id,
            row.acquisition_id == judged.id,
            select(older.id)
            .where(
                older.id.in_(list(found)),
                older.sensor == Sensor.OPTICAL,
                older.sensed_at < judged.sensed_at,
            )
            .exists(),
        )
    )
