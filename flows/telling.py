"""Deciding who is told of a new version, inside the transaction that stores it."""

from __future__ import annotations

import structlog
from sqlalchemy.orm import Session

from alerts.rules import channels_for, should_alert
from db import outbox
from db.records import AlertRecord
from detectors.types import Acquisition, Alert, Landslide, WatchedRegion
from flows.services import Services

log = structlog.get_logger()

#: The kind of alert that goes out once in a landslide's life.
SUSPECTED = "suspected"


def tell(
    services: Services,
    s: Session,
    region: WatchedRegion,
    look: Acquisition,
    version: Landslide,
    previous: Landslide | None,
) -> bool:
    """Write the alert that a version deserves into the outbox, in the caller's transaction.

    What follows an earlier alert (confirmed, withdrawn) goes to the channels that one went to as
    well, whatever the region's tags are by now.

    Args:
        services: settings and channels.
        s: the transaction that stores ``version``.
        region: where it is.
        look: what decided it.
        version: just stored.
        previous: the version before, None for a new landslide.

    Returns:
        Whether an alert was written.
    """
    earlier = told_before(s, version)
    if previous is None and version.split_from is not None:
        # Part of what is known already: told as a part of the whole, and from now on by itself.
        previous = None if not outbox.list_alerts(s, landslide_id=version.split_from) else version
    kind = should_alert(version, previous, alerted=bool(earlier))
    if kind is None or (kind == SUSPECTED and any(r.alert.kind == SUSPECTED for r in earlier)):
        return False
    alert = Alert(
        landslide=version,
        kind=kind,
        region_name=region.name,
        tags=region.tags,
        item_id=look.item_id,
        sensed_at=look.sensed_at,
        published_at=look.published_at,
        exercise=services.settings.exercise or version.simulated,
        references=tuple(record.alert.id for record in reversed(earlier)),
    )
    told = {delivery.channel for record in earlier for delivery in record.deliveries}
    channels = channels_for(alert, services.channels, told)
    outbox.enqueue(s, alert, channels)
    if not channels and not (earlier and kind == "withdrawn"):
        log.error("nobody is told: no channel takes this alert", region=region.id, kind=kind)
    return True


def told_before(s: Session, landslide: Landslide) -> list[AlertRecord]:
    """Return the alerts about a landslide and about what became part of it, newest first."""
    found = [
        record
        for one in (landslide.id, *landslide.merged_from)
        for record in outbox.list_alerts(s, landslide_id=one)
    ]
    return sorted(found, key=lambda record: record.recorded_at, reverse=True)
