"""What a judged look changes: detections, what radar says of landslides, versions, alerts.

All of it in ONE transaction with the end of the look, so that an alert is in the outbox if and only
if its landslide is stored, and a worker that lost its lease stores nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from alerts.cap import Context
from db import platforms, queries, radar, store, verification
from db.engine import transaction
from db.records import ClaimedLook
from detectors.tracking import REPEATS, kept_out
from detectors.types import Acquisition, Landslide, Sensor, WatchedRegion
from flows.believing import Books
from flows.kept import stac_id, store_in
from flows.platforms import state_of
from flows.services import Services
from flows.telling import tell_held

if TYPE_CHECKING:
    from flows.judging import Judgement


def known_changes(s: Session, region: WatchedRegion, look: Acquisition) -> list[Landslide]:
    """Return the landslides that are left out of the history a radar look is held against.

    As they were when the look was taken, by what is known today: a look that is judged late, or
    again, is asked about what had not ended by then, and not about what began with it.
    """
    just_before = look.sensed_at - timedelta(microseconds=1)
    known = queries.landslides_as_of(s, None, just_before, region_id=region.id)
    if not known:
        return []
    since = min(one.not_after for one in known) - REPEATS
    ended = queries.ended_landslides(s, region.id, since=since)
    near = [one for one in known if one.geometry.intersects(look.footprint)]
    return kept_out(near, ended, look.sensed_at)


def store_judgement(
    services: Services, region: WatchedRegion, claimed: ClaimedLook, judgement: Judgement
) -> int:
    """Store detections, landslides, alerts and the end of the look in ONE transaction.

    Returns:
        How many alerts were written to the outbox.
    """
    with transaction(services.engine) as s:
        return work_in(services, s, region, claimed, judgement)


def work_in(
    services: Services,
    s: Session,
    region: WatchedRegion,
    claimed: ClaimedLook,
    judgement: Judgement,
) -> int:
    """Store a judgement in the caller's transaction; see ``store_judgement``."""
    look = claimed.acquisition
    store.lock_region(s, region.id)
    platforms.record_biases(s, region.id, look, judgement.biases)
    if judgement.said is not None:
        verification.record_scores(s, region.id, look.id, judgement.said)
    store.store_detections(s, judgement.detections)
    books = Books(services, s, region, look, Context(share_seen=judgement.share_seen))
    books.judged(judgement.detections, judgement.checks)
    radar.record_observability(
        s, region.id, look.id, judgement.coverage, simulated=region.simulated or look.simulated
    )
    if look.sensor is Sensor.SAR:
        store_in(services, s, stac_id(region.id, look), judgement.kept)
    standing = state_of(services, s, region, look)
    alerts = books.alerts + tell_held(services, s, region)
    held = None if standing is None else standing.advisory
    advisory = "; ".join(text for text in (judgement.advisory, held) if text) or None
    left_out = f"left out: {', '.join(judgement.left_out)}" if judgement.left_out else None
    reason = "; ".join(filter(None, (left_out, judgement.not_kept))) or None
    store.finish_look(
        s, claimed.id, services.owner, "processed", reason, judgement.share_seen,
        advisory, datetime.now(UTC),
    )  # fmt: skip
    return alerts
