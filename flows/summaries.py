"""One summary a region of what old looks showed, instead of a message for each landslide.

After downtime, or where a region is watched from years ago on, looks are judged that were published
long before. What they show is decided, stored and shown like anything else; channels are told in
one message once the region has caught up, a day later at the latest, subscribers in their digest.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from alerts.bulletins import digest_content
from alerts.rules import is_exercise
from db import backlog, notices, outbox, queries, store
from db.engine import transaction
from db.records import AlertRecord
from detectors.bulletins import Bulletin, Sort
from detectors.types import Acquisition, Alert, Landslide, WatchedRegion, derive_id
from flows.services import Services

#: The longest that anything is kept, however much is still to be judged.
LONGEST = timedelta(days=1)


def kept_for_summary(
    services: Services,
    s: Session,
    look: Acquisition,
    version: Landslide,
    earlier: list[AlertRecord],
) -> bool:
    """Tell whether an alert waits for the summary: of an old look, and nothing was told before."""
    age = services.clock.now() - look.published_at
    if age <= services.settings.alert_within or version.reviewed_by is not None:
        return False
    heard = notices.notices_of(s, [record.alert.id for record in earlier])
    told = [delivery.state for record in earlier for delivery in record.deliveries]
    told += [notice.state for known in heard.values() for notice in known]
    return set(told) <= {"kept"}


def why(look: Acquisition | Alert) -> str:
    """Return why an alert was not sent at once."""
    return f"found in a look of {look.sensed_at:%Y-%m-%d}, judged late"


def summarise(services: Services) -> int:
    """Put what is kept of regions that have caught up into the outbox; may run twice.

    Returns:
        How many summaries were written.
    """
    now = services.clock.now()
    with transaction(services.engine) as s:
        kept = backlog.kept_alerts(s)
    written = 0
    for region_id in kept:
        with transaction(services.engine) as s:
            store.lock_region(s, region_id)
            mine = backlog.kept_alerts(s).get(region_id, [])
            oldest = min((since for _, _, since, _ in mine), default=None)
            if oldest is None:
                continue
            behind = backlog.catching_up(s, region_id, now - services.settings.alert_within)
            if behind and datetime.now(UTC) - oldest < LONGEST:
                continue
            region = queries.get_region(s, region_id, include_removed=True)
            by_channel = defaultdict(list)
            for channel, delivery, _, alert in mine:
                by_channel[channel, is_exercise(alert)].append((delivery, alert))
            for (channel, exercise), found in by_channel.items():
                bulletin = _summary(region, channel, exercise, [alert for _, alert in found], now)
                written += outbox.enqueue_bulletin(s, bulletin, [channel])
                where = f"in summary {str(bulletin.id)[:8]}"
                backlog.list_kept(s, [delivery for delivery, _ in found], where)
    return written


def _summary(
    region: WatchedRegion, channel: str, exercise: bool, alerts: list[Alert], now: datetime
) -> Bulletin:
    """Return one message: the last word on each landslide, what was withdrawn left out."""
    last = {alert.landslide.id: alert for alert in alerts}
    listed = [alert for alert in last.values() if alert.kind != "withdrawn"]
    reasons = [(one, why(one)) for one in listed]
    return Bulletin(
        id=derive_id("summary", channel, *sorted(str(alert.id) for alert in alerts)),
        sort=Sort.SUMMARY,
        region_id=region.id,
        exercise=exercise,
        simulated=exercise and all(alert.landslide.simulated for alert in alerts),
        issued_at=now,
        content=digest_content(region.name, now, reasons),
    )
