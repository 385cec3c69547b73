"""A region that has spent its month is put off politely: named, told once, nothing lost.

Looks stay due, so that they are taken up at the first poll after the month turned, or after the
quota was raised. Polls go on, since the ledger and silence alarms stand on them; what people ask
for by name (``scarpwatch scene``) is done; a look that has begun is finished.
"""

from __future__ import annotations

from datetime import UTC, datetime

import structlog
from sqlalchemy.orm import Session

from db import outbox, queries, store
from db.engine import transaction
from detectors.bulletins import Bulletin, Sort
from detectors.errors import QuotaSpent
from detectors.types import Sensor, WatchedRegion, derive_id
from flows.costs import limits_of, month_of, refusal
from flows.services import Services
from flows.silence import operators

log = structlog.get_logger()


def put_off(services: Services, region_id: str, sensor: Sensor) -> QuotaSpent | None:
    """Return why a region's looks of one kind have to wait, None where they need not.

    The looks that wait say why, and the operators are told once a month and limit.
    """
    with transaction(services.engine) as s:
        region = queries.get_region(s, region_id)
    spent = refusal(services, region)
    if spent is None:
        return None
    with transaction(services.engine) as s:
        waiting = store.explain_looks(s, region.id, sensor, str(spent), datetime.now(UTC))
        if waiting and _tell(services, region, spent, s):
            log.warning("quota spent", region=region.id, reason=str(spent))
    return spent


def _tell(services: Services, region: WatchedRegion, spent: QuotaSpent, s: Session) -> bool:
    """Write the bulletin for the operators; return whether it is news."""
    exercise = services.settings.exercise or region.simulated
    channels = operators(services, exercise=exercise)
    if not channels:
        return False
    first, _ = month_of(datetime.now(UTC))
    limits = limits_of(services.settings, region).values()
    amounts = (None if limit is None else limit.amount for limit in limits)
    bulletin = Bulletin(
        id=derive_id("quota", region.id, first.isoformat(), *amounts),
        sort=Sort.QUOTA,
        region_id=region.id,
        exercise=exercise,
        simulated=region.simulated,
        issued_at=services.clock.now(),
        content={
            "region": region.name,
            "region_id": region.id,
            "reason": str(spent),
            "renews_at": spent.renews_at.isoformat(),
        },
    )
    return outbox.enqueue_bulletin(s, bulletin, channels)
