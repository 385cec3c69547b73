"""Looks from before a region was watched, as work: claimed one by one, oldest first.

They wait as ``baseline``, where nothing that watches takes them, and are made due and claimed in
one step: between two of them whoever watches the region takes what is new.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, update
from sqlalchemy.orm import Session

from db import leases, tables
from db.looks import HELD, claim_look
from db.records import ClaimedLook
from db.tables import LandslideVersion, Look
from detectors.types import Sensor, State, Tier


def claim_past(
    s: Session, region_id: str, since: datetime, until: datetime, now: datetime, owner: str,
    lease: timedelta,
) -> ClaimedLook | None:  # fmt: skip
    """Take the oldest look of a time that nobody has judged, baseline looks included.

    Args:
        s: Session; commit soon, since other claims in the region wait for it.
        region_id: Watched region.
        since: Sensed then or later, UTC.
        until: Sensed before, UTC.
        now: Wall clock, aware.
        owner: Name of this worker.
        lease: How long nobody else may take it.

    Returns:
        The look, or None where none is left or another look of the region is being judged; see
        ``past_left``.
    """
    seen = tables.Acquisition
    found = s.execute(
        select(Look.id, seen.sensor)
        .join(seen, seen.id == Look.acquisition_id)
        .where(_of(region_id, since, until), _open(now))
        .order_by(seen.sensed_at, seen.published_at, Look.id)
        .limit(1)
    ).one_or_none()
    if found is None:
        return None
    with s.begin_nested() as step:
        s.execute(
            update(Look).where(Look.id == found.id, Look.state == "baseline").values(state="due")
        )
        claimed = claim_look(
            s, region_id, now, owner, lease, Sensor(found.sensor), look_id=found.id
        )
        if claimed is None:
            step.rollback()  # a baseline look stays one
    return claimed


def past_left(
    s: Session, region_id: str, since: datetime, until: datetime, now: datetime
) -> int:  # fmt: skip
    """Return how many looks of a time can be claimed now, or once others have finished theirs."""
    query = (
        select(func.count())
        .select_from(Look)
        .join(tables.Acquisition)
        .where(_of(region_id, since, until), _open(now))
    )
    return s.scalar(query) or 0


def past_states(s: Session, region_id: str, since: datetime, until: datetime) -> dict[str, int]:
    """Return how many looks of a time are in which state."""
    query = (
        select(Look.state, func.count())
        .join(tables.Acquisition)
        .where(_of(region_id, since, until))
        .group_by(Look.state)
    )
    return dict(s.execute(query).tuples().all())


def known_before(s: Session, landslides: Collection[uuid.UUID], moment: datetime) -> bool:
    """Tell whether one of these was likely, or confirmed, by what was sensed before a moment."""
    row = LandslideVersion
    likely = and_(row.state == State.SUSPECTED.value, row.tier == Tier.LIKELY.value)
    query = select(literal(1)).where(
        row.landslide_id.in_(landslides),
        row.valid_from < moment,
        or_(likely, row.state == State.CONFIRMED.value),
    )
    return s.scalar(query.limit(1)) is not None


def _of(region_id: str, since: datetime, until: datetime) -> ColumnElement[bool]:
    at = tables.Acquisition.sensed_at
    return and_(Look.region_id == region_id, at >= since, at < until)


def _open(now: datetime) -> ColumnElement[bool]:
    return or_(Look.state == "baseline", leases.is_due(Look, HELD, now))
